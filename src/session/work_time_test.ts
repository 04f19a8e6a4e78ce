import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { PoolCounters } from "../telemetry/mod.ts";
import { WorkTime } from "./work_time.ts";

function setUp() {
  const clock = new VirtualClock();
  const counters = new PoolCounters();
  return { clock, counters, work: new WorkTime(clock, counters) };
}

Deno.test("WorkTime counts a transaction of one round trip from its lease's begin to its end", () => {
  const { clock, counters, work } = setUp();
  clock.advance(100);
  work.leased(clock.nowMs());
  work.sent();
  clock.advance(5);
  work.ended(clock.nowMs());
  deepEqual([counters.xactMs, counters.queryMs, work.requestMs], [5, 5, 100]);
});

Deno.test("WorkTime leaves out of query time what the client took inside a transaction", () => {
  const { clock, counters, work } = setUp();
  work.leased(clock.nowMs());
  work.sent();
  clock.advance(1);
  work.answered();
  work.answered();
  clock.advance(50);
  work.sent();
  work.sent();
  clock.advance(2);
  work.ended(clock.nowMs());
  deepEqual([counters.xactMs, counters.queryMs], [53, 3]);
});

Deno.test("WorkTime counts nothing while a kept lease rests", () => {
  const { clock, counters, work } = setUp();
  work.leased(clock.nowMs());
  work.rests();
  clock.advance(1000);
  work.sent();
  clock.advance(3);
  work.rests();
  clock.advance(1000);
  work.ended(clock.nowMs());
  deepEqual([counters.xactMs, counters.queryMs], [3, 3]);
  equal(work.requestMs, 1000);
});

Deno.test("WorkTime tells since when a transaction runs, and since when it waits for its client", () => {
  const { clock, work } = setUp();
  deepEqual([work.xactSinceMs, work.idleInXactSinceMs], [-1, -1]);
  clock.advance(10);
  work.leased(clock.nowMs());
  work.sent();
  clock.advance(5);
  deepEqual([work.xactSinceMs, work.idleInXactSinceMs], [10, -1]);
  work.answered();
  clock.advance(50);
  deepEqual([work.xactSinceMs, work.idleInXactSinceMs], [10, 15]);
  work.sent();
  deepEqual([work.xactSinceMs, work.idleInXactSinceMs], [10, -1]);
  work.ended(clock.nowMs());
  deepEqual([work.xactSinceMs, work.idleInXactSinceMs], [-1, -1]);
});

Deno.test("WorkTime knows since when a client waits for its statement, its wait for a server connection included", () => {
  const { clock, work } = setUp();
  clock.advance(10);
  equal(work.statementSinceMs, -1);
  work.asks();
  clock.advance(10);
  work.asks();
  work.leased(clock.nowMs());
  work.sent();
  deepEqual([work.statementSinceMs, work.querySinceMs], [10, 20]);
  work.answered();
  clock.advance(10);
  work.sent();
  equal(work.statementSinceMs, 30, "the next one has not waited");
  work.ended(clock.nowMs());
  work.asks();
  work.failed();
  equal(work.statementSinceMs, -1);
});
