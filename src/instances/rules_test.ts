import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { INSTANCE_RULES } from "./rules.ts";

Deno.test("a permit ends before others take its holder for gone, also where clocks go 5 % apart", () => {
  for (const ttlMs of [1_000, 5_000, 10_000, 60_000]) {
    const heldMs = (ttlMs - INSTANCE_RULES.marginMs(ttlMs)) / 0.95;
    const waitedMs = ttlMs / 1.05;
    equal(heldMs < waitedMs, true, `${ttlMs}`);
  }
  equal(INSTANCE_RULES.renewedMs(5, 9), 5);
});

Deno.test("what is not certain counts as not done", () => {
  const done = { revision: 2, entries: [] };
  deepEqual(
    [
      INSTANCE_RULES.isTaken({ kind: "unknown", reason: "" }),
      INSTANCE_RULES.isTaken({ kind: "done", value: { ...done, isWritten: false } }),
      INSTANCE_RULES.isTaken({ kind: "done", value: { ...done, isWritten: true } }),
    ],
    [false, false, true],
  );
});
