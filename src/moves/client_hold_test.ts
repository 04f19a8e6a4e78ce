import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { ClientHold, type MoveDrain } from "./client_hold.ts";

const DRAIN: MoveDrain = { epoch: 2, startedAtMs: 7, cut: false, reason: "a move" };

function rig() {
  const clock = new VirtualClock();
  const events: string[] = [];
  let isDrained = false;
  const hold = new ClientHold({
    clock,
    drain: ({ epoch, cut }) => {
      events.push(`drain ${epoch}${cut ? " cut" : ""}`);
      return isDrained;
    },
    release: () => events.push("release"),
    acknowledged: ({ epoch }, isDrained) => events.push(`${epoch} ${isDrained ? "drained" : "held"}`),
  });
  return { clock, hold, events, drained: () => isDrained = true };
}

Deno.test("a hold is acknowledged at once, and again when nothing runs any more", () => {
  const { clock, hold, events, drained } = rig();
  hold.hold(DRAIN);
  deepEqual(events, ["drain 2", "2 held"]);
  clock.advance(10);
  drained();
  clock.advance(10);
  deepEqual(events.slice(2), ["drain 2", "drain 2", "2 drained"]);
  deepEqual(clock.pending, 0);
  hold.end();
  hold.end();
  deepEqual(events.at(-1), "release");
});

Deno.test("clients that are cut off are looked at until nothing runs, and nobody hears of it", () => {
  const { clock, hold, events, drained } = rig();
  hold.cutOff({ ...DRAIN, cut: true });
  deepEqual([events, hold.isCutOff], [["drain 2 cut"], true]);
  drained();
  clock.advance(10);
  deepEqual([events.length, clock.pending], [2, 0]);
});

Deno.test("another hold takes the place of the one before", () => {
  const { clock, hold, events } = rig();
  hold.cutOff(DRAIN);
  hold.hold({ ...DRAIN, epoch: 3 });
  deepEqual([events, hold.isCutOff], [["drain 2", "release", "drain 3", "3 held"], false]);
  hold.end();
  deepEqual(clock.pending, 0);
});

Deno.test("transactions for which a move waits are cut where that is asked for, and the move hears of it", () => {
  const { hold, events, drained, clock } = rig();
  hold.hold(DRAIN);
  drained();
  hold.cut("no permit");
  deepEqual(events, ["drain 2", "2 held", "release", "drain 2 cut", "2 drained"]);
  hold.cut("no permit");
  deepEqual([events.length, clock.pending], [5, 0]);
});
