import type { ServerConnection } from "../backend/mod.ts";
import type { BinaryString, SqlTraits } from "../protocol/mod.ts";
import { ChannelLoan, encodingOf } from "./channel_loan.ts";
import {
  hearMarker,
  listenForeign,
  listeningChannels,
  notifyMarker,
  unlistenAll,
} from "./channel_queries.ts";
import type { Listeners } from "./listeners.ts";
import type { ChannelLender } from "../relay/mod.ts";
import type { Destination } from "../servers/mod.ts";
import { type NotificationsHost, SessionNotifications } from "./session_notifications.ts";

/** A session that listens to more channels keeps its server connection: each of them is lent before a NOTIFY. */
export const SHARED_CHANNELS_MAX = 1000;

/** What the channels of a session need of it. */
export interface ChannelsHost extends NotificationsHost {
  readonly destination: Destination;
}

/**
 * The channels of one session in transaction pooling. At the boundary behind a LISTEN they are handed over from the server
 * connection to a shared listener ({@link "./shared_listener.ts"}); {@link ChannelLoan} lends them back before a statement that
 * speaks of channels; {@link SessionNotifications} is what the session hears.
 *
 * Made with the first LISTEN: a session that never listens has none.
 */
export class SessionChannels implements ChannelLender {
  readonly #listeners: Listeners;
  readonly #destination: Destination;
  readonly #notifications: SessionNotifications;
  readonly #loan: ChannelLoan;
  /** The server connection is kept for LISTEN alone, until the shared listener is there. */
  #kept = false;

  constructor(listeners: Listeners, host: ChannelsHost, server: ServerConnection) {
    this.#listeners = listeners;
    this.#destination = host.destination;
    this.#notifications = new SessionNotifications(host, listeners.get(host.destination, encodingOf(server)));
    this.#loan = new ChannelLoan(this.#notifications, host.relay);
    this.leased(server);
  }

  /** Channels to which a shared listener listens for the session. */
  get channels(): ReadonlySet<BinaryString> {
    return this.#notifications.subscription.channels;
  }

  /** Whether the end of this lease has to be looked at, whatever ran in it. */
  get suspicious(): boolean {
    const { listener } = this.#notifications;
    return this.#loan.made || (this.#kept && (listener.up || listener.state === "closed"));
  }

  /** Whether its channels are listened to in another client_encoding than the session has now. */
  isForeign(server: ServerConnection): boolean {
    return this.channels.size > 0 && this.#notifications.listener.encoding !== encodingOf(server);
  }

  /** Whether what the server says waits for the shared listener. */
  get holding(): boolean {
    return this.#notifications.holding;
  }

  /** While {@link holding}: resolves, never rejects, when everything is written. */
  flushHeld(): Promise<void> {
    return this.#notifications.flushHeld();
  }

  /** A lease of `server` begins. */
  leased(server: ServerConnection): void {
    this.#notifications.leased(server);
  }

  /** Writes what waits for the client, unless it is busy. */
  deliver(): void {
    this.#notifications.deliver();
  }

  /** The complete NotificationResponse at `at`, of the session's own server connection: whether the client gets it. */
  fromOwn(bytes: Uint8Array, at: number, end: number): boolean {
    return this.#notifications.fromOwn(bytes, at, end);
  }

  /** The session is over. */
  close(): void {
    this.#loan.unexpect();
    this.#notifications.close();
  }

  wants(traits: SqlTraits): boolean {
    return this.#loan.wants(traits);
  }

  before(server: ServerConnection, traits: SqlTraits, simple: boolean): void {
    this.#loan.before(server, traits, simple);
  }

  beforeSync(server: ServerConnection): void {
    this.#loan.beforeSync(server);
  }

  discarded(): void {
    this.#loan.discarded();
  }

  /** The server connection was lost before anybody knew what it listened to. */
  ownLost(): void {
    const loan = this.#loan;
    const notifications = this.#notifications;
    const { listener, subscription } = notifications;
    loan.unexpect();
    const serial = listener.nextSerial();
    const gap = subscription.ownLost(serial, loan.channels, listener.up);
    loan.lost();
    if (gap) {
      notifications.lostOwn();
      listener.mark(serial, notifications);
    }
    notifications.release();
  }

