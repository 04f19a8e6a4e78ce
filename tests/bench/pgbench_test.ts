import assert from "node:assert/strict";
import { selectCases } from "./options.ts";
import { loadArgs, parseLog, parseSummary, percentile } from "./pgbench.ts";
import { parseCpuTicks } from "./process_stats.ts";

Deno.test("loadArgs() names a built-in script, or the file of one that is not built in", () => {
  const args = (list: string) => loadArgs(selectCases(list)[0]!, "/tmp/script.sql").join(" ");
  assert.match(args("S:extended:1"), /^-n -M extended -c 1 -j 1 -S$/);
  assert.match(args("B:simple:1"), /^-n -M simple -c 1 -j 1$/);
  assert.match(args("B:prepared:64"), /^-n -M prepared -c 64 -j 64$/);
  assert.match(args("C:simple:1"), /^-n -M simple -c 1 -j 1 -S -C$/);
  assert.match(args("state:set:64"), /^-n -M simple -c 64 -j \d+ -f \/tmp\/script\.sql$/);
});

Deno.test("parseSummary() reads pgbench 15, with and without -C", () => {
  const head = "number of transactions actually processed: 41234\nlatency average = 0.1 ms\n";
  assert.deepEqual(parseSummary(`${head}tps = 8246.5 (without initial connection time)\n`), {
    tps: 8246.5,
    transactions: 41234,
  });
  assert.equal(parseSummary(`${head}tps = 512.25 (including reconnection times)\n`).tps, 512.25);
});

Deno.test("parseSummary() takes the last of pgbench 13's two lines", () => {
  const text = "number of transactions actually processed: 10\n" +
    "tps = 90.0 (including connections establishing)\ntps = 100.0 (excluding connections establishing)\n";
  assert.equal(parseSummary(text).tps, 100);
});

Deno.test("parseSummary() refuses a run without transactions", () => {
  assert.throws(() => parseSummary("number of transactions actually processed: 0\n"), /Cannot read/);
});

Deno.test("parseLog() takes the third field of each line", () => {
  const into: number[] = [];
  parseLog(new TextEncoder().encode("0 199 2241 0 1175850568 995598\n1 2 35 0 1175850568 998079 12\n"), into);
  assert.deepEqual(into, [2241, 35]);
});

Deno.test("percentile() takes the nearest rank", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile([7], 0.99), 7);
  assert(Number.isNaN(percentile([], 0.99)));
});

Deno.test("parseCpuTicks() adds fields 14 and 15, whatever the process is called", () => {
  const line = "12 (a ) b) S 1 12 12 0 -1 4194560 1 0 0 0 250 50 7 8 20 0 4 0 100 200 300";
  assert.equal(parseCpuTicks(line), 300);
});
