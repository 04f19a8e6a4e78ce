import type { Clock, Timer } from "./clock.ts";

/** Work that comes again and again, each in a timer of its own, until it is stopped. */
export class Ticker {
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  readonly #timers = new Set<Timer>();
  #stopped = false;

  /** `failed` hears what a piece of work threw; that work comes again all the same. */
  constructor(clock: Clock, failed: (error: unknown) => void) {
    this.#clock = clock;
    this.#failed = failed;
  }

  /** Calls `work` for the first time in `everyMs` milliseconds, and then so long after each time. */
  every(everyMs: number, work: () => void): void {
    if (this.#stopped) return;
    const timer = this.#clock.after(everyMs, () => {
      this.#timers.delete(timer);
      try {
        work();
      } catch (error) {
        this.#failed(error);
      }
      this.every(everyMs, work);
    });
    this.#timers.add(timer);
  }

  /** No work comes any more. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
