import { strictEqual as equal } from "node:assert/strict";
import { inspected, record } from "./scene_test.ts";
import type { NodeHealth } from "../topology/mod.ts";
import type { Inspected } from "./views.ts";
import { isWitnessed, WITNESS_MS } from "./witness.ts";

function replica(name: string, state = "streaming") {
  return { name, state, syncState: "async", flushLsn: null, replayLsn: null };
}

function witnessed(
  said: Partial<Inspected>,
  { health = "up" as NodeHealth, others = ["n2", "n3"], nowMs = 1_000 } = {},
): boolean {
  const primary = inspected({ askedMs: 500, recovering: false, receiver: null, ...said });
  const view = { node: "n1", health, sinceMs: 0, silentMs: null, isRefused: false, said: primary };
  return isWitnessed(record(), { view, others, nowMs });
}

Deno.test("a primary from which all other nodes stream shows that nobody was promoted", () => {
  const replicas = [replica("n2"), replica("n3")];
  equal(witnessed({ replicas }), true);
  equal(witnessed({ replicas: [] }, { others: [] }), true);
  equal(witnessed({ replicas: [replica("n2")] }), false);
  equal(witnessed({ replicas: [replica("n2"), replica("n3", "catchup")] }), false);
  equal(witnessed({ replicas: [replica("n2"), replica("walreceiver")] }), false);
});

Deno.test("an old word, one of another timeline or cluster, or of a standby, shows nothing", () => {
  const replicas = [replica("n2"), replica("n3")];
  equal(witnessed({ replicas }, { nowMs: 500 + WITNESS_MS + 1 }), false);
  equal(witnessed({ replicas }, { health: "suspect" }), false);
  equal(witnessed({ replicas, timeline: 2 }), false);
  equal(witnessed({ replicas, system: "222" }), false);
  equal(witnessed({ replicas, recovering: true }), false);
  equal(isWitnessed(record(), { view: null, others: [], nowMs: 0 }), false);
});
