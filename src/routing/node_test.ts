import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type ClusterPhase, type NodeRole, type TopologySnapshot, unknownNode } from "../topology/mod.ts";
import { nodeFor, type Routed } from "./node.ts";

function snapshotOf(phase: ClusterPhase, ...roles: NodeRole[]): TopologySnapshot {
  const nodes = roles.map((role, index) => ({
    ...unknownNode({ name: `n${index}`, host: "h", port: 5432 }),
    role,
  }));
  return { serial: 1, clusters: new Map([["main", { name: "main", epoch: 1, phase, nodes }]]) };
}

const nameOf = (routed: Routed) => routed.kind === "node" ? routed.node.name : routed.kind;

Deno.test("nodeFor names the cluster's primary, wherever it stands in the list", () => {
  equal(nameOf(nodeFor(snapshotOf("serving", "primary", "standby"), { cluster: "main" })), "n0");
  equal(nameOf(nodeFor(snapshotOf("serving", "standby", "unknown", "primary"), { cluster: "main" })), "n2");
});

Deno.test("nodeFor lets a session wait, with the reason, without a primary and while the primary is moved", () => {
  deepEqual(nodeFor(snapshotOf("serving", "standby", "unknown"), { cluster: "main" }), {
    kind: "wait",
    reason: 'cluster "main" has no primary',
  });
  deepEqual(nodeFor(snapshotOf("holding", "primary"), { cluster: "main" }), {
    kind: "wait",
    reason: 'cluster "main" has no primary that is served: n0 is unknown',
  });
});

Deno.test("nodeFor tells why a cluster is held, where somebody has said so", () => {
  const { clusters } = snapshotOf("holding", "primary");
  const held = { ...clusters.get("main")!, reason: "the primary is being moved" };
  deepEqual(nodeFor({ serial: 1, clusters: new Map([["main", held]]) }, { cluster: "main" }), {
    kind: "wait",
    reason: 'cluster "main" has no primary that is served: the primary is being moved',
  });
});

Deno.test("nodeFor refuses a cluster that does not exist any more", () => {
  const routed = nodeFor(snapshotOf("serving", "primary"), { cluster: "other" });
  equal(routed.kind === "error" ? routed.error.code : routed.kind, "config_changed");
});
