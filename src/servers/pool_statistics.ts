import type { Config } from "../config/mod.ts";
import {
  addCounters,
  addStats,
  NO_STATS,
  type PoolCounters,
  statsOf,
  StatsPeriods,
  type StatsSum,
  type StatsTotals,
} from "../telemetry/mod.ts";

/** Over which time averages are made where `log.stats_period` is 0. */
const STATS_PERIOD_MS = 60_000;

/** What a destination has done, for the totals of its database. */
export interface Counted {
  /** The console's name for its database. */
  readonly name: string;
  readonly counters: PoolCounters;
}

/** What all pools did since start, those that are gone too, by the console's names of their databases. Pure. */
export class PoolStatistics {
  /** Averages by name. */
  readonly periods: StatsPeriods;
  /** What destinations that are gone did together, for the statistics line of the log. */
  readonly gone = { leases: 0, queries: 0, opened: 0, lost: 0 };
  /** What they did, by name. */
  readonly #retired = new Map<string, StatsTotals>();

  constructor(nowMs: number) {
    this.periods = new StatsPeriods(nowMs);
  }

  /** Totals by name: of those that are there, and of those that are gone. */
  totals(there: Iterable<Counted>): Map<string, StatsTotals> {
    const totals = new Map<string, StatsSum>();
    for (const [name, retired] of this.#retired) totals.set(name, { ...retired });
    for (const { name, counters } of there) {
      let sum = totals.get(name);
      if (sum === undefined) totals.set(name, sum = { ...NO_STATS });
      addCounters(sum, counters);
    }
    return totals;
  }

  /** A destination is gone: what it did still counts, as long as its name is one. */
  retire({ name, counters }: Counted, isNamed: boolean): void {
    this.gone.leases += counters.leases;
    this.gone.queries += counters.queries;
    this.gone.opened += counters.opened;
    this.gone.lost += counters.lost;
    if (counters.opened === 0 || !isNamed) return;
    this.#retired.set(name, addStats(this.#retired.get(name) ?? NO_STATS, statsOf(counters)));
  }

  /** A reload: names that lead nowhere any more are forgotten. */
  keepOnly(isName: (name: string) => boolean): void {
    for (const name of this.#retired.keys()) if (!isName(name)) this.#retired.delete(name);
  }

  /** Time passes: periods end. */
  tick(nowMs: number, config: Config, totals: () => Map<string, StatsTotals>): void {
    this.periods.tick(nowMs, config.log.stats_period || STATS_PERIOD_MS, totals);
  }
}
