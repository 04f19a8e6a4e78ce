import assert from "node:assert/strict";
import { type Case, selectCases } from "./options.ts";
import { median, renderReport, replaceSection, resultKey, type Results, type Sample } from "./report.ts";

const extended: Case = { script: "S", protocol: "extended", clients: 16 };
const prepared: Case = { script: "S", protocol: "prepared", clients: 16 };

function results(samples: [string, Sample[]][]): Results {
  return {
    cases: [extended, prepared],
    targets: ["direct", "pgbouncer", "pgplex"],
    samples: new Map(samples),
    stateCheckCases: [],
    stateCheckSamples: new Map(),
    memory: new Map([["pgplex", {
      clients: 1024,
      baseBytes: 0,
      loggedInBytes: 2 ** 20,
      usedBytes: 2 ** 21,
    }]]),
    circumstances: ["a machine"],
    remarks: [],
  };
}

Deno.test("median() takes the middle, or the mean of the two in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert(Number.isNaN(median([])));
});

Deno.test("renderReport() compares prepared with PgBouncer's extended when it has no prepared", () => {
  const text = renderReport(results([
    [resultKey(extended, "pgbouncer"), [{ tps: 1000, p99Us: 1000, cpuUs: 20 }]],
    [resultKey(extended, "pgplex"), [{ tps: 900, p99Us: 1500, cpuUs: 30 }]],
    [resultKey(prepared, "pgplex"), [{ tps: 1200, p99Us: 800, cpuUs: 25 }]],
  ]));
  const cells = (protocol: string) =>
    text.split("\n").find((line) => line.startsWith(`| ${protocol}`))!.split("|").map((cell) => cell.trim())
      .slice(3, -1);
  assert.deepEqual(cells("extended"), [
    ..."n/a 1000 900 0.90 n/a 1.00 1.50 1.50 20.0 30.0 1.50".split(" "),
  ]);
  assert.deepEqual(cells("prepared"), [
    ..."n/a n/a 1200 1.20\\* n/a n/a 0.80 0.80\\* n/a 25.0 1.25\\*".split(" "),
  ]);
  assert.match(text, /could not run `prepared`/);
  assert.match(text, /\| pgplex +\| +1024 \| +0\.0 \| +1\.0 \| +1\.0 \| +2\.0 \| +2\.0 \|/);
});

Deno.test("renderReport() shows what state_check costs as medians and ratios of learn to off", () => {
  const tpcB: Case = { script: "B", protocol: "simple", clients: 16 };
  const sample = (tps: number, cpuUs: number): Sample => ({ tps, p99Us: 1000, cpuUs });
  const text = renderReport({
    ...results([]),
    cases: [],
    stateCheckCases: [extended, tpcB],
    stateCheckSamples: new Map([
      [resultKey(extended, "pgplex"), [sample(900, 33), sample(100, 90), sample(950, 30)]],
      [resultKey(extended, "pgplex-off"), [sample(1000, 30), sample(1100, 29), sample(1, 99)]],
      [resultKey(tpcB, "pgplex"), [sample(50, 300)]],
    ]),
  });
  const rows = text.slice(text.indexOf("### What state_check costs")).split("\n")
    .filter((line) => line.startsWith("| -S") || line.startsWith("| TPC-B"))
    .map((line) => line.split("|").map((cell) => cell.trim()).slice(1, -1));
  assert.deepStrictEqual(rows, [
    "-S extended 16 1000 900 0.90 30.0 33.0 1.10".split(" "),
    "TPC-B simple 16 n/a 50 n/a n/a 300.0 n/a".split(" "),
  ]);
  assert.doesNotMatch(renderReport(results([])), /state_check/);
});

Deno.test("renderReport() shows the tps of state scripts on each target, and pgplex's ratio to PgBouncer", () => {
  const cases = selectCases("state:set,state:call");
  const sample = (tps: number): Sample => ({ tps, p99Us: 1000, cpuUs: 20 });
  const text = renderReport({
    ...results([
      [resultKey(cases[0]!, "direct"), [sample(3000)]],
      [resultKey(cases[0]!, "pgbouncer"), [sample(2000), sample(1000), sample(4000)]],
      [resultKey(cases[0]!, "pgplex"), [sample(1500)]],
      [resultKey(cases[1]!, "pgplex"), [sample(700)]],
    ]),
    cases,
  });
  const lines = text.slice(text.indexOf("### Session state")).split("\n").filter((line) =>
    line.startsWith("|")
  )
    .map((line) => line.split("|").map((cell) => cell.trim()).slice(1, -1));
  assert.deepStrictEqual(lines.slice(0, 1).concat(lines.slice(2, 5)), [
    ["case", "clients", "tps direct", "PgBouncer", "pgplex", "ratio"],
    "set 16 3000 2000 1500 0.75".split(" "),
    "set 64 n/a n/a 700 n/a".split(" "),
    "call 16 n/a n/a n/a n/a".split(" "),
  ]);
  assert.doesNotMatch(text, /pgbench -S/);
  assert.doesNotMatch(renderReport(results([])), /Session state/);
});

Deno.test("replaceSection() replaces what it wrote before and leaves the rest", () => {
  const first = replaceSection("", "one\n");
  assert.match(first, /^# Performance\n\n<!-- bench:begin.*-->\n\none\n\n<!-- bench:end -->\n$/);
  const second = replaceSection(`${first}\nMore.\n`, "two");
  assert(!second.includes("one"));
  assert.match(second, /two\n\n<!-- bench:end -->\n\nMore\.\n$/);
});

Deno.test("renderReport() shows a pgplex beside the one before as medians and ratios of now to before", () => {
  const load: Case = { script: "C", protocol: "simple", clients: 16 };
  const sample = (tps: number, cpuUs: number): Sample => ({ tps, p99Us: 1, cpuUs });
  const text = renderReport({
    ...results([]),
    cases: [load],
    targets: ["before", "pgplex"],
    samples: new Map([
      [resultKey(load, "before"), [sample(100, 20), sample(300, 40), sample(200, 30)]],
      [resultKey(load, "pgplex"), [sample(220, 15)]],
    ]),
  });
  assert.match(
    text,
    /\| -S -C +\| +simple \| +16 \| +200 \| +220 \| +1\.10 \| +30\.0 \| +15\.0 \| +0\.50 \|/,
  );
});
