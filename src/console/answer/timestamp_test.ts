import { strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "../../kernel/mod.ts";
import { timestamp } from "./timestamp.ts";

Deno.test("timestamp writes a time of the clock as UTC, without fractions of a second", () => {
  const clock = new VirtualClock();
  equal(timestamp(clock, 0), "2023-11-14 22:13:20 UTC");
  equal(timestamp(clock, 61_999), "2023-11-14 22:14:21 UTC");
  clock.advance(5000);
  equal(timestamp(clock, 0), "2023-11-14 22:13:20 UTC"); // a moment stays the same one
});
