import type { ServerConnection } from "../backend/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import { encodeWarning, type Notification, notificationAt, putInt32 } from "../protocol/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import type { ListenerMember } from "./listener_members.ts";
import { NotificationDelivery } from "./notification_delivery.ts";
import type { Relay } from "../relay/mod.ts";
import type { SharedListener } from "./shared_listener.ts";
import { Subscription } from "./subscription.ts";

const WARNING: Readonly<Uint8Array> = encodeWarning(
  "notifications may have been lost",
  "The server connection that listened for this session was interrupted. It listens again from now on.",
);

/** As a shared listener names its marker. */
const MARKER = /^pgplex_[0-9a-f]{32}$/;

/** What the notifications of a session need of it. */
export interface NotificationsHost {
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
 * What one session hears: from the {@link SharedListener} at which it is a member, and over its own server connection.
 * {@link Subscription} says which of the two counts, {@link NotificationDelivery} when the client gets it.
 */
export class SessionNotifications implements ListenerMember {
  readonly subscription = new Subscription();
  readonly #host: NotificationsHost;
  readonly #delivery: NotificationDelivery;
  #listener: SharedListener;
  /** Somebody waits for a cut, or for {@link awaited}. */
  #cutDone: (() => void) | null = null;
  /** Serial of a marker that says how far the shared listener is, or 0. */
  #awaited = 0;
  /** Notifications may have been lost, and the client has not been told. */
  #lossy = false;
  #closed = false;
  /** The connection of the last lease, and its number there: whose notifications are the session's own. */
  #server: ServerConnection | null = null;
  #tenure = 0;

  constructor(host: NotificationsHost, listener: SharedListener) {
    this.#host = host;
    this.#delivery = new NotificationDelivery(this.subscription.queue, host.relay, host.out);
    this.#listener = listener;
  }

  /** Where the session is, or will be, a member. */
  get listener(): SharedListener {
    return this.#listener;
  }

  /** Whether the session is over. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether what the server says waits for the shared listener. */
  get holding(): boolean {
    return this.#delivery.holding;
  }

  /** A lease of `server` begins. */
  leased(server: ServerConnection): void {
    this.#server = server;
    this.#tenure = server.tenancy.count;
  }

  /** The session, which has no channels, goes to another listener. */
  moveTo(listener: SharedListener): void {
    if (listener === this.#listener) return;
    this.#listener.leave(this);
    this.#listener = listener;
  }

  /** The session is over. */
  close(): void {
    this.#closed = true;
    this.subscription.discard();
    this.#listener.leave(this);
    this.#delivery.release();
    this.#cutDone?.();
  }

  // What the server connection says.

  /** The complete NotificationResponse at `at`, of the session's own server connection: whether the client gets it. */
  fromOwn(bytes: Uint8Array, at: number, end: number): boolean {
    const notification = notificationAt(bytes, at, end);
    if (notification === null) return true;
    if (notification.channel !== this.#listener.marker) {
      // Of the listener that the session had before its client_encoding changed.
      if (MARKER.test(notification.channel)) return false;
      const passes = this.subscription.fromOwn(notification.channel);
      if (!passes) this.#comesShared();
      return passes;
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

  /** The shared listener brings what the own connection has just said: what that says next stands behind it. */
  #comesShared(): void {
    const { lending, holding, awaitedShared } = this.subscription;
    if (!lending || holding) return;
    if (awaitedShared === null) return this.#delivery.putAll();
    this.#delivery.hold();
    this.#listener.await(awaitedShared);
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
    if (this.#delivery.holding && !this.subscription.holding) this.release();
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

  /**
   * Whether the session itself notified, by a statement that does not say so: it was the last to hold that backend. Within
   * the moment that a notification takes, another session may have begun to hold it, and is taken for its sender.
   */
  #isOwn(pid: number): boolean {
    const server = this.#server;
    return server !== null && server.tenancy.count === this.#tenure && !server.closed &&
      server.identity.key?.pid === pid;
  }

  #queueWarning(): void {
    // Before a change is over, something may yet come that stands before the gap.
    if (!this.#lossy || this.subscription.changing) return;
    this.#lossy = false;
    this.subscription.queue.push(WARNING as Uint8Array);
  }

  // At a boundary.

  /** Serial of the marker that {@link awaitMarker} waits for, or 0. */
  get awaited(): number {
    return this.#awaited;
  }

  /** Resolves when marker `serial` came over the shared listener, when that is lost, or when the session is over. */
  awaitMarker(serial: number): Promise<void> {
    this.#awaited = serial;
    return new Promise((resolve) => this.#cutDone = resolve);
  }

  /** No marker is waited for any more. */
  awaitNone(): void {
    this.#awaited = 0;
  }

  /** Resolves when no change is under way, or the session is over. */
  async cutIsDone(): Promise<void> {
    if (!this.subscription.changing || this.#closed) return;
    await new Promise<void>((resolve) => this.#cutDone = resolve);
    this.#cutDone = null;
  }

  /** Everything that waits stands before what the session's own connection says next. */
  putAll(): void {
    this.#delivery.putAll();
  }

  /** Gives what waits to the client, and behind it what was held. */
  release(): void {
    this.#queueWarning();
    this.#delivery.release();
  }

  /** Something was lost with the session's own connection. */
  lostOwn(): void {
    this.#lossy = true;
  }

  /** Warns the client, if there is something to warn of, once the listener is there. */
  warnIfUp(): void {
    if (this.#lossy && this.#listener.up) this.warn();
  }
}
