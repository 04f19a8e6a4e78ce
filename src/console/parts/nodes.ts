import type { Endpoint } from "../../transport/mod.ts";
import type { TopologyNode } from "../../topology/mod.ts";
import type { ConsoleParts } from "./parts.ts";

/** A node with the name of its cluster. */
export interface ListedNode extends TopologyNode {
  readonly cluster: string;
}

/** The node that an operator names `CLUSTER.NODE`; null where there is none. */
export function findNode({ worker }: Pick<ConsoleParts, "worker">, asked: string): ListedNode | null {
  for (const { name: cluster, nodes } of worker.topology.current.clusters.values()) {
    const node = nodes.find(({ name }) => `${cluster}.${name}` === asked);
    if (node !== undefined) return { ...node, cluster };
  }
  return null;
}

/** The name of the node of a cluster at this address; null where a reload took it away. */
export function nodeNameAt(
  { worker }: Pick<ConsoleParts, "worker">,
  cluster: string,
  { host, port }: Endpoint,
): string | null {
  const nodes = worker.topology.current.clusters.get(cluster)?.nodes ?? [];
  return nodes.find((node) => node.host === host && node.port === port)?.name ?? null;
}
