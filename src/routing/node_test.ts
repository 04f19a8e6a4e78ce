import { strictEqual as equal } from "node:assert/strict";
import type { NodeRole, TopologySnapshot } from "../topology/mod.ts";
import { nodeFor } from "./node.ts";

function snapshotOf(...roles: NodeRole[]): TopologySnapshot {
  const nodes = roles.map((role, index) => ({ name: `n${index}`, host: "h", port: 5432, role }));
  return { serial: 1, clusters: new Map([["main", { name: "main", epoch: 1, nodes }]]) };
}

Deno.test("nodeFor names the cluster's primary, wherever it stands in the list", () => {
  equal(nodeFor(snapshotOf("primary", "standby"), "main")?.name, "n0");
  equal(nodeFor(snapshotOf("standby", "unknown", "primary"), "main")?.name, "n2");
});

Deno.test("nodeFor names none without a primary, or for a cluster that does not exist", () => {
  equal(nodeFor(snapshotOf("standby", "unknown"), "main"), null);
  equal(nodeFor(snapshotOf("primary"), "other"), null);
});
