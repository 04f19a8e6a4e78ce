import { rejects, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { PREPARE_TIMEOUT_MS, withinTimeout } from "./prepare_time.ts";

Deno.test("withinTimeout closes the connection of work that takes too long, and leaves no timer behind", async () => {
  const clock = new VirtualClock();
  const { promise, reject } = Promise.withResolvers<number>();
  const slow = withinTimeout(clock, { close: () => reject(new Error("closed")) }, promise);
  clock.advance(PREPARE_TIMEOUT_MS - 1);
  equal(clock.pending, 1);
  clock.advance(1);
  await rejects(slow, /closed/);
  equal(await withinTimeout(clock, { close: () => {} }, Promise.resolve(7)), 7);
  equal(clock.pending, 0);
});
