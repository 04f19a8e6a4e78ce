import type { ClusterRecord, Command, CommandAnswer, NodeCondition } from "../arbiter/mod.ts";
import { type ClusterConfig, type Config, isArbitrated } from "../config/mod.ts";
import type { WatchedNode } from "../monitor/mod.ts";
import type { TopologyCluster, TopologySnapshot } from "../topology/mod.ts";
import { ClusterMoves } from "./cluster_moves.ts";
import { Leaving } from "./leaving.ts";
import type { MovesParts } from "./moves_parts.ts";
import { underStance } from "./stance.ts";
import type { OwnedCluster } from "./verb_runner.ts";

export type { MovesParts } from "./moves_parts.ts";

/** The arbiters of all clusters whose primary is settled in a record. */
export class Moves {
  readonly #parts: MovesParts;
  readonly #clusters = new Map<string, ClusterMoves>();
  /** Clusters that a reload has removed while something of theirs ran. */
  readonly #leaving = new Set<Leaving>();
  /** Clusters that are only followed. */
  readonly #following = new Set<string>();
  #isRunning = false;

  /** Decides nothing before {@link start}. */
  constructor(config: Config, parts: MovesParts) {
    const changed = (cluster: string) => {
      parts.changed(cluster);
      this.#leaveToFollow(cluster);
    };
    this.#parts = { ...parts, changed };
    this.configure(config);
  }

  /** Begins. */
  start(): void {
    this.#isRunning = true;
    for (const cluster of this.#clusters.values()) void cluster.start();
  }

  /** Decides nothing any more. */
  stop(): void {
    this.#isRunning = false;
    for (const cluster of this.#clusters.values()) cluster.stop("pgplex stops");
    for (const leaving of [...this.#leaving]) leaving.stop();
    this.#clusters.clear();
  }

  /** Another file is in force. A cluster in the middle of a move that may be only followed from now on ends the move first. */
  configure(next: Config): void {
    const { clusters, monitor } = next;
    const isMoved = (cluster: ClusterConfig | undefined): cluster is OwnedCluster =>
      isOwned(cluster) && isArbitrated(next, cluster);
    for (const [name, cluster] of this.#clusters) {
      const config = clusters.get(name);
      if (isMoved(config)) continue;
      if (isOwned(config) && isMoving(cluster)) cluster.configure(config, monitor);
      else this.#drop(name, cluster, { isInFile: config !== undefined });
    }
    this.#following.clear();
    for (const [name, config] of clusters) {
      if (!isMoved(config)) {
        this.#following.add(name);
        continue;
      }
      const known = this.#clusters.get(name);
      if (known !== undefined) {
        known.configure(config, monitor);
        continue;
      }
      const cluster = new ClusterMoves(name, config, monitor, this.#parts);
      this.#clusters.set(name, cluster);
      if (this.#isRunning) void cluster.start();
    }
    for (const name of this.#following) this.#leaveToFollow(name);
  }

  #drop(name: string, cluster: ClusterMoves, { isInFile = true } = {}): void {
    this.#clusters.delete(name);
    if (isInFile) cluster.stop("failover is follow now");
    else this.#leave(name, cluster);
    this.#parts.changed(name);
  }

  /** What runs at its primary may go on to its end: the others wait for that. */
  #leave(name: string, cluster: ClusterMoves): void {
    const { runtime: { clock }, drain, release } = this.#parts;
    const { drainedNode: node, record } = cluster;
    const endListening = cluster.leave("the cluster was removed from the configuration");
    const leaving: Leaving = new Leaving({
      clock,
      epoch: record?.epoch ?? 0,
      permitUntilMs: () => cluster.permitUntilMs,
      drain: (how) => node === null || drain(name, node, how),
      ended: () => {
        endListening();
        release(name);
        this.#leaving.delete(leaving);
      },
    });
    this.#leaving.add(leaving);
    leaving.look();
  }

  /** A move has ended, of a cluster that is only followed since it began. */
  #leaveToFollow(name: string): void {
    const cluster = this.#clusters.get(name);
    if (cluster !== undefined && this.#following.has(name) && !isMoving(cluster)) this.#drop(name, cluster);
  }

  /** A round of events begins. */
  look(): void {
    for (const cluster of this.#clusters.values()) cluster.look();
    for (const leaving of [...this.#leaving]) leaving.look();
  }

  /** The monitor has found something at a node. */
  heard(cluster: string, node: WatchedNode): void {
    this.#clusters.get(cluster)?.heard(node);
  }

  /** A cluster as its clients are to see it. */
  overCluster(cluster: TopologyCluster): TopologyCluster {
    const moves = this.#clusters.get(cluster.name);
    return moves === undefined ? cluster : underStance(cluster, moves.stance);
  }

  /** The same for all of them. */
  over(snapshot: TopologySnapshot): TopologySnapshot {
    if (this.#clusters.size === 0) return snapshot;
    const clusters = new Map<string, TopologyCluster>();
    for (const [name, cluster] of snapshot.clusters) clusters.set(name, this.overCluster(cluster));
    return { ...snapshot, clusters };
  }

  /** Why nothing may be sent to the primary of a cluster for now; null: it may. */
  whyHeld(cluster: string): string | null {
    const stance = this.#clusters.get(cluster)?.stance;
    return stance?.kind === "hold" ? stance.reason : null;
  }

  /** What is settled about a cluster; null where nobody settles anything. */
  recordOf(cluster: string): ClusterRecord | null {
    return this.#clusters.get(cluster)?.record ?? null;
  }

  /** What there is to say of a node besides its role; null: nothing. */
  conditionOf(cluster: string, node: string): NodeCondition | null {
    return this.#clusters.get(cluster)?.conditionOf(node) ?? null;
  }

  /** Whether it is for this instance to see to what is asked of a cluster: it leads, or nobody decides anything. */
  seesTo(cluster: string): boolean {
    return this.#clusters.get(cluster)?.decides ?? true;
  }

  /** Clusters that have an arbiter. */
  names(): Iterable<string> {
    return this.#clusters.keys();
  }

  /** An operator asks for something. */
  command(cluster: string, command: Command, by: string): Promise<CommandAnswer> {
    const moves = this.#clusters.get(cluster);
    if (moves !== undefined) return moves.command(command, by);
    const text = `failover of cluster "${cluster}" is follow: pgplex moves nothing there`;
    return Promise.resolve({ ok: false, text });
  }
}

function isOwned(cluster: ClusterConfig | undefined): cluster is OwnedCluster {
  return cluster !== undefined && cluster.superuser !== null;
}

function isMoving(cluster: ClusterMoves): boolean {
  return cluster.record?.phase === "moving";
}
