import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PoolCounters, type StatsTotals } from "../telemetry/mod.ts";
import { configOf } from "./fake_cluster_test.ts";
import { PoolStatistics } from "./pool_statistics.ts";

const configWith = (rest: string) =>
  configOf(`clusters: { main: { nodes: [{ name: a, host: h }] } }\n${rest}`);

const counted = (name: string, values: Partial<PoolCounters>) => ({
  name,
  counters: Object.assign(new PoolCounters(), values),
});

/** Queries by name. */
const queries = (totals: Map<string, StatsTotals>) =>
  Object.fromEntries([...totals].map(([name, { query_count: count }]) => [name, count]));

Deno.test("PoolStatistics.totals sums what is there and what is gone, by name", () => {
  const statistics = new PoolStatistics(0);
  statistics.retire(counted("shop", { queries: 1, opened: 1 }), true);
  statistics.retire(counted("shop", { queries: 10, opened: 1 }), true);
  const there = [
    counted("shop", { queries: 100 }),
    counted("app", { queries: 5 }),
    counted("app", { queries: 6 }),
  ];
  deepEqual(queries(statistics.totals(there)), { shop: 111, "app": 11 });
  deepEqual(queries(statistics.totals([])), { shop: 11 }, "looking adds nothing");
});

Deno.test("PoolStatistics.retire counts all for the log, and by name only what had a server and has a name", () => {
  const statistics = new PoolStatistics(0);
  const did = { leases: 1, queries: 2, opened: 3, lost: 4 };
  statistics.retire(counted("shop", did), true);
  statistics.retire(counted("gone", did), false);
  statistics.retire(counted("app", { ...did, opened: 0 }), true);
  deepEqual(statistics.gone, { leases: 3, queries: 6, opened: 6, lost: 12 });
  deepEqual(queries(statistics.totals([])), { shop: 2 });
});

Deno.test("PoolStatistics.keepOnly forgets names that lead nowhere any more", () => {
  const statistics = new PoolStatistics(0);
  statistics.retire(counted("shop", { queries: 1, opened: 1 }), true);
  statistics.retire(counted("app", { queries: 2, opened: 1 }), true);
  statistics.keepOnly((name) => name !== "shop");
  deepEqual(queries(statistics.totals([])), { "app": 2 });
  statistics.keepOnly(() => true);
  deepEqual(queries(statistics.totals([])), { "app": 2 }, "a name that comes back begins anew");
});

Deno.test("PoolStatistics.tick ends a period after log.stats_period, and after a minute where that is 0", () => {
  for (
    const [rest, periodMs] of [["log: { stats_period: 10s }", 10_000], [
      "log: { stats_period: 0s }",
      60_000,
    ]] as const
  ) {
    const statistics = new PoolStatistics(0);
    let looks = 0;
    const tick = (nowMs: number) =>
      statistics.tick(nowMs, configWith(rest), () => {
        looks++;
        return new Map();
      });
    tick(periodMs - 1);
    equal(looks, 0);
    tick(periodMs);
    equal(looks, 1);
  }
});
