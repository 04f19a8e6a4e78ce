import type { Clock, Timer } from "../kernel/mod.ts";

/** For how long a session is at rest, in milliseconds, before what it left on its connection is read though nobody waits. */
export const UNREAD_MS = 10;

/** For how long nothing is read of a session that never rests, in milliseconds. */
export const UNREAD_MAX_MS = 1000;

/** A lease behind whose last transaction nobody has looked. */
export interface UnreadLease {
  /** Reads what the session left, where it has been at rest for {@link UNREAD_MS}. */
  readIfAtRest(nowMs: number): void;
}

/**
 * The unread leases of a worker: each is read when its session has been at rest for some milliseconds. One timer for all of
 * them, and none while there are none.
 */
export class UnreadLeases {
  readonly #clock: Clock;
  readonly #leases = new Set<UnreadLease>();
  #timer: Timer | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A lease is unread from now on. */
  add(lease: UnreadLease): void {
    this.#leases.add(lease);
    this.#timer ??= this.#clock.after(UNREAD_MS, () => this.#sweep());
  }

  /** It is read, being read, or over. */
  delete(lease: UnreadLease): void {
    this.#leases.delete(lease);
  }

  #sweep(): void {
    this.#timer = null;
    const nowMs = this.#clock.nowMs();
    for (const lease of this.#leases) lease.readIfAtRest(nowMs);
    if (this.#leases.size > 0) this.#timer = this.#clock.after(UNREAD_MS, () => this.#sweep());
  }
}
