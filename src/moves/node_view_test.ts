import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { Move } from "../arbiter/record.ts";
import type { WatchedNode } from "../monitor/mod.ts";
import { record } from "../arbiter/scene_test.ts";
import { SeenPrimary, sightOf, viewOf } from "./node_view.ts";

const STATE: WatchedNode["state"] = { health: "up", reason: "it answers", silentMs: null, refusedMs: null };

const ANSWER: NonNullable<WatchedNode["answer"]> = {
  sentMs: 10,
  latencyMs: 1,
  recovering: false,
  system: "7",
  version: 180001,
  timeline: 2,
  lsn: 5n,
  replayLsn: 5n,
  streaming: false,
  slotsUsed: 1,
  slotsMax: 10,
  receiver: null,
  replicas: [],
  synchronousNames: "ANY 1 (n2, n3)",
  hasSchema: false,
  load: null,
};

Deno.test("viewOf has what a node said, and the names by which its commits are acknowledged", () => {
  const { node, health, sinceMs, silentMs, isRefused, said } = viewOf(
    { name: "n1", state: STATE, answer: ANSWER },
    50,
  );
  deepEqual([node, health, sinceMs, silentMs, isRefused], ["n1", "up", 50, null, false]);
  deepEqual([said!.askedMs, said!.timeline, said!.lsn], [10, 2, 5n]);
  deepEqual(said!.synchronous, { method: "any", k: 1, names: ["n2", "n3"] });
});

Deno.test("viewOf has since when a node is silent, and whether its port refuses", () => {
  const state: WatchedNode["state"] = { health: "down", reason: "refused", silentMs: 20, refusedMs: 30 };
  const { sinceMs, silentMs, isRefused, said } = viewOf({ name: "n1", state, answer: null }, 50);
  deepEqual([sinceMs, silentMs, isRefused, said], [20, 20, true, null]);
});

Deno.test("viewOf takes names that no server would take for none", () => {
  const answer = { ...ANSWER, synchronousNames: "ANY (" };
  deepEqual(viewOf({ name: "n1", state: STATE, answer }, 0).said!.synchronous, null);
});

/** What is heard of n1, beside a node that is not in the file. */
function heardOf(health: "up" | "down", changed: Partial<typeof ANSWER> = {}): Map<string, WatchedNode> {
  return new Map([
    ["n1", { name: "n1", state: { ...STATE, health }, answer: { ...ANSWER, ...changed } }],
    ["n9", { name: "n9", state: STATE, answer: ANSWER }],
  ]);
}

Deno.test("sightOf has the health of each node of the file, and how far a primary was that does not answer any more, or is being moved", () => {
  const seen = { primary: "n1", timeline: 2, lsn: 5n };
  const of = (health: "up" | "down", move: Move | null = null) =>
    sightOf(
      record({ system: "7", timeline: 2, move }),
      heardOf(health),
      [{ name: "n1" }, { name: "n2" }],
      seen,
    );
  deepEqual(of("up"), { healths: new Map([["n1", "up"]]), seen: null });
  deepEqual(of("down"), { healths: new Map([["n1", "down"]]), seen });
  const move = { kind: "failover", step: "recruit", from: "n1" } as Move;
  // It is back, and whoever decides does not reach it.
  deepEqual(of("up", move), { healths: new Map([["n1", "up"]]), seen });
});

Deno.test("SeenPrimary keeps how far the primary was, whatever answers in its place since", () => {
  const primary = new SeenPrimary();
  const of = (changed: Partial<typeof ANSWER>, recorded = {}) =>
    primary.of(record({ system: "7", timeline: 2, ...recorded }), heardOf("up", changed))?.lsn ?? null;
  deepEqual(primary.of(null, heardOf("up")), null);
  deepEqual([of({ recovering: true }), of({ timeline: 3 }), of({ system: "8" })], [null, null, null]);
  deepEqual([of({}), of({ lsn: 7n }), of({ lsn: 6n })], [5n, 7n, 7n]);
  deepEqual([of({ recovering: true }), of({ system: "8" })], [7n, 7n]);
  deepEqual(of({ timeline: 3, lsn: 2n }, { timeline: 3 }), 2n);
  deepEqual(of({ timeline: 3, lsn: 1n, system: "8" }, { timeline: 3, system: "8" }), 1n);
});
