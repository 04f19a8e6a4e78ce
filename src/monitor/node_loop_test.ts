import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { NodeLoop } from "./node_loop.ts";
import type { Outcome } from "./outcome.ts";

const SILENT: Outcome = { kind: "silent", reason: "no answer" };
const DENIED: Outcome = { kind: "denied", reason: "no password", lasting: true };
const UP = { kind: "answered", answer: {} } as unknown as Outcome;

/** A loop whose questions take no time unless `hang` is set, asked each second. */
function rig(outcome: Outcome = UP) {
  const clock = new VirtualClock();
  const asked: number[] = [];
  const state = { outcome, hang: null as Promise<void> | null };
  const loop = new NodeLoop({
    clock,
    ask: async () => {
      asked.push(clock.nowMs());
      await state.hang;
      return state.outcome;
    },
    heard: () => {},
    delayMs: () => 1000,
  });
  /** Time passes, and promises on the way get their turns. */
  const advance = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) {
      clock.advance(10);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  };
  return { clock, asked, loop, state, advance };
}

Deno.test("NodeLoop asks at once, and then in its interval from question to question", async () => {
  const { clock, asked, loop, advance } = rig();
  const running = loop.run();
  await advance(3500);
  deepEqual(asked, [0, 1000, 2000, 3000]);
  loop.stop();
  await running;
  await advance(5000);
  deepEqual([asked.length, clock.pending], [4, 0]);
});

Deno.test("NodeLoop asks earlier for a hint, but never more often than each 50 ms", async () => {
  const { asked, loop, advance } = rig();
  const running = loop.run();
  await advance(500);
  loop.hint();
  await advance(10);
  for (let count = 0; count < 10; count++) {
    loop.hint();
    await advance(10);
  }
  deepEqual(asked, [0, 510, 560, 610]);
  loop.stop();
  await running;
});

Deno.test("NodeLoop asks again behind an answer to a question that was under way when the hint came", async () => {
  const { asked, loop, state, advance } = rig();
  const { promise, resolve } = Promise.withResolvers<void>();
  state.hang = promise;
  const running = loop.run();
  await advance(200);
  loop.hint();
  state.hang = null;
  resolve();
  await advance(100);
  deepEqual(asked, [0, 220]); // 10 ms late: time goes in steps here
  loop.stop();
  await running;
});

Deno.test("NodeLoop takes hints of a node that does not answer more slowly, and none of one that refuses pgplex", async () => {
  const { asked, loop, state, advance } = rig(SILENT);
  const running = loop.run();
  await advance(10);
  loop.hint();
  await advance(190);
  deepEqual(asked, [0, 150]);
  state.outcome = DENIED;
  await advance(1000);
  loop.hint();
  await advance(300);
  deepEqual(asked, [0, 150, 1150]);
  loop.renew();
  await advance(50);
  deepEqual(asked, [0, 150, 1150, 1510]);
  loop.stop();
  await running;
});
