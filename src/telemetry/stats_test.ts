import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PoolCounters } from "./counters.ts";
import { addStats, averageStats, NO_STATS, STATS_NAMES, statsOf, StatsPeriods } from "./stats.ts";

function counted(fill: Partial<PoolCounters>) {
  return statsOf(Object.assign(new PoolCounters(), fill));
}

Deno.test("statsOf gives times in whole microseconds, in PgBouncer's order", () => {
  const stats = counted({
    leases: 1,
    xacts: 2,
    queries: 3,
    xactMs: 1.2345,
    queryMs: 0.5,
    waitMs: 2,
    binds: 9,
  });
  deepEqual(Object.keys(stats), [...STATS_NAMES]);
  deepEqual([stats.xact_time, stats.query_time, stats.wait_time, stats.bind_count], [1235, 500, 2000, 9]);
});

Deno.test("averageStats divides counts by seconds and times by what they were spent on", () => {
  const before = counted({ queries: 10, queryMs: 10, bytesToClients: 100 });
  const after = counted({ queries: 30, queryMs: 50, bytesToClients: 1100, xactMs: 5 });
  const averages = averageStats(before, after, 10_000);
  deepEqual(
    [averages.query_count, averages.query_time, averages.bytes_sent, averages.xact_time],
    [2, 2000, 100, 0],
  );
});

Deno.test("averageStats never goes below zero when counters began anew", () => {
  equal(averageStats(counted({ queries: 5 }), counted({ queries: 1 }), 1000).query_count, 0);
});

Deno.test("StatsPeriods keeps the last complete period, and forgets what is gone", () => {
  const periods = new StatsPeriods(1000);
  let totals = new Map([["a", counted({ queries: 60 })]]);
  periods.tick(60_999, 60_000, () => {
    throw new Error("too early");
  });
  deepEqual(periods.averages("a"), NO_STATS);
  periods.tick(61_000, 60_000, () => totals);
  equal(periods.averages("a").query_count, 1);
  totals = new Map([["a", counted({ queries: 180 })], ["b", counted({ queries: 60 })]]);
  periods.tick(121_000, 60_000, () => totals);
  deepEqual([periods.averages("a").query_count, periods.averages("b").query_count], [2, 1]);
  equal(periods.overall().query_count, 3);
  periods.tick(181_000, 60_000, () => new Map());
  deepEqual(periods.averages("a"), NO_STATS);
});

Deno.test("addStats adds each name", () => {
  const sum = addStats(counted({ queries: 1, waitMs: 1 }), counted({ queries: 2, waitMs: 2 }));
  deepEqual([sum.query_count, sum.wait_time], [3, 3000]);
});
