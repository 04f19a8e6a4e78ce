import type { Clock, Timer } from "./clock.ts";

/** So seldom does work come while a ticker sleeps, in milliseconds. */
export const SLEEP_MS = 1_000;

/** How {@link Ticker} is made. */
export interface TickerOptions {
  /** Hears what a piece of work threw; that work comes again all the same. */
  readonly failed: (error: unknown) => void;
  /** Whether there is nothing to look at: work then comes each {@link SLEEP_MS}, until {@link Ticker.wake}. Never unless given. */
  readonly isQuiet?: () => boolean;
}

interface Work {
  readonly everyMs: number;
  readonly run: () => void;
  dueMs: number;
}

/**
 * Work that comes again and again, until it is stopped. It comes at multiples of its period on the clock, so that what several tickers
 * have to do comes together: to be woken costs a process that has nothing to do more than the work does.
 *
 * Invariant: there is a timer while there is work.
 */
export class Ticker {
  readonly #clock: Clock;
  readonly #options: TickerOptions;
  readonly #works: Work[] = [];
  #timer: Timer | null = null;
  #isAsleep = false;
  #stopped = false;

  constructor(clock: Clock, options: TickerOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Calls `run` for the first time within `everyMs` milliseconds, and then so long after each time. */
  every(everyMs: number, run: () => void): void {
    if (this.#stopped) return;
    this.#works.push({ everyMs, run, dueMs: nextMultiple(everyMs, this.#clock.exactMs()) });
    this.#arm();
  }

  /** There is something to look at again. Cheap where it does not sleep. */
  wake(): void {
    if (!this.#isAsleep) return;
    this.#isAsleep = false;
    const nowMs = this.#clock.exactMs();
    for (const work of this.#works) work.dueMs = nextMultiple(work.everyMs, nowMs);
    this.#arm();
  }

  /** No work comes any more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer?.cancel();
    const dueMs = Math.min(...this.#works.map((work) => work.dueMs));
    // Whole milliseconds are what timers have: one that is cut would come too early.
    const delayMs = Math.max(0, Math.ceil(dueMs - this.#clock.exactMs()));
    this.#timer = this.#clock.after(delayMs, () => this.#tick());
  }

  #tick(): void {
    const nowMs = this.#clock.exactMs();
    const { failed, isQuiet } = this.#options;
    for (const work of this.#works) {
      if (work.dueMs > nowMs || this.#stopped) continue;
      try {
        work.run();
      } catch (error) {
        failed(error);
      }
    }
    if (this.#stopped) return;
    this.#isAsleep = isQuiet?.() ?? false;
    for (const work of this.#works) {
      if (work.dueMs > nowMs && !this.#isAsleep) continue;
      const everyMs = this.#isAsleep ? Math.max(work.everyMs, SLEEP_MS) : work.everyMs;
      work.dueMs = nextMultiple(everyMs, nowMs);
    }
    this.#arm();
  }
}

function nextMultiple(ofMs: number, behindMs: number): number {
  return (Math.floor(behindMs / ofMs) + 1) * ofMs;
}
