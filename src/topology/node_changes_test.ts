import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { nodeChanges } from "./node_changes.ts";
import { NO_TOPOLOGY, type TopologyNode, type TopologySnapshot, unknownNode } from "./snapshot.ts";

type Known = Partial<Pick<TopologyNode, "role" | "health" | "stale" | "reason">>;

function snapshot(...nodes: Known[]): TopologySnapshot {
  const known = nodes.map((node, index): TopologyNode => ({
    ...unknownNode({ name: `n${index + 1}`, host: "h", port: 5432 }),
    role: "standby",
    health: "up",
    reason: "it answers",
    ...node,
  }));
  const cluster = { name: "main", epoch: 1, phase: "serving" as const, nodes: known };
  return { serial: 1, clusters: new Map([["main", cluster]]) };
}

const PRIMARY: Known = { role: "primary" };

function changes(before: TopologySnapshot, now: TopologySnapshot): string[] {
  const { lost, back } = nodeChanges(before, now);
  return [...lost.map(({ reason }) => `lost: ${reason}`), ...back.map(({ node }) => `back: ${node.name}`)];
}

Deno.test("nodeChanges: a node is lost that is silent, foreign, stale, or no primary any more", () => {
  const before = snapshot(PRIMARY, {});
  deepEqual(changes(before, snapshot(PRIMARY, {})), []);
  deepEqual(changes(before, snapshot({ ...PRIMARY, health: "suspect" }, {})), []);
  deepEqual(changes(before, snapshot({ ...PRIMARY, health: "down", reason: "silent" }, {})), [
    "lost: n1 is down: silent",
  ]);
  deepEqual(changes(before, snapshot(PRIMARY, { health: "foreign", reason: "other" })), [
    "lost: n2 is foreign: other",
  ]);
  deepEqual(changes(before, snapshot({}, PRIMARY)), ["lost: n1 is not the primary any more"]);
  const stale: Known = { role: "unknown", stale: true, reason: "says primary on timeline 1" };
  deepEqual(changes(snapshot({}, PRIMARY), snapshot(stale, PRIMARY)), [
    "lost: n1 says primary on timeline 1",
  ]);
});

Deno.test("nodeChanges tells of a loss once, and of a node that answers again", () => {
  const down = snapshot({ ...PRIMARY, health: "down" }, {});
  deepEqual(changes(down, down), []);
  deepEqual(changes(down, snapshot({ ...PRIMARY, health: "starting" }, {})), []);
  deepEqual(changes(down, snapshot(PRIMARY, {})), ["back: n1"]);
});

Deno.test("nodeChanges: the only node of a cluster is never lost, and nothing is of a cluster that was not there", () => {
  deepEqual(changes(snapshot(PRIMARY), snapshot({ ...PRIMARY, health: "down" })), []);
  deepEqual(changes(NO_TOPOLOGY, snapshot({ health: "down" }, {})), []);
});
