import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "./clock.ts";
import { Ticker } from "./ticker.ts";

Deno.test("Ticker.every calls again and again, whatever the work throws, and tells of that", () => {
  const clock = new VirtualClock();
  const heard: unknown[] = [];
  const ticker = new Ticker(clock, (error) => heard.push(error));
  ticker.every(100, () => heard.push(clock.nowMs()));
  ticker.every(150, () => {
    throw "broken";
  });
  clock.advance(310);
  deepEqual(heard, [100, "broken", 200, "broken", 300]);
  ticker.stop();
});

Deno.test("Ticker.stop leaves no timer, also when it is called by the work itself", () => {
  const clock = new VirtualClock();
  let calls = 0;
  const ticker = new Ticker(clock, () => {});
  ticker.every(50, () => calls++);
  ticker.every(100, () => ticker.stop());
  clock.advance(1000);
  deepEqual([calls, clock.pending], [1, 0]);
  ticker.every(50, () => calls++);
  equal(clock.pending, 0);
});
