import type { Config } from "../config/mod.ts";

/** A node's recovery state, as far as it is known. */
export type NodeRole = "primary" | "standby" | "unknown";

/** One PostgreSQL server of a cluster. */
export interface TopologyNode {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly role: NodeRole;
}

/** One cluster at one moment. Invariant: at most one node is primary. */
export interface TopologyCluster {
  readonly name: string;
  /** Rises by one with each promotion. */
  readonly epoch: number;
  readonly nodes: readonly TopologyNode[];
}

/** All clusters at one moment; never changed, only replaced. */
export interface TopologySnapshot {
  readonly serial: number;
  readonly clusters: ReadonlyMap<string, TopologyCluster>;
}

/** The snapshot that the file alone gives: the first node of each cluster is its primary, the others are not known. */
export function snapshotFromConfig(config: Config, serial: number): TopologySnapshot {
  const clusters = new Map<string, TopologyCluster>();
  for (const [name, { nodes }] of config.clusters) {
    clusters.set(name, {
      name,
      epoch: 1,
      nodes: nodes.map((node, index) => ({ ...node, role: index === 0 ? "primary" : "unknown" })),
    });
  }
  return { serial, clusters };
}

/** Holds the current snapshot. */
export class TopologyPublisher {
  #current: TopologySnapshot;

  constructor(first: TopologySnapshot) {
    this.#current = first;
  }

  get current(): TopologySnapshot {
    return this.#current;
  }

  publish(next: TopologySnapshot): void {
    this.#current = next;
  }
}
