import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { judgeOthers, markStatement } from "./claim.ts";

const claim = { epoch: 7, instance: 3 };

Deno.test("markStatement takes the lock of its epoch and instance, once", () => {
  match(markStatement(claim), /pg_advisory_lock_shared\(1885798403, 7\) WHERE NOT EXISTS/);
});

Deno.test("judgeOthers ends those without a mark, and those of earlier epochs", () => {
  for (const isFirst of [true, false]) {
    deepEqual(judgeOthers([["11", null, null], ["12", "6", "9"]], { claim, isFirst }), {
      refusal: null,
      pids: [11, 12],
    });
  }
});

Deno.test("judgeOthers gives way to a later epoch, and touches nobody then", () => {
  deepEqual(judgeOthers([["11", null, null], ["12", "8", "2"]], { claim, isFirst: true }), {
    refusal: "another arbiter has the node: epoch 8, instance 2, pid 12",
    pids: [],
  });
});

Deno.test("judgeOthers lets who claims end the same epoch, and who only connects again end its own alone", () => {
  const ended = (instance: string, isFirst: boolean) =>
    judgeOthers([["12", "7", instance]], { claim, isFirst }).refusal === null;
  equal(ended("4", true), true);
  equal(ended("4", false), false);
  equal(ended("3", false), true);
});
