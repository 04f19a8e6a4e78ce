import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PoolCounters, type StatsTotals } from "../telemetry/mod.ts";
import { configOf } from "./fake_cluster_test.ts";
import { PoolStatistics } from "./pool_statistics.ts";

const configWith = (rest: string) =>
  configOf(`clusters: { main: { nodes: [{ name: a, host: h }] } }\n${rest}`);
const SHOP = configWith("routing: { databases: { shop: { cluster: main, database: s } } }");
const NO_SHOP = configWith("");

const counted = (name: string, values: Partial<PoolCounters>) => ({
  name,
  counters: Object.assign(new PoolCounters(), values),
});

/** Queries by name. */
const queries = (totals: Map<string, StatsTotals>) =>
  Object.fromEntries([...totals].map(([name, { query_count: count }]) => [name, count]));

Deno.test("PoolStatistics.totals sums what is there and what is gone, by name", () => {
  const statistics = new PoolStatistics(0);
  statistics.retire(SHOP, counted("shop", { queries: 1, opened: 1 }));
  statistics.retire(SHOP, counted("shop", { queries: 10, opened: 1 }));
  const there = [
    counted("shop", { queries: 100 }),
    counted("app@main", { queries: 5 }),
    counted("app@main", { queries: 6 }),
  ];
  deepEqual(queries(statistics.totals(there)), { shop: 111, "app@main": 11 });
  deepEqual(queries(statistics.totals([])), { shop: 11 }, "looking adds nothing");
});

Deno.test("PoolStatistics.retire counts all for the log, and by name only what had a server and leads somewhere", () => {
  const statistics = new PoolStatistics(0);
  const did = { leases: 1, queries: 2, opened: 3, lost: 4 };
  statistics.retire(SHOP, counted("shop", did));
  statistics.retire(SHOP, counted("gone", did));
  statistics.retire(SHOP, counted("app@main", { ...did, opened: 0 }));
  deepEqual(statistics.gone, { leases: 3, queries: 6, opened: 6, lost: 12 });
  deepEqual(queries(statistics.totals([])), { shop: 2 });
});

Deno.test("PoolStatistics.configure forgets names that lead nowhere any more", () => {
  const statistics = new PoolStatistics(0);
  statistics.retire(SHOP, counted("shop", { queries: 1, opened: 1 }));
  statistics.retire(SHOP, counted("app@main", { queries: 2, opened: 1 }));
  statistics.configure(NO_SHOP);
  deepEqual(queries(statistics.totals([])), { "app@main": 2 });
  statistics.configure(SHOP);
  deepEqual(queries(statistics.totals([])), { "app@main": 2 }, "a name that comes back begins anew");
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
