import type { Config } from "../config/mod.ts";

/** A node's recovery state, as far as it is known. */
export type NodeRole = "primary" | "standby" | "unknown";

/** Where a node is. Two with the same host and port are the same server. */
export interface NodeAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** One PostgreSQL server of a cluster, and what is known of it. */
export interface TopologyNode extends NodeAddress {
  readonly role: NodeRole;
}

/**
 * Whether sessions may be sent to a cluster's primary. While it is `holding` they wait: the primary is being moved. This is
 * not PAUSE, which is an operator's and holds the pools.
 */
export type ClusterPhase = "serving" | "holding";

/** One cluster at one moment. Invariant: at most one node is primary. */
export interface TopologyCluster {
  readonly name: string;
  /** Rises by one with each promotion. */
  readonly epoch: number;
  readonly phase: ClusterPhase;
  readonly nodes: readonly TopologyNode[];
}

/** All clusters at one moment; never changed, only replaced. */
export interface TopologySnapshot {
  readonly serial: number;
  readonly clusters: ReadonlyMap<string, TopologyCluster>;
}

/** Nothing is known: what a first snapshot is merged with. */
export const NO_TOPOLOGY: TopologySnapshot = { serial: 0, clusters: new Map() };

/** The cluster's primary; null when none is known. */
export function primaryOf(cluster: TopologyCluster): TopologyNode | null {
  return cluster.nodes.find(({ role }) => role === "primary") ?? null;
}

/** Whether both names mean the same server under the same name. */
export function sameNode(a: NodeAddress, b: NodeAddress): boolean {
  return a.name === b.name && a.host === b.host && a.port === b.port;
}

/**
 * The clusters and nodes of the file with what `before` knows of them. A cluster whose primary is not known, or not in the file
 * any more, takes the first node of the file for it, until somebody finds out.
 */
export function mergeTopology(before: TopologySnapshot, config: Config): TopologySnapshot {
  const clusters = new Map<string, TopologyCluster>();
  for (const [name, { nodes }] of config.clusters) {
    const known = before.clusters.get(name);
    const merged = nodes.map(({ name, host, port }): TopologyNode => {
      const address = { name, host, port };
      const role = known?.nodes.find((node) => sameNode(node, address))?.role ?? "unknown";
      return { ...address, role };
    });
    const first = merged[0];
    if (first !== undefined && !merged.some(({ role }) => role === "primary")) {
      merged[0] = { ...first, role: "primary" };
    }
    clusters.set(name, {
      name,
      epoch: known?.epoch ?? 1,
      phase: known?.phase ?? "serving",
      nodes: merged,
    });
  }
  return { serial: before.serial + 1, clusters };
}
