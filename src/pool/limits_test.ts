import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { AssertionFailure } from "../kernel/mod.ts";
import { SharedLimit } from "./limits.ts";

Deno.test("SharedLimit is exhausted when as many were taken as there may be", () => {
  const limit = new SharedLimit(2);
  limit.take();
  equal(limit.exhausted, false);
  limit.take();
  equal(limit.exhausted, true);
  limit.give();
  deepEqual([limit.exhausted, limit.used], [false, 1]);
});

Deno.test("SharedLimit of 0 is no limit, and still counts", () => {
  const limit = new SharedLimit(0);
  for (let i = 0; i < 100; i++) limit.take();
  deepEqual([limit.exhausted, limit.used], [false, 100]);
});

Deno.test("SharedLimit that is lowered below its use stays exhausted until enough came back", () => {
  const limit = new SharedLimit(0);
  for (let i = 0; i < 3; i++) limit.take();
  limit.max = 2;
  equal(limit.exhausted, true);
  limit.give();
  equal(limit.exhausted, true);
  limit.give();
  equal(limit.exhausted, false);
});

Deno.test("SharedLimit.give without a take is a defect", () => {
  throws(() => new SharedLimit(1).give(), AssertionFailure);
});
