import type { PoolCounters } from "./counters.ts";

/** A database's totals since start, as PgBouncer's SHOW STATS names them: counts, bytes, and times in microseconds. */
export interface StatsTotals {
  readonly server_assignment_count: number;
  readonly xact_count: number;
  readonly query_count: number;
  readonly bytes_received: number;
  readonly bytes_sent: number;
  readonly xact_time: number;
  readonly query_time: number;
  readonly wait_time: number;
  readonly client_parse_count: number;
  readonly server_parse_count: number;
  readonly bind_count: number;
  readonly client_login_count: number;
}

/** The names of {@link StatsTotals}, in PgBouncer's order. */
export const STATS_NAMES = [
  "server_assignment_count",
  "xact_count",
  "query_count",
  "bytes_received",
  "bytes_sent",
  "xact_time",
  "query_time",
  "wait_time",
  "client_parse_count",
  "server_parse_count",
  "bind_count",
  "client_login_count",
] as const satisfies readonly (keyof StatsTotals)[];

/** Which count a time is divided by for its average. */
const PER_ITEM: Partial<Record<keyof StatsTotals, keyof StatsTotals>> = {
  xact_time: "xact_count",
  query_time: "query_count",
  wait_time: "server_assignment_count",
};

/** Totals of nothing. */
export const NO_STATS: StatsTotals = Object.freeze(
  Object.fromEntries(STATS_NAMES.map((name) => [name, 0])) as unknown as StatsTotals,
);

/** {@link StatsTotals} to which counters are added. */
export type StatsSum = { -readonly [name in keyof StatsTotals]: number };

/** A pool's counters as {@link StatsTotals}. */
export function statsOf(counters: PoolCounters): StatsTotals {
  return addCounters({ ...NO_STATS }, counters);
}

/** Adds a pool's counters to `sum`, which is returned: with a thousand pools a scrape adds a thousand times. */
export function addCounters(sum: StatsSum, counters: PoolCounters): StatsSum {
  sum.server_assignment_count += counters.leases;
  sum.xact_count += counters.xacts;
  sum.query_count += counters.queries;
  sum.bytes_received += counters.bytesFromClients;
  sum.bytes_sent += counters.bytesToClients;
  sum.xact_time += Math.round(counters.xactMs * 1000);
  sum.query_time += Math.round(counters.queryMs * 1000);
  sum.wait_time += Math.round(counters.waitMs * 1000);
  sum.client_parse_count += counters.clientParses;
  sum.server_parse_count += counters.serverParses;
  sum.bind_count += counters.binds;
  sum.client_login_count += counters.logins;
  return sum;
}

/** The sum of both. */
export function addStats(a: StatsTotals, b: StatsTotals): StatsTotals {
  return eachStat((name) => a[name] + b[name]);
}

/**
 * Averages over one period of `periodMs`: counts and bytes in a second, times for each transaction, query and assignment,
 * whole numbers as PgBouncer's.
 */
export function averageStats(before: StatsTotals, after: StatsTotals, periodMs: number): StatsTotals {
  const grown = (name: keyof StatsTotals) => Math.max(0, after[name] - before[name]);
  return eachStat((name) => {
    const per = PER_ITEM[name];
    const divisor = per === undefined ? periodMs / 1000 : grown(per);
    return divisor > 0 ? Math.floor(grown(name) / divisor) : 0;
  });
}

function eachStat(value: (name: keyof StatsTotals) => number): StatsTotals {
  return Object.fromEntries(STATS_NAMES.map((name) => [name, value(name)])) as unknown as StatsTotals;
}

/**
 * The last complete statistics period of each database. Pure: it is told the time and the totals. A database that appears in
 * the middle of a period counts from nothing; one that is gone is forgotten.
 */
export class StatsPeriods {
  #before: ReadonlyMap<string, StatsTotals> = new Map();
  #after: ReadonlyMap<string, StatsTotals> = new Map();
  #lengthMs = 0;
  #sinceMs: number;

  /** The first period begins at `nowMs`. */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** Time passes: when `periodMs` have gone by, a period is complete. `totals` is called only then. */
  tick(nowMs: number, periodMs: number, totals: () => ReadonlyMap<string, StatsTotals>): void {
    if (nowMs - this.#sinceMs < periodMs) return;
    this.#lengthMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    this.#before = this.#after;
    this.#after = totals();
  }

  /** Averages of the last complete period; zeros before there was one. */
  averages(database: string): StatsTotals {
    const after = this.#after.get(database);
    if (after === undefined) return NO_STATS;
    return averageStats(this.#before.get(database) ?? NO_STATS, after, this.#lengthMs);
  }

  /** Averages of the last complete period over all databases together. */
  overall(): StatsTotals {
    let [before, after] = [NO_STATS, NO_STATS];
    for (const [database, totals] of this.#after) {
      before = addStats(before, this.#before.get(database) ?? NO_STATS);
      after = addStats(after, totals);
    }
    return averageStats(before, after, this.#lengthMs);
  }
}
