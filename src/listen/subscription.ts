import { assert } from "../kernel/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import { NotificationQueue } from "./notification_queue.ts";

const NONE: ReadonlySet<BinaryString> = new Set();

/**
 * A change of where a session's notifications come from. PostgreSQL keeps the notifications of a database in one order for
 * all who listen, so a *marker*, which is a notification on an internal channel, cuts what both connections deliver at
 * the same place.
 */
interface Cut {
  /** From the shared listener to the session's own connection, or back. */
  readonly kind: "lend" | "hand over";
  readonly serial: number;
  /** The marker came over the session's own connection. */
  ownSeen: boolean;
  /** It came over the shared listener; or that is down, and delivers nothing any more. */
  sharedSeen: boolean;
  /** The shared listener is, or was, down meanwhile: what it says is not taken before the change is over. */
  sharedBlind: boolean;
  /** Hand over: what is taken from the shared listener from the marker on. */
  readonly next: ReadonlySet<BinaryString>;
}

/**
 * From which of two connections one session takes its notifications: from the shared listener, or, while it has channels
 * on the server connection that it holds, from there. Each comes once and in order, whatever the other connection's delay.
 *
 * Pure: a session's machine, fed by both connections. What the client is to get from the shared listener waits in
 * {@link queue}; what comes over the session's own connection is passed, or dropped, where it stands.
 *
 * Invariants: one cut at a time; messages wait in `#later` only while a hand-over waits for the session's own connection.
 */
export class Subscription {
  /** Channels whose notifications come from the shared listener. */
  channels: ReadonlySet<BinaryString> = NONE;
  readonly queue = new NotificationQueue();
  /** More came than may wait: the session cannot go on without a gap. */
  overflowed = false;
  #cut: Cut | null = null;
  #later: Uint8Array[] = [];
  #laterBytes = 0;

  /** Whether a marker is on its way by which the session's own connection takes over. */
  get lending(): boolean {
    return this.#cut?.kind === "lend";
  }

  /** Whether nobody knows yet if what was lent was committed. */
  get doubtful(): boolean {
    return this.#cut !== null && this.#cut.kind === "lend" && !this.#cut.ownSeen;
  }

  /** Whether a change is under way. */
  get changing(): boolean {
    return this.#cut !== null;
  }

  /**
   * Whether the session's own connection has taken over already while the shared listener is still behind: what comes over
   * the former has to wait.
   */
  get holding(): boolean {
    return this.#cut !== null && this.#cut.kind === "lend" && this.#cut.ownSeen;
  }

  /** Serial of the marker that the shared listener has not brought yet, or null. */
  get awaitedShared(): number | null {
    return this.#cut === null || this.#cut.sharedSeen ? null : this.#cut.serial;
  }

  /** Whether the marker of a hand-over has not come over the session's own connection. */
  get awaitsOwn(): boolean {
    return this.#cut !== null && this.#cut.kind === "hand over" && !this.#cut.ownSeen;
  }

