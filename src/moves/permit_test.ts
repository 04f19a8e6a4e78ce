import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Permit } from "./permit.ts";

function rig() {
  const now = { ms: 0, untilMs: -Infinity, isWitnessed: false };
  const events: string[] = [];
  const permit: Permit = new Permit({
    nowMs: () => now.ms,
    untilMs: () => now.untilMs,
    isWitnessed: () => now.isWitnessed,
    changed: () => events.push(permit.has ? "has" : "has not"),
    say: (level) => events.push(level),
  });
  return { now, events, permit };
}

Deno.test("a permit ends at its time, and comes back with another one", () => {
  const { now, events, permit } = rig();
  permit.look();
  now.untilMs = 10;
  permit.look();
  now.ms = 9;
  permit.look();
  now.ms = 10;
  permit.look();
  now.untilMs = 20;
  permit.look();
  deepEqual(events, ["has", "warning", "has not", "info", "has"]);
  now.untilMs = -Infinity;
  permit.look();
  deepEqual(events.slice(5), ["has not"], "it leaves the others");
});

Deno.test("whoever had a permit goes on while the primary is its own witness, and no longer", () => {
  const { now, events, permit } = rig();
  now.isWitnessed = true;
  permit.look();
  deepEqual(permit.has, false);
  now.untilMs = 10;
  permit.look();
  now.ms = 10;
  permit.look();
  deepEqual(events, ["has", "warning"]);
  permit.lookAtWitness();
  now.isWitnessed = false;
  permit.lookAtWitness();
  now.isWitnessed = true;
  permit.lookAtWitness();
  permit.look();
  deepEqual(events, ["has", "warning", "error", "has not"]);
  now.untilMs = 20;
  permit.look();
  deepEqual(events.at(-1), "has");
});
