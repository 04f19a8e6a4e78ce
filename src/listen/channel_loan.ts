import type { ServerConnection } from "../backend/mod.ts";
import { type BinaryString, OPAQUE_TRAITS, type SqlTraits, TxStatus } from "../protocol/mod.ts";
import { lendChannels, lendMarker } from "./channel_lending.ts";
import type { ChannelLender, Relay } from "../relay/mod.ts";
import type { SessionNotifications } from "./session_notifications.ts";

const NOTHING: ReadonlySet<BinaryString> = new Set();

/**
 * What of a session's channels is lent to its server connection: before a statement that speaks of channels, all of them, so
 * that it does to them what it would do on a connection of the session's own. A marker tells whether that was committed. Pure.
 */
export class ChannelLoan implements ChannelLender {
  readonly #notifications: SessionNotifications;
  readonly #relay: Relay;
  /** Serial of what was lent in this lease, or 0. */
  #serial = 0;
  /** What was lent in this lease, and has not been handed over again. */
  #channels: ReadonlySet<BinaryString> = NOTHING;
  /** Something ran since that may have taken back what was lent. */
  #doubt = false;
  /** What was lent was followed by a LISTEN or UNLISTEN, which may have ended the marker's. */
  #unlistened = false;
  #markerLost = false;

  constructor(notifications: SessionNotifications, relay: Relay) {
    this.#notifications = notifications;
    this.#relay = relay;
  }

  /** Whether anything was lent in this lease. */
  get made(): boolean {
    return this.#serial > 0;
  }

  /** What was lent in this lease, and has not been handed over again. */
  get channels(): ReadonlySet<BinaryString> {
    return this.#channels;
  }

  /** Whether the server connection may not hear the marker, though it was committed. */
  get unlistened(): boolean {
    return this.#unlistened;
  }

  wants({ listens, notifies, listsChannels }: SqlTraits): boolean {
    const { channels, doubtful } = this.#notifications.subscription;
    return (listens !== null || notifies || listsChannels || (doubtful && this.#markerLost)) &&
      channels.size > 0;
  }

  before(server: ServerConnection, traits: SqlTraits, simple: boolean): void {
    // Behind messages of a batch a simple query stands in their transaction, as one of them.
    const alone = simple && !this.#relay.progress.batchSent;
    if (this.wants(traits)) this.#lend(server, traits, alone);
    this.#lendMarker(server, alone);
    // One statement too long to be looked at, or made by SQL, is no ROLLBACK; a text of several may hold one.
    if (traits.rollsBack && (simple || traits !== OPAQUE_TRAITS)) this.#doubt = true;
    if (traits.listens !== null && this.#notifications.subscription.doubtful) {
      this.#unlistened = this.#markerLost = true;
    }
  }

  beforeSync(server: ServerConnection): void {
    this.#lendMarker(server, false);
  }

  discarded(): void {
    const { subscription, listener } = this.#notifications;
    subscription.discard();
    this.#channels = NOTHING;
    listener.retain(this.#notifications, NOTHING);
  }

  /** Behind a LISTEN or UNLISTEN of the client's, which may have ended the marker's in the same transaction. */
  #lendMarker(server: ServerConnection, simple: boolean): void {
    if (!this.#markerLost || !this.#notifications.subscription.doubtful) return;
    if (server.owed.skipping || server.txStatus === TxStatus.Failed) return;
    this.#markerLost = false;
    lendMarker(server, this.#notifications.listener.marker, simple);
  }

  #lend(server: ServerConnection, traits: SqlTraits, simple: boolean): void {
    const { subscription, listener } = this.#notifications;
    const { owed } = server;
    if (owed.skipping || server.txStatus === TxStatus.Failed || subscription.holding) return;
    const clean = owed.settled && server.txStatus === TxStatus.Idle && !this.#relay.progress.batchSent;
    if (clean && !this.#unlistened) {
      // What was lent and not taken is void.
      subscription.ownSettled();
      this.unexpect();
    }
    if (subscription.changing && !(subscription.lending && this.#doubt)) return;
    // Names are in the encoding that the session had when it listened.
    if (encodingOf(server) !== listener.encoding) return;
    // Inside a transaction it would not be seen before the end.
    if (!clean && traits.listens === null && !traits.notifies) return;
    if (!subscription.lending) this.#serial = this.begin();
    this.#doubt = this.#markerLost = false;
    const { marker } = listener;
    lendChannels(server, { channels: subscription.channels, marker, serial: this.#serial, clean, simple });
  }

  /** All of the session's channels are about to be lent. @returns the serial of the marker that is to be notified with it */
  begin(): number {
    const { subscription, listener } = this.#notifications;
    const serial = listener.nextSerial();
    this.#channels = subscription.channels;
    subscription.beginLend(serial, listener.up);
    listener.expect(serial, this.#notifications);
    return serial;
  }

  /** The marker is not expected any more. */
  unexpect(): void {
    this.#notifications.listener.unexpect(this.#serial);
  }

  /** It is known whether what was lent was committed. */
  settled(): void {
    this.unexpect();
    this.#serial = 0;
    this.#doubt = this.#unlistened = this.#markerLost = false;
  }

  /** What was lent is the shared listener's again. */
  returned(): void {
    this.#channels = NOTHING;
  }

  /** The server connection is lost, and what was lent with it. */
  lost(): void {
    this.#serial = 0;
    this.#channels = NOTHING;
  }
}

/** The client_encoding of the session that holds `server`. */
export function encodingOf(server: ServerConnection): BinaryString {
  return server.reported.values.get("client_encoding") ?? "UTF8";
}