  /** Whether the session may need what the shared listener says of `channel`, now or from a marker on. */
  concerns(channel: BinaryString): boolean {
    return this.channels.has(channel) || (this.#cut?.next.has(channel) ?? false);
  }

  /**
   * The session's channels were listened to on its own connection too, and marker `serial` notified there, in a transaction
   * that may yet be rolled back. The same serial may be lent again in the same lease.
   */
  beginLend(serial: number, sharedUp: boolean): void {
    if (this.#cut !== null) {
      assert(this.#cut.kind === "lend" && this.#cut.serial === serial, "one cut at a time");
      return;
    }
    this.#cut = {
      kind: "lend",
      serial,
      ownSeen: false,
      sharedSeen: !sharedUp,
      sharedBlind: !sharedUp,
      next: NONE,
    };
  }

  /** The shared listener listens to `next`, and marker `serial` is about to be notified on the session's own connection. */
  beginHandOver(serial: number, next: ReadonlySet<BinaryString>): void {
    assert(this.#cut === null, "one cut at a time");
    this.#cut = { kind: "hand over", serial, ownSeen: false, sharedSeen: false, sharedBlind: false, next };
  }

  /** The shared listener received a notification. */
  fromShared(channel: BinaryString, message: Uint8Array): void {
    const cut = this.#cut;
    if (cut === null || !cut.sharedSeen) {
      if (this.channels.has(channel)) this.#enqueue(message);
    } else if (cut.kind === "hand over" && !cut.sharedBlind && cut.next.has(channel)) {
      // The session's own connection has not said yet all that comes before the marker.
      this.#later.push(message);
      this.#laterBytes += message.length;
      if (this.#laterBytes + this.queue.bytes > NOTIFICATION_LATER_BYTES_MAX) this.overflowed = true;
    }
  }

  /** The session's own connection received a notification. Whether it is the client's. */
  fromOwn(channel: BinaryString): boolean {
    const cut = this.#cut;
    if (cut !== null && cut.ownSeen) return cut.kind === "lend";
    return !this.channels.has(channel);
  }

  /** A marker came over the session's own connection. */
  ownMarker(serial: number): void {
    const cut = this.#cut;
    if (cut === null || cut.serial !== serial || cut.ownSeen) return;
    cut.ownSeen = true;
    if (cut.kind === "hand over") {
      for (const message of this.#later) this.#enqueue(message);
      this.#later = [];
      this.#laterBytes = 0;
    }
    this.#completeIfDone(cut);
  }

  /** A marker came over the shared listener. */
  sharedMarker(serial: number): void {
    const cut = this.#cut;
    if (cut === null || cut.serial !== serial || cut.sharedSeen) return;
    cut.sharedSeen = true;
    this.#completeIfDone(cut);
  }

  /** The shared listener was lost: markers that it would have delivered never come. */
  sharedLost(): void {
    const cut = this.#cut;
    if (cut === null) return;
    // What it says when it is there again may be what the session's own connection says, too.
    if (cut.kind === "hand over") cut.sharedBlind = true;
    if (cut.sharedSeen) return;
    cut.sharedSeen = cut.sharedBlind = true;
    this.#completeIfDone(cut);
  }

  /**
   * The session's own connection has answered everything and is in no transaction: a lent marker that was committed has
   * come, and one that has not come was rolled back. Nothing has changed then.
   */
  ownSettled(): void {
    if (this.doubtful) this.#cut = null;
  }

  /**
   * As {@link ownSettled}, where the session's own connection may have been told to UNLISTEN the marker in the same
   * transaction, and the shared listener has said all up to now: the marker has come there if it was committed.
   */
  sharedSettled(): void {
    const cut = this.#cut;
    if (cut !== null && this.doubtful && cut.sharedSeen && !cut.sharedBlind) this.ownMarker(cut.serial);
    else this.ownSettled();
  }

  /** The marker of a hand-over could not be notified. */
  abandonHandOver(): void {
    assert(this.#cut?.kind === "hand over" && !this.#cut.ownSeen, "a hand-over waits for its marker");
    this.#cut = null;
    this.#later = [];
    this.#laterBytes = 0;
  }

  /**
   * The session's own connection was lost: the shared listener is what is left, which has not stopped to listen to what was
   * `lent`. From marker `serial` on, which is notified now behind all that the lost connection said, everything comes from
   * there again.
   *
   * @returns whether the marker is needed: there is a gap before it.
   */
  ownLost(serial: number, lent: ReadonlySet<BinaryString>, sharedUp: boolean): boolean {
    const cut = this.#cut;
    if (cut?.kind === "hand over" && cut.ownSeen) return false;
    this.#cut = null;
    if (cut?.kind === "lend" && !cut.ownSeen && !cut.sharedSeen) return false;
    if (cut?.kind === "lend" && cut.ownSeen) this.channels = NONE;
    const next = new Set([...this.channels, ...(cut?.next ?? NONE), ...lent]);
    if (cut === null && lent.size === 0) return false;
    this.#later = [];
    this.#laterBytes = 0;
    this.#cut = { kind: "hand over", serial, ownSeen: true, sharedSeen: false, sharedBlind: false, next };
    if (!sharedUp) this.sharedLost();
    return true;
  }

  /** DISCARD ALL: the session listens to nothing, and what has not been said yet is not said any more. */
  discard(): void {
    this.channels = NONE;
    this.queue.clear();
  }

  #completeIfDone(cut: Cut): void {
    if (!cut.ownSeen || !cut.sharedSeen) return;
    this.channels = cut.next;
    this.#cut = null;
  }

  #enqueue(message: Uint8Array): void {
    if (!this.queue.push(message)) this.overflowed = true;
  }
}

/** Bytes that may wait for a hand-over, which takes milliseconds, at most. */
const NOTIFICATION_LATER_BYTES_MAX = 16 << 20;
