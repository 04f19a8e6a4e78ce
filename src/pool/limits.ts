import { assert } from "../kernel/mod.ts";

/**
 * A number of resources that several pools share: connections to one database, or of one user.
 *
 * Invariant: 0 <= used, and used <= max except right after `max` was lowered. A max of 0 is no limit.
 */
export class SharedLimit {
  max: number;
  #used = 0;

  constructor(max: number) {
    this.max = max;
  }

  get used(): number {
    return this.#used;
  }

  get exhausted(): boolean {
    return this.max > 0 && this.#used >= this.max;
  }

  take(): void {
    this.#used++;
  }

  give(): void {
    this.#used--;
    assert(this.#used >= 0, "a shared limit is given back once for each time it was taken");
  }
}

/** The part of one pool in the limits that it shares with others. */
export class Share {
  #limits: readonly SharedLimit[];
  readonly #makeRoom: (limit: SharedLimit) => boolean;
  #taken = 0;

  /** `makeRoom` is asked to free a place in a limit that is exhausted; whether it did. */
  constructor(limits: readonly SharedLimit[], makeRoom: (limit: SharedLimit) => boolean) {
    this.#limits = limits;
    this.#makeRoom = makeRoom;
  }

  includes(limit: SharedLimit): boolean {
    return this.#limits.includes(limit);
  }

  /** Counts one more in each limit. Whether there may be one more. */
  take(): boolean {
    for (const limit of this.#limits) if (limit.exhausted && !this.#makeRoom(limit)) return false;
    for (const limit of this.#limits) limit.take();
    this.#taken++;
    return true;
  }

  /** Counts one off that was taken. */
  give(): void {
    for (const limit of this.#limits) limit.give();
    this.#taken--;
  }

  /** What was taken counts in other limits from here on. */
  moveTo(limits: readonly SharedLimit[]): void {
    for (const limit of limits) for (let i = 0; i < this.#taken; i++) limit.take();
    for (const limit of this.#limits) for (let i = 0; i < this.#taken; i++) limit.give();
    this.#limits = limits;
  }
}
