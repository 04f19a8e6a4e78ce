import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { NodeCondition } from "../../arbiter/mod.ts";
import type { NodeFacts, TopologyNode } from "../../topology/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showNodes } from "./show_nodes.ts";

const FACTS: NodeFacts = {
  atMs: 0,
  latencyMs: 1.6,
  version: 180001,
  system: "7",
  timeline: 2,
  lsn: 0x16_b374_d848n,
  replayLsn: 0x16_b374_d848n,
  streaming: true,
  freshMs: 8500,
  lagBytes: 42,
  slotsUsed: 5,
  slotsMax: 100,
  hasSchema: false,
  load: null,
};

/** The first node of `main` with this known of it, as a row by column. */
function shown(known: Partial<TopologyNode>, condition?: NodeCondition): Record<string, unknown> {
  const fake = new FakeParts();
  fake.clock.advance(10_000);
  const { topology } = fake.parts.worker;
  const main = topology.current.clusters.get("main")!;
  const nodes = [{ ...main.nodes[0]!, ...known }, ...main.nodes.slice(1)];
  if (condition !== undefined) fake.conditions.set("main.main-1", condition);
  fake.addPool({}, { total: 3, leasedCount: 2 });
  topology.publish({ serial: 1, clusters: new Map([["main", { ...main, nodes }]]) });
  const { columns, rows } = showNodes(fake.parts);
  return Object.fromEntries(columns.map(({ name }, index) => [name, rows[0]![index]]));
}

Deno.test("showNodes has what a node said, how far it is behind, and what pgplex has there", () => {
  deepEqual(
    shown({
      role: "standby",
      health: "up",
      sinceMs: 60_000,
      reason: "it answers",
      facts: FACTS,
      weight: 3,
      reads: false,
      disabled: true,
    }),
    {
      cluster: "main",
      node: "main-1",
      host: "ten",
      port: 5433,
      role: "standby",
      health: "up",
      stale: false,
      timeline: 2,
      lsn: "16/B374D848",
      lag_bytes: 42,
      lag_ms: 1500,
      slots_used: 5,
      slots_max: 100,
      pools: 1,
      servers: 3,
      leases: 2,
      latency_ms: 2,
      since: "2023-11-14 22:14:20 UTC",
      reads: false,
      weight: 3,
      disabled: true,
      version: 180001,
      reason: "it answers",
      condition: null,
    },
  );
});

Deno.test("showNodes has what the arbiter says of a node besides its role", () => {
  deepEqual(shown({}, "rejoining")["condition"], "rejoining");
});

Deno.test("showNodes has NULL where nobody knows, and no lag of a primary", () => {
  const { timeline, lsn, lag_bytes: bytes, lag_ms: ms, since } = shown({});
  deepEqual([timeline, lsn, bytes, ms, since], [null, null, null, null, null]);
  deepEqual(shown({ facts: { ...FACTS, freshMs: Infinity, lagBytes: 0 } })["lag_ms"], 0);
  deepEqual(shown({ facts: { ...FACTS, freshMs: -Infinity, lagBytes: null } })["lag_ms"], null);
});
