import { strictEqual as equal } from "node:assert/strict";
import type { Cell } from "../console/mod.ts";
import { Exposition } from "./exposition.ts";
import { MetricsTable, type TableMetrics } from "./tables.ts";

const COLUMNS = ["name", "cluster", "size", "took_ms"].map((name) => ({ name, type: "text" as const }));

const METRICS: TableMetrics = {
  labels: ["cluster", "name"],
  metrics: [
    { column: "took_ms", name: "took_seconds", kind: "counter", help: "Took.", unit: 1e-3 },
    { column: "size", name: "size", kind: "gauge", help: "Size." },
  ],
};

const HEADS = [
  "# HELP took_seconds_total Took.\n# TYPE took_seconds_total counter\n",
  "# HELP size Size.\n# TYPE size gauge\n",
];

Deno.test("MetricsTable writes what the table says now, whatever rows and values there were before", () => {
  const table = new MetricsTable(METRICS, { name: "place" });
  const out = new Exposition();
  const textOf = (rows: Cell[][]) => {
    out.begin("prometheus");
    table.write(out, { columns: COLUMNS, rows });
    return new TextDecoder().decode(out.end());
  };
  const a = (took: string, size: string | null) =>
    [
      `took_seconds_total{cluster="c",place="a"} ${took}\n`,
      size === null ? "" : `size{cluster="c",place="a"} ${size}\n`,
    ] as const;
  const b = [
    'took_seconds_total{cluster="",place="b\\""} 0\n',
    'size{cluster="",place="b\\""} 1\n',
  ] as const;
  const all = (...rows: (readonly [string, string])[]) =>
    HEADS.map((head, metric) => head + rows.map((row) => row[metric]).join("")).join("");
  equal(textOf([]), all());
  equal(textOf([["a", "c", 5n, 1500]]), all(a("1.5", "5")));
  equal(textOf([["a", "c", 16, 1500], ['b"', null, true, 0]]), all(a("1.5", "16"), b));
  equal(textOf([["a", "c", null, 2500], ['b"', null, true, 0]]), all(a("2.5", null), b));
  equal(textOf([['b"', null, true, 0], ["a", "c", 7, 3]]), all(b, a("0.003", "7")));
  equal(textOf([['b"', null, true, 0]]), all(b));
});
