import type { PgplexError } from "../kernel/mod.ts";
import type { Notification } from "../protocol/mod.ts";
import { ListenerChannels } from "./listener_channels.ts";
import type { Subscription } from "./subscription.ts";

/** A session as its shared listener sees it. All calls are synchronous. */
export interface ListenerMember {
  readonly subscription: Subscription;
  /** A notification for the session's client; the bytes are shared with other sessions. */
  notified(notification: Notification, message: Uint8Array): void;
  /** Marker `serial` came; null: no marker will come any more, as the listener was lost. */
  sharedCut(serial: number | null): void;
  /** What was notified may be delivered now. */
  deliver(): void;
  /** Notifications may be lost from here on. */
  lost(): void;
  /** From here on none is lost: the client is warned if some may have been. */
  warn(): void;
  /** The listener is there, after a time in which it was not. */
  listenerUp(): void;
  /** The cluster is gone, or pgplex stops. */
  listenerGone(error: PgplexError): void;
}

/** The sessions of one shared listener, and which of them hears what. Pure. */
export class ListenerMembers {
  readonly channels = new ListenerChannels<ListenerMember>();
  /** Sessions that listen on connections of their own, and would rather not. */
  readonly #wishing = new Set<ListenerMember>();
  /** Sessions that were told something since the last {@link deliver}. */
  readonly #touched = new Set<ListenerMember>();

  /** Whether any session needs the listener. */
  get needed(): boolean {
    return this.channels.size > 0 || this.#wishing.size > 0;
  }

  /** Everybody who listens here, or wishes to. */
  all(): Set<ListenerMember> {
    return new Set([...this.channels.members(), ...this.#wishing]);
  }

  /** `member` is told when the listener is there. */
  wish(member: ListenerMember): void {
    this.#wishing.add(member);
  }

  /** `member` is over; its channels are another matter. */
  leave(member: ListenerMember): void {
    this.#wishing.delete(member);
    this.#touched.delete(member);
  }

  /** A notification came. */
  notified(notification: Notification, message: Uint8Array): void {
    for (const member of this.channels.of(notification.channel)) {
      if (!member.subscription.concerns(notification.channel)) continue;
      member.notified(notification, message);
      this.#touched.add(member);
    }
  }

  /** Marker `serial` came. */
  marked(serial: number): void {
    const member = this.channels.takeMarker(serial);
    if (member === null) return;
    member.subscription.sharedMarker(serial);
    member.sharedCut(serial);
    this.#touched.add(member);
  }

  /** Everything that was received has been told. */
  deliver(): void {
    if (this.#touched.size === 0) return;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const member of touched) member.deliver();
  }

  /** Notifications may be lost from here on. */
  lost(): void {
    for (const member of this.channels.members()) member.lost();
  }

  /** From here on none is lost. */
  warn(): void {
    for (const member of [...this.channels.members()]) member.warn();
  }

  /** Nothing comes any more, markers neither. */
  ended(): void {
    this.channels.forgetMarkers();
    for (const member of this.channels.members()) {
      member.subscription.sharedLost();
      member.sharedCut(null);
    }
    this.deliver();
  }

  /** The listener is there. */
  up(): void {
    this.warn();
    const wishing = [...this.#wishing];
    this.#wishing.clear();
    for (const member of wishing) member.listenerUp();
  }
}
