import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { NewestAnswer } from "./newest_answer.ts";

Deno.test("of answers that come in any order the newest counts, until the store has begun anew", () => {
  const newest = new NewestAnswer();
  const take = (revision: number, sentMs: number, nowMs: number) => newest.take({ revision, sentMs, nowMs });
  deepEqual(take(50, 0, 10), "newest");
  deepEqual(take(50, 5, 20), "newest");
  // On its way while the other one came.
  deepEqual(take(49, 20, 25), "old");
  // Told by a watch, which may be late.
  deepEqual(take(48, -Infinity, 30), "old");
  deepEqual(take(3, 21, 40), "anew");
  deepEqual(take(2, 22, 50), "old");
  deepEqual(take(4, -Infinity, 60), "newest");
});