  /**
   * A probe found `found` listened to on the session's server connection, which is at a boundary: hands that over to the
   * shared listener, where the session may go (`mayMove`).
   *
   * @returns whether the connection listens to nothing any more.
   * @throws PgplexError when the connection is lost, or its state not known any more
   */
  async settle(server: ServerConnection, found: readonly BinaryString[], mayMove: boolean): Promise<boolean> {
    const wasClosed = this.#notifications.closed;
    try {
      return await this.#settle(server, found, mayMove);
    } finally {
      // The session may have ended meanwhile: what was begun for it since is nobody's.
      if (!wasClosed && this.#notifications.closed) this.#notifications.close();
    }
  }

  async #settle(
    server: ServerConnection,
    found: readonly BinaryString[],
    mayMove: boolean,
  ): Promise<boolean> {
    const loan = this.#loan;
    const notifications = this.#notifications;
    const { subscription } = notifications;
    if (notifications.closed) return found.length === 0;
    if (subscription.doubtful && loan.unlistened) await this.#catchUp(server);
    else subscription.ownSettled();
    await notifications.cutIsDone();
    notifications.warnIfUp();
    loan.settled();
    this.#kept = false;
    const { marker, encoding } = notifications.listener;
    const ownEncoding = encodingOf(server);
    let natives = found.filter((channel) => channel !== marker);
    const marked = natives.length < found.length;
    if (subscription.channels.size > 0 && ownEncoding !== encoding) {
      const taken = await this.#takeBack(server, ownEncoding);
      if (taken === null) {
        this.#release();
        return false;
      }
      natives = taken;
    }
    if (subscription.channels.size === 0 && natives.length > 0) {
      notifications.moveTo(this.#listeners.get(this.#destination, ownEncoding));
    }
    if (natives.every((channel) => subscription.channels.has(channel))) {
      if (natives.length > 0 || marked) await unlistenAll(server);
      this.#release();
      return true;
    }
    const next = new Set([...subscription.channels, ...natives]);
    if (mayMove && !notifications.closed && next.size <= SHARED_CHANNELS_MAX) {
      if (await this.#move(server, next)) return true;
      this.#kept = true;
    }
    this.#release();
    return false;
  }

  /** The shared listener keeps what it listens to for the session, and nothing of what was lent or unlistened. */
  #release(): void {
    const { listener, subscription } = this.#notifications;
    this.#loan.returned();
    listener.retain(this.#notifications, subscription.channels);
  }

  /** The shared listener is to listen to `next`, from there on alone. Whether it does. */
  async #move(server: ServerConnection, next: ReadonlySet<BinaryString>): Promise<boolean> {
    const { listener } = this.#notifications;
    if (await listener.ready() && await listener.listen(this.#notifications, next)) {
      return await this.#handOver(server, next);
    }
    if (!this.#notifications.closed) listener.wish(this.#notifications);
    return false;
  }

  /** The shared listener listens to `next` already. */
  async #handOver(server: ServerConnection, next: ReadonlySet<BinaryString>): Promise<boolean> {
    const notifications = this.#notifications;
    const { listener, subscription } = notifications;
    if (notifications.closed || !listener.up) return false;
    const serial = listener.nextSerial();
    subscription.beginHandOver(serial, next);
    this.#loan.returned();
    listener.expect(serial, notifications);
    try {
      const committed = await hearMarker(server, listener.marker, serial);
      if (!committed || subscription.awaitsOwn) {
        listener.unexpect(serial);
        subscription.abandonHandOver();
        return false;
      }
      if (subscription.changing) listener.await(serial);
      await unlistenAll(server);
    } catch (thrown) {
      this.ownLost();
      throw thrown;
    }
    await notifications.cutIsDone();
    listener.retain(notifications, next);
    return !notifications.closed;
  }

  /** Finds out whether what was lent was committed, where the session's own connection may not listen to the marker. */
  async #catchUp(server: ServerConnection): Promise<void> {
    const notifications = this.#notifications;
    const { listener, subscription } = notifications;
    const serial = listener.nextSerial();
    if (listener.up) {
      listener.expect(serial, notifications);
      const caughtUp = notifications.awaitMarker(serial);
      try {
        await notifyMarker(server, listener.marker, serial);
        if (notifications.awaited === serial) listener.await(serial);
        await caughtUp;
      } finally {
        notifications.awaitNone();
      }
    }
    subscription.sharedSettled();
    // What the session's own connection says from here on stands behind it.
    if (subscription.channels.size === 0) notifications.putAll();
  }

  /** The session's client_encoding has changed: its channels are listened to on its own connection again. Null: it cannot name them. */
  async #takeBack(server: ServerConnection, ownEncoding: BinaryString): Promise<BinaryString[] | null> {
    const notifications = this.#notifications;
    const { subscription, listener: { marker, encoding } } = notifications;
    const { channels } = subscription;
    const serial = this.#loan.begin();
    await listenForeign(server, { channels, marker, serial, encoding, ownEncoding });
    await notifications.cutIsDone();
    notifications.listener.retain(notifications, subscription.channels);
    return await listeningChannels(server);
  }
}
