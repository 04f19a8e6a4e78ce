import type { Config } from "../config/mod.ts";

/** A node's recovery state, as far as it is known. */
export type NodeRole = "primary" | "standby" | "unknown";

/** Where a node is. Two with the same host and port are the same server. */
export interface NodeAddress {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/**
 * How a node is. `up`: it answers; `suspect`: it missed an answer; `down`: it was silent for `failure_timeout`, or nothing listens
 * there; `starting`: it says so (57P03); `foreign`: it belongs to another cluster (another system identifier); `unknown`: nobody
 * has asked yet, or nobody can.
 */
export type NodeHealth = "up" | "suspect" | "down" | "starting" | "foreign" | "unknown";

/** What a node said last. Positions in the WAL are bytes from its beginning. */
export interface NodeFacts {
  /** When it was asked, in clock milliseconds. */
  readonly atMs: number;
  /** How long the answer took, in milliseconds. */
  readonly latencyMs: number;
  /** As `server_version_num`: 180001. */
  readonly version: number;
  /** The system identifier: the same on all nodes of a cluster. */
  readonly system: string;
  /** Null where it cannot be told: a standby that receives nothing. */
  readonly timeline: number | null;
  /** Of a primary what it has written, of a standby what it has received. */
  readonly lsn: bigint;
  /** What a standby has replayed; of a primary its {@link lsn}. */
  readonly replayLsn: bigint;
  /** Whether a standby receives WAL at the moment. */
  readonly streaming: boolean;
  /**
   * What was committed before this time, in clock milliseconds, can be seen on it: Infinity on the primary, -Infinity where
   * nobody knows.
   */
  readonly freshMs: number;
  /** Bytes of WAL that it has not replayed, as far as the primary's last answer tells; null where there is none. */
  readonly lagBytes: number | null;
  /** Client connections that it has, and may have. */
  readonly slotsUsed: number;
  readonly slotsMax: number;
  /** Whether pgplex's schema is there. */
  readonly hasSchema: boolean;
  /** Processes of its host that want to run, for each CPU; null where nobody knows. */
  readonly load: number | null;
}

/** One PostgreSQL server of a cluster, and what is known of it. */
export interface TopologyNode extends NodeAddress {
  readonly role: NodeRole;
  readonly health: NodeHealth;
  /** It says that it is a primary, and is not the cluster's: nobody is sent there. */
  readonly stale: boolean;
  /** Since when role and health are so, in clock milliseconds, and why, for people. */
  readonly sinceMs: number;
  readonly reason: string;
  /** Of its last answer; null before the first. */
  readonly facts: NodeFacts | null;
  /** Whether it may serve sessions that only read: as the file says, and not where an operator has taken it out. */
  readonly reads: boolean;
  readonly weight: number;
  /** An operator has taken it out. */
  readonly disabled: boolean;
}

/**
 * Whether sessions may be sent to a cluster's primary. While it is `holding` they wait: the primary is being moved, or is down.
 * This is not PAUSE, which is an operator's and holds the pools.
 */
export type ClusterPhase = "serving" | "holding";

/** One cluster at one moment. Invariant: at most one node is primary. */
export interface TopologyCluster {
  readonly name: string;
  /** Rises by one with each move of the primary. */
  readonly epoch: number;
  readonly phase: ClusterPhase;
  /** Why it is held, for clients that wait in vain; absent where the nodes say it all. */
  readonly reason?: string;
  readonly nodes: readonly TopologyNode[];
}

/** All clusters at one moment; never changed, only replaced. */
export interface TopologySnapshot {
  readonly serial: number;
  readonly clusters: ReadonlyMap<string, TopologyCluster>;
}

/** Nothing is known: what a first snapshot is merged with. */
export const NO_TOPOLOGY: TopologySnapshot = { serial: 0, clusters: new Map() };

/** A node of which nothing is known yet. */
export function unknownNode(address: NodeAddress, { reads = true, weight = 1 } = {}): TopologyNode {
  return {
    ...address,
    role: "unknown",
    health: "unknown",
    stale: false,
    sinceMs: 0,
    reason: "nobody has asked yet",
    facts: null,
    reads,
    weight,
    disabled: false,
  };
}

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
 * any more, takes the first node of the file for it, until somebody finds out. Where nobody does any more (no `superuser`), who is
 * served goes on being served, and what was known of health and waiting is forgotten.
 */
export function mergeTopology(before: TopologySnapshot, config: Config): TopologySnapshot {
  const clusters = new Map<string, TopologyCluster>();
  for (const [name, { nodes, superuser }] of config.clusters) {
    const known = before.clusters.get(name);
    const isWatched = superuser !== null;
    const merged = nodes.map(({ name, host, port, reads, weight }): TopologyNode => {
      const address = { name, host, port };
      const before = known?.nodes.find((node) => sameNode(node, address));
      const kept = isWatched ? before : before && { ...unknownNode(address), role: servedAs(before) };
      return { ...kept ?? unknownNode(address), reads, weight, disabled: false };
    });
    const first = merged[0];
    if (first !== undefined && !merged.some(({ role }) => role === "primary")) {
      merged[0] = { ...first, role: "primary" };
    }
    clusters.set(name, {
      name,
      epoch: known?.epoch ?? 1,
      phase: isWatched ? known?.phase ?? "serving" : "serving",
      nodes: merged,
    });
  }
  return { serial: before.serial + 1, clusters };
}

/**
 * Whether a lease, or somebody who waits for one, may have to go elsewhere in `b` than in `a`: clusters, nodes, roles, health, phase,
 * epoch or what the file says of the nodes differ. What differs with each sample ({@link NodeFacts}) does not count: who goes by
 * that reads it from the snapshot at each lease.
 */
export function routesDiffer(a: TopologySnapshot, b: TopologySnapshot): boolean {
  if (a.clusters === b.clusters) return false;
  if (a.clusters.size !== b.clusters.size) return true;
  for (const [name, cluster] of b.clusters) {
    const other = a.clusters.get(name);
    if (other === undefined || clusterRoutesDiffer(other, cluster)) return true;
  }
  return false;
}

function clusterRoutesDiffer(a: TopologyCluster, b: TopologyCluster): boolean {
  if (a === b) return false;
  if (a.epoch !== b.epoch || a.phase !== b.phase || a.nodes.length !== b.nodes.length) return true;
  return a.nodes.some((node, index) => {
    const other = b.nodes[index]!;
    return !sameNode(node, other) || node.role !== other.role || node.health !== other.health ||
      node.stale !== other.stale || node.reads !== other.reads ||
      node.disabled !== other.disabled || node.weight !== other.weight ||
      (node.facts === null) !== (other.facts === null);
  });
}

/** What is left of a node's role when nobody asks it any more. */
function servedAs({ role }: TopologyNode): NodeRole {
  return role === "primary" ? "primary" : "unknown";
}
