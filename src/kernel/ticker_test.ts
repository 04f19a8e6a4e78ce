import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "./clock.ts";
import { Ticker } from "./ticker.ts";

Deno.test("Ticker.every calls again and again, whatever the work throws, and tells of that", () => {
  const clock = new VirtualClock();
  const heard: unknown[] = [];
  const ticker = new Ticker(clock, { failed: (error) => heard.push(error) });
  ticker.every(100, () => heard.push(clock.nowMs()));
  ticker.every(150, () => {
    throw "broken";
  });
  clock.advance(310);
  deepEqual(heard, [100, "broken", 200, 300, "broken"]);
  ticker.stop();
});

Deno.test("Ticker.stop leaves no timer, also when it is called by the work itself", () => {
  const clock = new VirtualClock();
  let calls = 0;
  const ticker = new Ticker(clock, { failed: () => {} });
  ticker.every(50, () => calls++);
  ticker.every(100, () => ticker.stop());
  clock.advance(1000);
  deepEqual([calls, clock.pending], [2, 0]);
  ticker.every(50, () => calls++);
  equal(clock.pending, 0);
});

Deno.test("Ticker calls what several have to do at the same moments, by one timer each, whenever they were made", () => {
  const clock = new VirtualClock();
  const heard: number[] = [];
  const tickers = [1, 2].map(() => new Ticker(clock, { failed: () => {} }));
  clock.advance(37);
  tickers[0]!.every(100, () => heard.push(clock.nowMs()));
  tickers[0]!.every(100, () => heard.push(clock.nowMs()));
  clock.advance(20.5);
  tickers[1]!.every(100, () => heard.push(clock.nowMs()));
  equal(clock.pending, 2);
  clock.advance(200);
  // Timers have whole milliseconds: the second one was made half a millisecond off.
  deepEqual(heard.map(Math.floor), [100, 100, 100, 200, 200, 200]);
  for (const ticker of tickers) ticker.stop();
});

Deno.test("Ticker sleeps while nothing is to be looked at: work comes each second, until it is woken", () => {
  const clock = new VirtualClock();
  let isQuiet = true;
  const heard: number[] = [];
  const ticker = new Ticker(clock, { failed: () => {}, isQuiet: () => isQuiet });
  ticker.every(100, () => heard.push(clock.nowMs()));
  ticker.every(2_000, () => heard.push(-clock.nowMs()));
  clock.advance(3_450);
  deepEqual(heard, [100, 1_000, 2_000, -2_000, 3_000]);
  isQuiet = false;
  ticker.wake();
  ticker.wake();
  clock.advance(200);
  deepEqual(heard.slice(5), [3_500, 3_600]);
  isQuiet = true;
  clock.advance(1_400);
  deepEqual(heard.slice(7), [3_700, 4_000, -4_000, 5_000]);
  ticker.stop();
});
