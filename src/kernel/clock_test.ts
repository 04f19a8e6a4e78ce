import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { RoundClock, VirtualClock } from "./clock.ts";

Deno.test("VirtualClock stands still until it is advanced", () => {
  const clock = new VirtualClock();
  const wallMs = clock.wallMs();
  equal(clock.nowMs(), 0);
  clock.advance(250);
  equal(clock.nowMs(), 250);
  equal(clock.wallMs(), wallMs + 250);
});

Deno.test("VirtualClock.after fires once, when its time has come and not before", () => {
  const clock = new VirtualClock();
  const firedAtMs: number[] = [];
  clock.after(10, () => firedAtMs.push(clock.nowMs()));
  clock.advance(9);
  deepEqual(firedAtMs, []);
  clock.advance(1);
  clock.advance(100);
  deepEqual(firedAtMs, [10]);
  equal(clock.pending, 0);
});

Deno.test("VirtualClock.after never fires from inside the call, not even without a delay", () => {
  const clock = new VirtualClock();
  let fired = 0;
  clock.after(0, () => fired++);
  clock.after(-5, () => fired++);
  equal(fired, 0);
  clock.advance(0);
  equal(fired, 2);
  equal(clock.nowMs(), 0);
});

Deno.test("VirtualClock fires timers of the same time in the order of their making", () => {
  const clock = new VirtualClock();
  const order: string[] = [];
  for (const name of ["a", "b", "c"]) clock.after(5, () => order.push(name));
  clock.advance(5);
  deepEqual(order, ["a", "b", "c"]);
});

Deno.test("VirtualClock fires timers that others made on the way, at their own time", () => {
  const clock = new VirtualClock();
  const firedAtMs: number[] = [];
  const again = () => {
    firedAtMs.push(clock.nowMs());
    if (firedAtMs.length < 4) clock.after(10, again);
  };
  clock.after(10, again);
  clock.advance(35);
  deepEqual(firedAtMs, [10, 20, 30]);
  equal(clock.nowMs(), 35);
});

Deno.test("Timer.cancel keeps a timer from firing, and does nothing to one that fired", () => {
  const clock = new VirtualClock();
  let fired = 0;
  const cancelled = clock.after(5, () => fired++);
  const first = clock.after(5, () => fired++);
  clock.after(6, () => fired++);
  cancelled.cancel();
  cancelled.cancel();
  clock.advance(5);
  first.cancel();
  equal(clock.pending, 1);
  clock.advance(5);
  equal(fired, 2);
});

Deno.test("VirtualClock fires what is due in order, whatever was made and however time was cut into steps", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(50), { maxLength: 30 }),
    fc.array(fc.nat(20), { maxLength: 20 }),
    (delaysMs, stepsMs) => {
      const clock = new VirtualClock();
      const fired: { dueMs: number; index: number }[] = [];
      delaysMs.forEach((dueMs, index) =>
        clock.after(dueMs, () => {
          equal(clock.nowMs(), dueMs);
          fired.push({ dueMs, index });
        })
      );
      let nowMs = 0;
      for (const stepMs of stepsMs) clock.advance(stepMs), nowMs += stepMs;
      const expected = delaysMs.map((dueMs, index) => ({ dueMs, index }))
        .filter(({ dueMs }) => stepsMs.length > 0 && dueMs <= nowMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.index - b.index);
      deepEqual(fired, expected);
    },
  ));
});

Deno.test("RoundClock says when a round begins, before it is served", () => {
  const under = new VirtualClock();
  const clock = new RoundClock(under);
  const rounds: number[] = [];
  clock.onRound = () => void rounds.push(clock.nowMs());
  under.advance(5);
  clock.hold();
  under.advance(5);
  clock.hold();
  deepEqual(rounds, [5, 10]);
});

Deno.test("RoundClock stands still from one hold to the next, and goes on when it is released", () => {
  const under = new VirtualClock();
  const clock = new RoundClock(under);
  under.advance(5);
  equal(clock.nowMs(), 5);
  equal(clock.hold(), 5);
  under.advance(5);
  equal(clock.nowMs(), 5, "held");
  equal(clock.exactMs(), 10);
  equal(clock.hold(), 10);
  equal(clock.nowMs(), 10, "the next round");
  under.advance(5);
  clock.release();
  equal(clock.nowMs(), 15);
});
