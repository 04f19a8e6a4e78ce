import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { Attempts } from "./attempts.ts";

const ERROR = new PgplexError("server_unreachable", "down");
const RETRY_MS = 100;

Deno.test("Attempts: behind a failure the next one waits, and one at a time is made until one goes well", () => {
  const attempts = new Attempts();
  attempts.begins(0, RETRY_MS);
  equal(attempts.mayOpen(0), true, "while all goes well nobody waits for anybody");
  attempts.failed(ERROR, 0, RETRY_MS);
  deepEqual([attempts.mayOpen(99), attempts.mayOpen(100), attempts.failure], [false, true, ERROR]);
  attempts.begins(100, RETRY_MS);
  equal(attempts.mayOpen(150), false);
  attempts.succeeded();
  deepEqual([attempts.mayOpen(150), attempts.failure], [true, null]);
});

Deno.test("Attempts.isRecent for a quarter of a second behind the last one's beginning", () => {
  const attempts = new Attempts();
  equal(attempts.isRecent(0), false);
  attempts.begins(1_000, RETRY_MS);
  deepEqual([attempts.isRecent(1_249), attempts.isRecent(1_250)], [true, false]);
});

Deno.test("Attempts: what was lost unused counts as a failure until a resource serves, whatever opens meanwhile", () => {
  const attempts = new Attempts();
  attempts.spoil(ERROR, 0, RETRY_MS);
  attempts.succeeded();
  deepEqual([attempts.failure, attempts.mayOpen(50)], [ERROR, false]);
  attempts.proved();
  deepEqual([attempts.failure, attempts.mayOpen(50)], [null, true]);
});

Deno.test("Attempts.refillFailed keeps from the next one that nobody waits for, and from no other", () => {
  const attempts = new Attempts();
  attempts.refillFailed(0, RETRY_MS);
  deepEqual([attempts.mayOpen(50), attempts.mayRefill(50), attempts.mayRefill(100)], [true, false, true]);
  attempts.forget();
  equal(attempts.mayRefill(50), true);
});
