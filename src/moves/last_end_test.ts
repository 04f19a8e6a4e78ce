import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { PastMove } from "../arbiter/mod.ts";
import { record } from "../arbiter/scene_test.ts";
import { LastEnd } from "./last_end.ts";

const past = (epoch: number, changed: Partial<PastMove> = {}) =>
  ({ kind: "failover", outcome: "done", by: "pgplex", epoch, endedAtMs: 900, ...changed }) as PastMove;

Deno.test("the first record says by the wall clock when its last failover has ended, each later one when it is heard of", () => {
  const last = new LastEnd();
  last.note(null, { nowMs: 10, wallMs: 1_000 });
  equal(last.known, null);
  last.note(record({ history: [past(3)] }), { nowMs: 50, wallMs: 1_000 });
  deepEqual(last.known, { epoch: 3, atMs: -50 });
  last.note(record({ history: [past(3), past(4)] }), { nowMs: 80, wallMs: 5_000 });
  deepEqual(last.known, { epoch: 4, atMs: 80 });
  last.note(record({ history: [past(4), past(5, { by: "ada" }), past(6, { outcome: "undone" })] }), {
    nowMs: 90,
    wallMs: 5_000,
  });
  deepEqual(last.known, { epoch: 4, atMs: 80 });
});

Deno.test("the highest epoch is kept, also where the record is lost and begins anew", () => {
  const last = new LastEnd();
  equal(last.heard.heardEpoch, 0);
  for (const epoch of [7, 2]) last.note(record({ epoch }), { nowMs: 0, wallMs: 0 });
  last.note(null, { nowMs: 0, wallMs: 0 });
  equal(last.heard.heardEpoch, 7);
});
