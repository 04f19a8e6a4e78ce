import { deepEqual, equal } from "node:assert/strict";
import { type Move, newer, recordOf, recordText } from "./record.ts";
import { record } from "./scene_test.ts";

const MOVE: Move = {
  kind: "failover",
  from: "n1",
  fromTimeline: 1,
  target: null,
  candidate: "n2",
  step: "promote",
  steps: [{ step: "recruit", atMs: 1 }],
  by: "pgplex",
  reason: "n1 is silent",
  evidence: ["n2 has 0/1"],
  startedAtMs: 1,
  isForced: false,
  cuts: false,
  lastLsn: 12345678901234567890n,
  lostBytes: 0n,
  watermark: "77",
  abandoned: [],
};

Deno.test("recordOf gives back what recordText was made of, positions exactly", () => {
  const one = record({ phase: "moving", move: MOVE });
  deepEqual(recordOf(recordText(one)), one);
});

Deno.test("recordOf refuses what is damaged", () => {
  const text = recordText(record());
  for (
    const bad of [
      "",
      text.slice(0, 50),
      "null",
      "[]",
      "{}",
      text.replace('"serving"', '"moving"'),
      text.replace("7", '"x"'),
    ]
  ) {
    equal(recordOf(bad), null, bad);
  }
});

Deno.test("newer goes by revisions, and prefers anything to nothing", () => {
  const [old, next] = [{ revision: 3, record: record() }, { revision: 4, record: record() }];
  equal(newer(old, next), next);
  equal(newer(next, old), next);
  equal(newer(null, old), old);
  equal(newer(old, null), old);
  equal(newer(null, null), null);
  // One whose revision says nothing any more.
  const without = { revision: 0, record: record() };
  equal(newer(null, without), without);
  equal(newer(without, old), old);
});
