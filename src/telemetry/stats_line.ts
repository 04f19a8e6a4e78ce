import type { Log } from "./log.ts";

/** What the line is made of. */
export interface StatsLineParts<T extends Readonly<Record<string, number>>> {
  readonly log: Pick<Log, "info">;
  readonly nowMs: () => number;
  /** How often it is written, in milliseconds; 0: never. */
  readonly periodMs: () => number;
  /** What there is now. */
  readonly present: () => Readonly<Record<string, number>>;
  /** What happened since the start, by the name in the line. */
  readonly totals: () => T;
}

/** Writes to the log, each period, what is there now, and what happened since the last line. */
export class StatsLine<T extends Readonly<Record<string, number>>> {
  readonly #parts: StatsLineParts<T>;
  #before: T;
  #writtenMs: number;

  constructor(parts: StatsLineParts<T>) {
    this.#parts = parts;
    this.#before = parts.totals();
    this.#writtenMs = parts.nowMs();
  }

  /** Writes it when it is due. To be called often, so that another period holds at once. */
  look(): void {
    const { log, nowMs, periodMs, present, totals } = this.#parts;
    const period = periodMs();
    if (period === 0 || nowMs() - this.#writtenMs < period) return;
    this.#writtenMs = nowMs();
    const now = totals();
    const since = Object.entries(now).map(([name, count]) => [name, count - this.#before[name]!]);
    log.info("stats", { ...present(), ...Object.fromEntries(since) });
    this.#before = now;
  }
}
