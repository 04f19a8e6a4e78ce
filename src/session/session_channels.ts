import { runQuery, type ServerConnection } from "../backend/mod.ts";
import {
  type BinaryString,
  encodeWarning,
  listenSql,
  type Notification,
  notificationAt,
  putInt32,
  quoteChannel,
  type SqlTraits,
  TxStatus,
} from "../protocol/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import { lendChannels, lendMarker } from "./channel_lending.ts";
import type { Listeners } from "./listeners.ts";
import { NotificationDelivery } from "./notification_delivery.ts";
import type { ChannelLender, Relay } from "./relay.ts";
import type { ServerPool } from "./server_pools.ts";
import type { ListenerMember, SharedListener } from "./shared_listener.ts";
import { Subscription } from "./subscription.ts";

/** A session that listens to more channels keeps its server connection: each of them is lent before a NOTIFY. */
export const SHARED_CHANNELS_MAX = 1000;

const WARNING: Readonly<Uint8Array> = encodeWarning(
  "notifications may have been lost",
  "The server connection that listened for this session was interrupted. It listens again from now on.",
);

const NOTHING: ReadonlySet<BinaryString> = new Set();

/** What the channels of a session need of it. */
export interface ChannelsHost {
  readonly pool: ServerPool;
  readonly relay: Relay;
  readonly out: Outbox;
  /** The process id that the client knows as its own. */
  readonly pid: number;
  /** Looks at the server connection again, which is kept for LISTEN alone, if the session is at a boundary. */
  lookAgain(): void;
  /** The client cannot get all of its notifications any more. */
  overflowed(): void;
  /** Ends the session. */
  end(error: PgplexError): void;
}

/**
 * The channels of one session in transaction pooling. After LISTEN they are handed over from the server connection to the
 * {@link SharedListener}; before a statement that speaks of channels, they are lent to the server connection, so that it
 * does to them what it would do on a connection of the session's own.
 *
 * Made with the first LISTEN: a session that never listens has none.
 */
export class SessionChannels implements ListenerMember, ChannelLender {
  readonly subscription = new Subscription();
  readonly #listeners: Listeners;
  readonly #host: ChannelsHost;
  readonly #delivery: NotificationDelivery;
  #listener: SharedListener;
  /** Serial of what was lent in this lease, or 0. */
  #lent = 0;
  /** What was lent in this lease, and has not been handed over again. */
  #lentChannels: ReadonlySet<BinaryString> = NOTHING;
  /** Something ran since that may have taken back what was lent. */
  #doubt = false;
  /** What was lent was followed by a LISTEN or UNLISTEN, which may have ended the marker's. */
  #unlistened = false;
  #markerLost = false;
  /** The server connection is kept for LISTEN alone, until the shared listener is there. */
  #kept = false;
  #cutDone: (() => void) | null = null;
  /** Notifications may have been lost, and the client has not been told. */
  #lossy = false;
  /** Serial of a marker that says how far the shared listener is, or 0. */
  #awaited = 0;
  #closed = false;
  /** The connection of the last lease, and its number there: whose notifications are the session's own. */
  #server: ServerConnection | null = null;
  #tenure = 0;

  constructor(listeners: Listeners, host: ChannelsHost, server: ServerConnection) {
    this.#listeners = listeners;
    this.#host = host;
    this.#delivery = new NotificationDelivery(this.subscription.queue, host.relay, host.out);
    this.#listener = listeners.get(host.pool, encodingOf(server));
    this.leased(server);
  }

  /** Whether the end of this lease has to be looked at, whatever ran in it. */
  get suspicious(): boolean {
    return this.#lent > 0 || (this.#kept && (this.#listener.up || this.#listener.state === "closed"));
  }

  /** Whether what the server says waits for the shared listener. */
  get holding(): boolean {
    return this.#delivery.holding;
  }

  /** A lease of `server` begins. */
  leased(server: ServerConnection): void {
    this.#server = server;
    this.#tenure = server.tenure;
  }

