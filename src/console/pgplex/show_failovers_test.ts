import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { ClusterRecord, Move } from "../../arbiter/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showFailovers } from "./show_failovers.ts";

const MOVE: Move = {
  kind: "failover",
  from: "n1",
  fromTimeline: 1,
  target: null,
  candidate: "n2",
  step: "promote",
  steps: [{ step: "recruit", atMs: 1000 }, { step: "promote", atMs: 1065 }],
  by: "pgplex",
  reason: "n1 is silent",
  evidence: ["n2 receives nothing from it", "n3 looked for it"],
  startedAtMs: 1000,
  isForced: false,
  cuts: false,
  lastLsn: null,
  lostBytes: 12n,
  watermark: null,
  abandoned: [],
};

const RECORD: ClusterRecord = {
  system: "7",
  epoch: 3,
  phase: "moving",
  primary: "n2",
  timeline: 2,
  sinceMs: 0,
  synchronous: null,
  move: { ...MOVE, kind: "switchover", from: "n2", candidate: null, lostBytes: null, steps: [] },
  history: [{ ...MOVE, epoch: 2, outcome: "undone", why: "it came back", timeline: 1, endedAtMs: 1565 }],
  rejoins: [],
  moved: [],
  disowned: [],
};

Deno.test("showFailovers has what is under way, then what was done, with the time of each step", () => {
  const fake = new FakeParts();
  fake.records.set("main", RECORD);
  const { columns, rows } = showFailovers(fake.parts);
  const [now, past] = rows.map((row) => Object.fromEntries(columns.map(({ name }, at) => [name, row[at]])));
  deepEqual([now!["kind"], now!["epoch"], now!["outcome"], now!["took_ms"], now!["lost_bytes"]], [
    "switchover",
    3,
    "under way",
    null,
    null,
  ]);
  deepEqual(past, {
    cluster: "main",
    epoch: 2,
    kind: "failover",
    from: "n1",
    to: "n2",
    outcome: "undone",
    started: "1970-01-01 00:00:01 UTC",
    took_ms: 565,
    steps: "recruit 65 ms, promote 500 ms",
    lost_bytes: 12,
    by: "pgplex",
    reason: "n1 is silent; it came back",
    evidence: "n2 receives nothing from it; n3 looked for it",
  });
});

Deno.test("showFailovers has nothing of clusters whose record is not known", () => {
  const fake = new FakeParts();
  deepEqual(showFailovers(fake.parts).rows, []);
});
