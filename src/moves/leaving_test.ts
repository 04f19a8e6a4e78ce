import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { Leaving } from "./leaving.ts";

function rig() {
  const clock = new VirtualClock();
  const events: string[] = [];
  const world = { isDrained: false, permitUntilMs: 1_000 };
  const leaving = new Leaving({
    clock,
    epoch: 3,
    permitUntilMs: () => world.permitUntilMs,
    drain: ({ epoch, cut }) => {
      events.push(cut ? `cut ${epoch}` : `wait ${epoch}`);
      return world.isDrained || cut;
    },
    ended: () => events.push("ended"),
  });
  leaving.look();
  return { clock, events, world, leaving };
}

Deno.test("a cluster that was removed is left when the last transaction has ended", () => {
  const { clock, events, world, leaving } = rig();
  clock.advance(50);
  leaving.look();
  deepEqual(events, ["wait 3", "wait 3"]);
  world.isDrained = true;
  clock.advance(50);
  deepEqual(events.slice(2), ["wait 3", "ended"]);
  leaving.look();
  leaving.stop();
  deepEqual([events.length, clock.pending], [4, 0]);
});

Deno.test("what runs of a cluster that was removed is cut when the permit ends, at the beginning of the next round", () => {
  const { events, world, leaving } = rig();
  world.permitUntilMs = 0;
  leaving.look();
  deepEqual(events, ["wait 3", "cut 3", "ended"]);
});

Deno.test("a cluster that was removed is left when pgplex stops", () => {
  const { clock, events, leaving } = rig();
  leaving.stop();
  deepEqual([events, clock.pending], [["wait 3", "ended"], 0]);
});