  /** The session is over. */
  close(): void {
    this.#closed = true;
    this.subscription.discard();
    this.#listener.unexpect(this.#lent);
    this.#listener.leave(this);
    this.#delivery.release();
    this.#cutDone?.();
  }

  // Before the client's messages.

  wants({ listens, notifies, listsChannels }: SqlTraits): boolean {
    const { channels, doubtful } = this.subscription;
    return (listens || notifies || listsChannels || (doubtful && this.#markerLost)) && channels.size > 0;
  }

  before(server: ServerConnection, traits: SqlTraits, simple: boolean): void {
    const { subscription } = this;
    if (this.wants(traits)) this.#lend(server, traits, simple);
    this.#lendMarker(server, simple);
    if (traits.rollsBack) this.#doubt = true;
    if (traits.listens && subscription.doubtful) this.#unlistened = this.#markerLost = true;
  }

  beforeSync(server: ServerConnection): void {
    this.#lendMarker(server, false);
  }

  discarded(): void {
    this.subscription.discard();
    this.#lentChannels = NOTHING;
    this.#listener.retain(this, NOTHING);
  }

  /** Behind a LISTEN or UNLISTEN of the client's, which may have ended the marker's in the same transaction. */
  #lendMarker(server: ServerConnection, simple: boolean): void {
    if (!this.#markerLost || !this.subscription.doubtful) return;
    if (server.owed.skipping || server.txStatus === TxStatus.Failed) return;
    this.#markerLost = false;
    lendMarker(server, this.#listener.marker, simple);
  }

  #lend(server: ServerConnection, traits: SqlTraits, simple: boolean): void {
    const { subscription } = this;
    const { owed } = server;
    if (owed.skipping || server.txStatus === TxStatus.Failed || subscription.holding) return;
    const clean = owed.settled && server.txStatus === TxStatus.Idle && !this.#host.relay.batchSent;
    if (clean && !this.#unlistened) this.#forgetLent();
    if (subscription.changing && !(subscription.lending && this.#doubt)) return;
    // Names are in the encoding that the session had when it listened.
    if (encodingOf(server) !== this.#listener.encoding) return;
    // Inside a transaction it would not be seen before the end.
    if (!clean && !traits.listens && !traits.notifies) return;
    if (!subscription.lending) {
      this.#lent = this.#listener.nextSerial();
      this.#lentChannels = subscription.channels;
      subscription.beginLend(this.#lent, this.#listener.up);
      this.#listener.expect(this.#lent, this);
    }
    this.#doubt = this.#markerLost = false;
    const { marker } = this.#listener;
    lendChannels(server, { channels: subscription.channels, marker, serial: this.#lent, clean, simple });
  }

  /** The server connection is idle: what was lent and not taken is void. */
  #forgetLent(): void {
    this.subscription.ownSettled();
    this.#listener.unexpect(this.#lent);
  }

  // What the server connection says.

  /** The complete NotificationResponse at `at`, of the session's own server connection: whether the client gets it. */
  fromOwn(bytes: Uint8Array, at: number, end: number): boolean {
    const notification = notificationAt(bytes, at, end);
    if (notification === null) return true;
    if (notification.channel !== this.#listener.marker) {
      return this.subscription.fromOwn(notification.channel);
    }
    const serial = Number(notification.payload);
    const { subscription } = this;
    const lent = subscription.lending;
    subscription.ownMarker(serial);
    if (subscription.holding) {
      this.#delivery.hold();
      this.#listener.await(serial);
    } else if (lent && !subscription.changing) {
      this.#queueWarning();
      this.#delivery.putAll();
    } else {
      if (this.#listener.up) this.#queueWarning();
      this.deliver();
    }
    return false;
  }

  /** While {@link holding}: resolves, never rejects, when everything is written. */
  flushHeld(): Promise<void> {
    return this.#delivery.flushHeld();
  }

  // What the shared listener says.

  notified({ pid, channel }: Notification, message: Uint8Array): void {
    let own = message;
    if (this.#isOwn(pid)) {
      own = message.slice();
      putInt32(own, 5, this.#host.pid);
    }
    this.#queueWarning();
    this.subscription.fromShared(channel, own);
  }

  sharedCut(serial: number | null): void {
    if (this.#listener.up) this.#queueWarning();
    if (this.#delivery.holding && !this.subscription.holding) this.#release();
    if (this.#awaited > 0) {
      // The marker of what was lent is another one.
      if (serial !== null && serial !== this.#awaited) return;
      this.#awaited = 0;
      this.#cutDone?.();
    } else if (!this.subscription.changing) this.#cutDone?.();
  }

  lost(): void {
    const { channels, changing } = this.subscription;
    if (channels.size > 0 || changing) this.#lossy = true;
  }

  warn(): void {
    this.#queueWarning();
    this.deliver();
  }

  deliver(): void {
    if (this.#closed) return;
    if (this.subscription.overflowed) this.#host.overflowed();
    else this.#delivery.deliver();
  }

  listenerUp(): void {
    this.#host.lookAgain();
  }

  listenerGone(error: PgplexError): void {
    this.#host.end(error);
  }

  #queueWarning(): void {
    // Before a change is over, something may yet come that stands before the gap.
    if (!this.#lossy || this.subscription.changing) return;
    this.#lossy = false;
    this.subscription.queue.push(WARNING as Uint8Array);
  }

  #release(): void {
    this.#queueWarning();
    this.#delivery.release();
  }

  /**
   * Whether the session itself notified, by a statement that does not say so: it was the last to hold that backend. Within
   * the moment that a notification takes, another session may have begun to hold it, and is taken for its sender.
   */
  #isOwn(pid: number): boolean {
    const server = this.#server;
    return server !== null && server.tenure === this.#tenure && !server.closed &&
      server.identity.key?.pid === pid;
  }

  // At a boundary.

  /** The server connection was lost before anybody knew what it listened to. */
  ownLost(): void {
    const { subscription } = this;
    const listener = this.#listener;
    listener.unexpect(this.#lent);
    const serial = listener.nextSerial();
    const gap = subscription.ownLost(serial, this.#lentChannels, listener.up);
    this.#lent = 0;
    this.#lentChannels = NOTHING;
    if (gap) {
      this.#lossy = true;
      listener.mark(serial, this);
    }
    this.#release();
  }

  /**
   * A probe found `found` listened to on the session's server connection, which is at a boundary: hands that over to the
   * shared listener, where the session may go (`mayMove`).
   *
   * @returns whether the connection listens to nothing any more.
   * @throws PgplexError when the connection is lost, or its state not known any more
   */
  async settle(server: ServerConnection, found: readonly BinaryString[], mayMove: boolean): Promise<boolean> {
    const { subscription } = this;
    if (this.#closed) return found.length === 0;
    if (subscription.doubtful && this.#unlistened) await this.#catchUp(server);
    else subscription.ownSettled();
    await this.#cutIsDone();
    if (this.#lossy && this.#listener.up) this.warn();
    this.#listener.unexpect(this.#lent);
    this.#lent = 0;
    this.#doubt =
      this.#kept =
      this.#unlistened =
      this.#markerLost =
        false;
    let natives = found.filter((channel) => channel !== this.#listener.marker);
    const marked = natives.length < found.length;
    const encoding = encodingOf(server);
    if (subscription.channels.size > 0 && encoding !== this.#listener.encoding) {
      natives = await this.#takeBack(server, encoding);
    }
    if (subscription.channels.size === 0 && natives.length > 0) this.#useListenerFor(encoding);
    const listener = this.#listener;
    // What was lent, and what was unlistened.
    const release = () => {
      this.#lentChannels = NOTHING;
      listener.retain(this, subscription.channels);
    };
    if (natives.every((channel) => subscription.channels.has(channel))) {
      if (natives.length > 0 || marked) await unlistenAll(server);
      release();
      return true;
    }
    if (!mayMove || this.#closed) {
      release();
      return false;
    }
    const next = new Set([...subscription.channels, ...natives]);
    if (next.size <= SHARED_CHANNELS_MAX) {
      if (await listener.ready() && await listener.listen(this, next)) {
        if (await this.#handOver(server, next)) return true;
      } else if (!this.#closed) listener.wish(this);
      this.#kept = true;
    }
    release();
    return false;
  }

  /** The shared listener listens to `next` already. */
  async #handOver(server: ServerConnection, next: ReadonlySet<BinaryString>): Promise<boolean> {
    const { subscription } = this;
    const listener = this.#listener;
    if (this.#closed || !listener.up) return false;
    const serial = listener.nextSerial();
    const marker = quoteChannel(listener.marker);
    subscription.beginHandOver(serial, next);
    this.#lentChannels = NOTHING;
    listener.expect(serial, this);
    try {
      const { error } = await runQuery(
        server,
        "SELECT pg_catalog.set_config('synchronous_commit', 'off', true); " +
          `LISTEN ${marker}; NOTIFY ${marker}, '${serial}'`,
      );
      if (error !== null || subscription.awaitsOwn) {
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
    await this.#cutIsDone();
    listener.retain(this, next);
    return !this.#closed;
  }

  /** Finds out whether what was lent was committed, where the session's own connection may not listen to the marker. */
  async #catchUp(server: ServerConnection): Promise<void> {
    const listener = this.#listener;
    const serial = listener.nextSerial();
    if (listener.up) {
      listener.expect(serial, this);
      this.#awaited = serial;
      const caughtUp = new Promise<void>((resolve) => this.#cutDone = resolve);
      try {
        const { error } = await runQuery(server, `NOTIFY ${quoteChannel(listener.marker)}, '${serial}'`);
        if (error !== null) throw error;
        if (this.#awaited === serial) listener.await(serial);
        await caughtUp;
      } finally {
        this.#awaited = 0;
      }
    }
    this.subscription.sharedSettled();
    // What the session's own connection says from here on stands behind it.
    if (this.subscription.channels.size === 0) this.#delivery.putAll();
  }

  /** The session's client_encoding has changed: its channels are listened to on its own connection again. */
  async #takeBack(server: ServerConnection, encoding: BinaryString): Promise<BinaryString[]> {
    const { subscription } = this;
    const listener = this.#listener;
    const serial = listener.nextSerial();
    const { marker } = listener;
    const run = async (sql: BinaryString) => {
      const { rows, error } = await runQuery(server, sql);
      if (error !== null) throw error;
      return rows;
    };
    this.#lentChannels = subscription.channels;
    subscription.beginLend(serial, listener.up);
    listener.expect(serial, this);
    await run(`SET client_encoding = ${quoteChannel(listener.encoding)}`);
    await run(
      `${listenSql([...subscription.channels, marker])}; NOTIFY ${quoteChannel(marker)}, '${serial}'`,
    );
    await run(`UNLISTEN ${quoteChannel(marker)}; SET client_encoding = ${quoteChannel(encoding)}`);
    await this.#cutIsDone();
    listener.retain(this, subscription.channels);
    const rows = await run("SELECT n.n FROM pg_catalog.pg_listening_channels() n(n)");
    return rows.map(([channel]) => channel!);
  }

  async #cutIsDone(): Promise<void> {
    if (!this.subscription.changing || this.#closed) return;
    await new Promise<void>((resolve) => this.#cutDone = resolve);
    this.#cutDone = null;
  }

  #useListenerFor(encoding: BinaryString): void {
    const listener = this.#listeners.get(this.#host.pool, encoding);
    if (listener === this.#listener) return;
    this.#listener.leave(this);
    this.#listener = listener;
  }
}

async function unlistenAll(server: ServerConnection): Promise<void> {
  const { error } = await runQuery(server, "UNLISTEN *");
  if (error !== null) throw error;
}

/** The client_encoding of the session that holds `server`. */
function encodingOf(server: ServerConnection): BinaryString {
  return server.reported.values.get("client_encoding") ?? "UTF8";
}
