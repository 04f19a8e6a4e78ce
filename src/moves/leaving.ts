import type { Clock, Timer } from "../kernel/mod.ts";
import type { Drain } from "./client_hold.ts";

/** So often it is looked whether anything runs, in milliseconds. */
const LOOK_MS = 50;

/** What it needs. */
export interface LeavingParts {
  readonly clock: Clock;
  /** Of the record by which the clients were served. */
  readonly epoch: number;
  /** Until when transactions may go on, in clock milliseconds. */
  readonly permitUntilMs: () => number;
  /** Takes what clients have at the primary from them; whether nothing runs there any more. */
  readonly drain: (how: Drain) => boolean;
  /** Nothing runs any more: the others need not wait for this instance. */
  readonly ended: () => void;
}

/**
 * A cluster that is in the file no more, while transactions of its clients run at its primary. None begins, and those that run go on to their end,
 * but not without a permit. The others count this instance until then, and have no acknowledgement of it.
 */
export class Leaving {
  readonly #parts: LeavingParts;
  #timer: Timer | null = null;
  #isOver = false;

  constructor(parts: LeavingParts) {
    this.#parts = parts;
  }

  /** To be called at its beginning, and with each round of events: without a permit nothing goes on. */
  look(): void {
    const { clock, permitUntilMs } = this.#parts;
    const isDue = this.#timer === null || clock.nowMs() >= permitUntilMs();
    if (!this.#isOver && isDue) this.#lookAgain();
  }

  /** pgplex stops, or the others are not to wait any longer. */
  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#parts.ended();
  }

  #lookAgain(): void {
    const { clock, epoch, permitUntilMs, drain } = this.#parts;
    this.#timer?.cancel();
    const cut = clock.nowMs() >= permitUntilMs();
    if (drain({ epoch, cut, reason: "the cluster was removed from the configuration" })) return this.stop();
    this.#timer = clock.after(LOOK_MS, () => this.#lookAgain());
  }
}
