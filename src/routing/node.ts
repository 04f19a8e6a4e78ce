import type { TopologyNode, TopologySnapshot } from "../topology/mod.ts";

/** The node that serves a session now, or null when the cluster has none that may: the session waits. */
export function nodeFor(snapshot: TopologySnapshot, cluster: string): TopologyNode | null {
  return snapshot.clusters.get(cluster)?.nodes.find(({ role }) => role === "primary") ?? null;
}
