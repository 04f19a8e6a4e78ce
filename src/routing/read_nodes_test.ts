import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import type { BalanceConfig } from "../config/mod.ts";
import { type NodeFacts, type TopologyCluster, type TopologyNode, unknownNode } from "../topology/mod.ts";
import { isFresh, readersOf } from "./read_nodes.ts";

const BALANCE: BalanceConfig = {
  max_standby_lag: 1000,
  max_standby_lag_bytes: 100,
  read_fallback: "primary",
  read_consistency: "session",
  read_only_is_read: "off",
};

const FACTS: NodeFacts = {
  atMs: 0,
  latencyMs: 1,
  version: 180000,
  system: "1",
  timeline: 3,
  lsn: 0n,
  replayLsn: 0n,
  streaming: true,
  freshMs: 0,
  lagBytes: 0,
  slotsUsed: 0,
  slotsMax: 100,
  hasSchema: false,
  load: null,
};

function node(
  name: string,
  { facts = {}, ...said }: Partial<Omit<TopologyNode, "facts">> & { facts?: Partial<NodeFacts> | null },
): TopologyNode {
  return {
    ...unknownNode({ name, host: name, port: 5432 }),
    role: "standby",
    health: "up",
    ...said,
    facts: facts === null ? null : { ...FACTS, ...facts },
  };
}

const clusterOf = (...nodes: TopologyNode[]): TopologyCluster => ({
  name: "main",
  epoch: 1,
  phase: "serving",
  nodes,
});

const PRIMARY = node("p", {
  role: "primary",
  facts: { freshMs: Infinity, lagBytes: null, streaming: false },
});

const readers = (cluster: TopologyCluster, balance: Partial<BalanceConfig> = {}) =>
  readersOf(cluster, { ...BALANCE, ...balance }).map(({ name }) => name).join(" ");

Deno.test("readersOf takes standbys that are up, known, and not taken out", () => {
  const nodes = [
    PRIMARY,
    node("good", {}),
    node("suspect", { health: "suspect" }),
    node("down", { health: "down" }),
    node("foreign", { health: "foreign" }),
    node("unknown", { role: "unknown" }),
    node("stale", { role: "primary", stale: true }),
    node("out", { reads: false }),
    node("asked by nobody", { facts: null }),
  ];
  equal(readers(clusterOf(...nodes)), "good");
});

Deno.test("readersOf keeps to the lag in bytes, where unknown is too much, unless there is no limit", () => {
  const nodes = [
    PRIMARY,
    node("a", { facts: { lagBytes: 100 } }),
    node("b", { facts: { lagBytes: 101 } }),
    node("c", { facts: { lagBytes: null } }),
  ];
  equal(readers(clusterOf(...nodes)), "a");
  equal(readers(clusterOf(...nodes), { max_standby_lag_bytes: 0 }), "a b c");
});

Deno.test("readersOf keeps to the primary's timeline where both say theirs", () => {
  const nodes = [node("old", { facts: { timeline: 2 } }), node("new", { facts: { timeline: 3 } })];
  equal(readers(clusterOf(PRIMARY, ...nodes)), "new");
  equal(readers(clusterOf(...nodes)), "old new", "there is no primary to compare with");
});

Deno.test("readersOf leaves out who receives nothing and of whom nobody knows what it has, while the primary answers", () => {
  const lost = node("s", { facts: { timeline: null, streaming: false, freshMs: 1 } });
  equal(readers(clusterOf(PRIMARY, lost)), "s");
  const silent = node("s", { facts: { timeline: null, streaming: false, freshMs: -Infinity } });
  equal(readers(clusterOf(PRIMARY, silent)), "");
  equal(readers(clusterOf({ ...PRIMARY, health: "down" }, silent)), "s");
  equal(readers(clusterOf(silent)), "s");
  equal(
    readers(clusterOf(PRIMARY, node("s", { facts: { streaming: false, freshMs: -Infinity } }))),
    "s",
    "its timeline is the primary's",
  );
});

Deno.test("isFresh asks for what was committed within the limit, and for the session's own writes", () => {
  const at = (freshMs: number) => node("s", { facts: { freshMs } });
  const fresh = (freshMs: number, lastWriteMs: number, balance: Partial<BalanceConfig> = {}) =>
    isFresh(at(freshMs), { ...BALANCE, ...balance }, { nowMs: 5000, lastWriteMs });
  deepEqual([fresh(4000, -Infinity), fresh(3999, -Infinity)], [true, false]);
  equal(fresh(-Infinity, -Infinity, { max_standby_lag: 0 }), true);
  deepEqual([fresh(4500, 4499), fresh(4500, 4500), fresh(4500, 4501)], [true, false, false]);
  equal(fresh(4500, 4501, { read_consistency: "eventual" }), true);
  equal(fresh(3999, 3998, { read_consistency: "eventual" }), false);
  equal(fresh(-Infinity, 1, { max_standby_lag: 0 }), false);
  equal(isFresh(node("s", { facts: null }), BALANCE, { nowMs: 0, lastWriteMs: 0 }), false);
});

/**
 * A model of replication: commits on a primary, samples of it, a standby that replays when it likes, and a clock that stands still
 * for as long as a round of events takes.
 */
Deno.test("isFresh never lets a session miss its own write, whatever the clock's rounds and the replay", () => {
  const seed = Date.now() & 0xffff;
  const step = fc.oneof(
    fc.constant("commit" as const),
    fc.constant("sample" as const),
    fc.constant("answer" as const),
    fc.constant("replay" as const),
    fc.constant("round" as const),
  );
  let served = 0;
  const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    let [nowMs, lsn, replayed] = [0, 0, 0];
    let [lastWriteMs, lastWriteLsn] = [-Infinity, 0];
    const sent: number[] = [];
    const marks: { sentMs: number; lsn: number }[] = [];
    for (const step of steps) {
      if (step === "round") nowMs++;
      else if (step === "commit") {
        // The server answers, and pgplex reads it in the round at hand.
        lastWriteLsn = ++lsn;
        lastWriteMs = nowMs;
      } else if (step === "sample") sent.push(nowMs);
      else if (step === "answer" && sent.length > 0) marks.push({ sentMs: sent.shift()!, lsn });
      else if (step === "replay") replayed = Math.min(lsn, replayed + 1);
      const freshMs = marks.findLast((mark) => mark.lsn <= replayed)?.sentMs ?? -Infinity;
      if (
        !isFresh(node("s", { facts: { freshMs } }), { ...BALANCE, max_standby_lag: 0 }, {
          nowMs,
          lastWriteMs,
        })
      ) {
        continue;
      }
      served++;
      equal(replayed >= lastWriteLsn, true, "a read on the standby sees the write");
    }
  });
  try {
    fc.assert(property, { seed, numRuns: 2000 });
  } catch (error) {
    console.error(`seed ${seed}`);
    throw error;
  }
  equal(served > 1000, true);
});
