import { type ClusterPhase, type TopologyCluster, type TopologyNode } from "../topology/mod.ts";

/** Where an arbiter lets the clients of its cluster go. */
export type Stance =
  | { readonly kind: "serve"; readonly epoch: number; readonly primary: string; readonly timeline: number }
  /** `primary` is the one that was served; null: none is known. */
  | {
    readonly kind: "hold";
    readonly epoch: number;
    readonly primary: string | null;
    readonly reason: string;
  };

/** Before the arbiter has said anything. */
export const NO_STANCE: Stance = {
  kind: "hold",
  epoch: 0,
  primary: null,
  reason: "the record is not read yet",
};

/**
 * A cluster as its clients are to see it: the arbiter says which node is the primary, or that there is none now; how the nodes are is what the
 * monitor has found. A node that says that it is the primary, and is not the arbiter's, is stale.
 */
export function underStance(cluster: TopologyCluster, stance: Stance): TopologyCluster {
  const nodes = cluster.nodes.map((node) => roleOf(node, stance.primary));
  const served = nodes.find(({ role }) => role === "primary");
  const isServed = stance.kind === "serve" && served !== undefined &&
    ["up", "suspect", "unknown"].includes(served.health);
  const phase: ClusterPhase = isServed ? "serving" : "holding";
  const { reason: _, ...known } = cluster;
  const seen = { ...known, epoch: Math.max(stance.epoch, 1), phase, nodes };
  return stance.kind === "hold" ? { ...seen, reason: stance.reason } : seen;
}

function roleOf(node: TopologyNode, primary: string | null): TopologyNode {
  if (node.name === primary) {
    return node.role === "primary" && !node.stale ? node : { ...node, role: "primary", stale: false };
  }
  return node.role === "primary" ? { ...node, role: "unknown", stale: true } : node;
}
