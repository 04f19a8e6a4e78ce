import { PgplexError } from "../kernel/mod.ts";
import {
  primaryOf,
  type TopologyCluster,
  type TopologyNode,
  type TopologySnapshot,
} from "../topology/mod.ts";

/** What decides to which node a session's next lease goes. */
export interface RouteFacts {
  readonly cluster: string;
}

/** Where a lease goes: to a node, nowhere for now, or nowhere at all. */
export type Routed =
  | { readonly kind: "node"; readonly node: TopologyNode }
  /** The session waits until another snapshot is published; `reason` is for the client that waited in vain. */
  | { readonly kind: "wait"; readonly reason: string }
  | { readonly kind: "error"; readonly error: PgplexError };

/** The node that serves a session now. Asked at each lease, never earlier. */
export function nodeFor(snapshot: TopologySnapshot, { cluster: name }: RouteFacts): Routed {
  const cluster = snapshot.clusters.get(name);
  if (cluster === undefined) {
    return { kind: "error", error: new PgplexError("config_changed", `cluster "${name}" is gone`) };
  }
  if (cluster.phase === "holding") {
    const why = cluster.reason ?? whatItHas(cluster);
    return { kind: "wait", reason: `cluster "${name}" has no primary that is served: ${why}` };
  }
  const node = primaryOf(cluster);
  return node === null
    ? { kind: "wait", reason: `cluster "${name}" has no primary` }
    : { kind: "node", node };
}

/** Its nodes in short, without addresses: clients may read it. */
function whatItHas({ nodes }: TopologyCluster): string {
  return nodes.map(({ name, role, health, stale }) => {
    if (stale) return `${name} is stale`;
    return `${name} is ${health === "up" && role === "standby" ? "a standby" : health}`;
  }).join(", ");
}
