import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { Table } from "../answer/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showStats, showStatsAverages, showStatsTotals, showTotals } from "./show_stats.ts";

/** The value of a column in a database's row. */
const cell = ({ columns, rows }: Table, database: string, column: string) =>
  rows.find(([name]) => name === database)![columns.findIndex(({ name }) => name === column)];

/** Two databases, and a complete period of two seconds. */
function counted(): FakeParts {
  const fake = new FakeParts();
  fake.count("b@main", { xact_count: 10, query_count: 20, xact_time: 500, bytes_received: 64 });
  fake.count("a@main", { xact_count: 1 });
  fake.periods.tick(2000, 1000, () => new Map(fake.totals));
  return fake;
}

Deno.test("showStats has totals and averages of each database, and of the console its commands", () => {
  const { parts, live } = counted();
  const table = showStats(parts);
  const console = live.config.console.database;
  deepEqual(table.rows.map(([name]) => name), ["a@main", "b@main", console].sort());
  const of = (column: string) => cell(table, "b@main", column);
  deepEqual([of("total_xact_count"), of("avg_xact_count")], [10, 5]);
  deepEqual([of("total_received"), of("avg_recv")], [64, 32]);
  deepEqual([of("total_xact_time"), of("avg_xact_time")], [500, 50]);
  const counts = ["total_query_count", "total_xact_count", "total_sent", "avg_query_count"];
  deepEqual(counts.map((column) => cell(table, console, column)), [3, 3, 0, 0]);
});

Deno.test("showStatsTotals and showStatsAverages have PgBouncer's names for the halves", () => {
  const { parts } = counted();
  equal(cell(showStatsTotals(parts), "b@main", "bytes_received"), 64);
  equal(cell(showStatsTotals(parts), "b@main", "bind_count"), 0);
  equal(cell(showStatsAverages(parts), "b@main", "query_count"), 10);
  equal(cell(showStatsAverages(parts), "b@main", "avg_bind_count"), 0);
});

Deno.test("showTotals adds all databases up", () => {
  const rows = new Map(showTotals(counted().parts).rows as [string, number][]);
  deepEqual([rows.get("total_xact_count"), rows.get("avg_xact_count")], [14, 5]);
  deepEqual([rows.get("total_received"), rows.get("avg_recv")], [64, 32]);
});
