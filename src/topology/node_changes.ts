import { type NodeAddress, sameNode, type TopologyNode, type TopologySnapshot } from "./snapshot.ts";

/** A node of which something is to be done where connections to it are. */
export interface NodeChange {
  readonly cluster: string;
  readonly node: NodeAddress;
  /** Why, for people. */
  readonly reason: string;
}

/** What became of nodes from one snapshot to the next. */
export interface NodeChanges {
  /** Nobody may go on there: it is silent, it is no primary any more, or it belongs to another cluster. */
  readonly lost: readonly NodeChange[];
  /** It answers again. */
  readonly back: readonly NodeChange[];
}

const NO_CHANGES: NodeChanges = Object.freeze({ lost: [], back: [] });

/**
 * Which nodes are lost in `now`, and which are back. The only node of a cluster is never lost: there is nobody else to go to, and what
 * hangs there may go on.
 */
export function nodeChanges(before: TopologySnapshot, now: TopologySnapshot): NodeChanges {
  if (before.clusters === now.clusters) return NO_CHANGES;
  const lost: NodeChange[] = [];
  const back: NodeChange[] = [];
  for (const [cluster, { nodes }] of now.clusters) {
    const known = before.clusters.get(cluster);
    if (known === undefined || known.nodes === nodes) continue;
    for (const node of nodes) {
      const other = known.nodes.find((one) => sameNode(one, node));
      if (other === undefined) continue;
      const reason = nodes.length === 1 ? null : whyLost(other, node);
      if (reason !== null) lost.push({ cluster, node, reason: `${node.name} ${reason}` });
      if (other.health !== "up" && node.health === "up") back.push({ cluster, node, reason: node.reason });
    }
  }
  return { lost, back };
}

function whyLost(before: TopologyNode, now: TopologyNode): string | null {
  if (before.health !== now.health && (now.health === "down" || now.health === "foreign")) {
    return `is ${now.health}: ${now.reason}`;
  }
  if (before.role === "primary" && now.role !== "primary") return "is not the primary any more";
  return !before.stale && now.stale ? now.reason : null;
}
