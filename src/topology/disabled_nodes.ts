import type { Config } from "../config/mod.ts";
import type { TopologyCluster, TopologyNode, TopologySnapshot } from "./snapshot.ts";

/**
 * The nodes that an operator has taken out by DISABLE: they serve nobody who only reads. Kept by name, through reloads, until ENABLE
 * or until the file has no such node any more; a restart forgets it.
 */
export class DisabledNodes {
  /** By cluster. */
  readonly #names = new Map<string, Set<string>>();

  /** Takes a node out, or back in. */
  set(cluster: string, node: string, disabled: boolean): void {
    const names = this.#names.get(cluster) ?? new Set();
    this.#names.set(cluster, names);
    if (disabled) names.add(node);
    else names.delete(node);
  }

  /** Forgets what is not in the file any more. */
  configure({ clusters }: Config): void {
    for (const [cluster, names] of this.#names) {
      const nodes = clusters.get(cluster)?.nodes ?? [];
      for (const name of names) if (!nodes.some((node) => node.name === name)) names.delete(name);
      if (names.size === 0) this.#names.delete(cluster);
    }
  }

  /** `snapshot`, whose nodes are as the file says, with what was taken out. */
  over(snapshot: TopologySnapshot): TopologySnapshot {
    if (this.#names.size === 0) return snapshot;
    const clusters = new Map<string, TopologyCluster>();
    for (const [name, cluster] of snapshot.clusters) clusters.set(name, this.overCluster(cluster));
    return { ...snapshot, clusters };
  }

  /** The same for one cluster. */
  overCluster(cluster: TopologyCluster): TopologyCluster {
    const names = this.#names.get(cluster.name);
    if (names === undefined) return cluster;
    const nodes = cluster.nodes.map((node): TopologyNode => {
      const disabled = names.has(node.name);
      return { ...node, disabled, reads: node.reads && !disabled };
    });
    return { ...cluster, nodes };
  }
}
