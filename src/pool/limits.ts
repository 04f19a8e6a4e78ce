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
