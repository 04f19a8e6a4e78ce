import type { Runtime } from "../backend/mod.ts";
import {
  type ClusterConfig,
  type Config,
  isArbitrated,
  type MonitorConfig,
  type SuperuserConfig,
} from "../config/mod.ts";
import type { Timer } from "../kernel/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { type NodeAddress, sameNode, type TopologyCluster, type TopologySnapshot } from "../topology/mod.ts";
import { ClusterWatch, type WatchedNode } from "./cluster_watch.ts";
import { NodeLink } from "./node_link.ts";
import { NodeLoop } from "./node_loop.ts";
import type { Outcome } from "./outcome.ts";

/** How often the nodes of a cluster are asked while it has no primary that is up, in milliseconds, where the interval is longer. */
const URGENT_MS = 150;

/** How long a node is left alone that refuses pgplex's login, in milliseconds. */
const DENIED_MS = 10_000;

/** How long behind the primaries the standbys are asked, in milliseconds. */
const BEHIND_MS = 100;

/** What the monitor works with. */
export interface MonitorParts {
  readonly runtime: Runtime;
  readonly log: Log;
  /** Something was heard of a cluster. */
  readonly publish: (cluster: TopologyCluster) => void;
  /** The same of one of its nodes, before that. */
  readonly heard?: (cluster: string, node: WatchedNode) => void;
}

/** One node's loop and connection. */
interface NodeWatch {
  readonly address: NodeAddress;
  readonly link: NodeLink;
  readonly loop: NodeLoop;
}

/** One cluster that is watched. */
interface Cluster {
  config: ClusterConfig & { readonly superuser: SuperuserConfig };
  readonly watch: ClusterWatch;
  nodes: NodeWatch[];
  timer: Timer | null;
}

/**
 * Asks every node of each cluster that has `superuser`, and publishes what that says. Each node has a loop of its own, so one
 * that does not answer delays no other.
 */
export class Monitor {
  readonly #parts: MonitorParts;
  readonly #clusters = new Map<string, Cluster>();
  /** Clusters of which the log has said that nobody finds out. */
  readonly #unwatched = new Set<string>();
  #monitor: MonitorConfig;
  #isRunning = false;

  /** Asks nobody before {@link start}. */
  constructor(config: Config, parts: MonitorParts) {
    this.#parts = parts;
    this.#monitor = config.monitor;
    this.configure(config, new Map());
  }

  /** Begins to ask. */
  start(): void {
    this.#isRunning = true;
    for (const { nodes } of this.#clusters.values()) for (const { loop } of nodes) void loop.run();
  }

  /** Ends every connection; publishes nothing more. */
  stop(): void {
    this.#isRunning = false;
    for (const cluster of this.#clusters.values()) this.#forget(cluster);
    this.#clusters.clear();
  }

  /**
   * Another configuration is in force. What is known of nodes that are where they were stays; a cluster that was not watched keeps
   * the primary that it is `served` by until its nodes have answered.
   */
  configure(config: Config, served: ReadonlyMap<string, TopologyCluster>): void {
    this.#monitor = config.monitor;
    for (const [name, cluster] of this.#clusters) {
      if (isWatched(config.clusters.get(name))) continue;
      this.#forget(cluster);
      this.#clusters.delete(name);
    }
    for (const [name, one] of config.clusters) {
      if (isWatched(one)) {
        this.#configure(name, one, {
          served: served.get(name) ?? null,
          isArbitrated: isArbitrated(config, one),
        });
      }
      this.#warnUnwatched(name, one);
    }
    for (const name of this.#unwatched) if (!config.clusters.has(name)) this.#unwatched.delete(name);
  }

  /** `snapshot` with what is known of the clusters that are watched. */
  over(snapshot: TopologySnapshot): TopologySnapshot {
    const clusters = new Map(snapshot.clusters);
    for (const [name, { watch }] of this.#clusters) if (clusters.has(name)) clusters.set(name, watch.cluster);
    return { ...snapshot, clusters };
  }

  /** What is known of a cluster; null where it is not watched. */
  clusterOf(name: string): TopologyCluster | null {
    return this.#clusters.get(name)?.watch.cluster ?? null;
  }

  /**
   * Somebody has a reason to doubt what is known of a node of a cluster: its connections end, or say that it stops, starts, or has
   * another role. All nodes of the cluster are asked at once, as another one may be the primary by now; each at most once in 50 ms.
   */
  hint(cluster: string): void {
    for (const { loop } of this.#clusters.get(cluster)?.nodes ?? []) loop.hint();
  }

  #configure(
    name: string,
    config: Cluster["config"],
    { served, isArbitrated }: { readonly served: TopologyCluster | null; readonly isArbitrated: boolean },
  ): void {
    const monitor = this.#monitor;
    const nowMs = this.#nowMs();
    let cluster = this.#clusters.get(name);
    if (cluster === undefined) {
      const watch = new ClusterWatch({ name, config, isArbitrated, monitor, served, nowMs });
      cluster = { config, watch, nodes: [], timer: null };
      this.#clusters.set(name, cluster);
    } else {
      if (!sameAccess(cluster.config, config)) { for (const { link } of cluster.nodes) link.reset(); }
      cluster.config = config;
      cluster.watch.configure({ config, isArbitrated, monitor, nowMs });
      this.#report(cluster);
    }
    this.#follow(cluster);
    this.#schedule(cluster);
    // What was waited for may have been another interval, another account, another node.
    for (const { loop } of cluster.nodes) loop.renew();
  }

  /** Loops of nodes that are new begin, those of nodes that are gone end. */
  #follow(cluster: Cluster): void {
    const { nodes: wanted } = cluster.config;
    const kept = cluster.nodes.filter(({ address }) => wanted.some((node) => sameNode(node, address)));
    for (const node of cluster.nodes) if (!kept.includes(node)) this.#end(node);
    cluster.nodes = wanted.map(({ name, host, port }) => {
      const address = { name, host, port };
      return kept.find((node) => sameNode(node.address, address)) ?? this.#begin(cluster, address);
    });
  }

  #begin(cluster: Cluster, address: NodeAddress): NodeWatch {
    const { runtime } = this.#parts;
    const link = new NodeLink(address, {
      access: () => ({ ...cluster.config, monitor: this.#monitor }),
      runtime,
      lost: () => loop.hint(),
    });
    const loop: NodeLoop = new NodeLoop({
      clock: runtime.clock,
      ask: () => link.ask(),
      heard: (outcome, askedMs) => this.#heard(cluster, address, outcome, askedMs),
      delayMs: (outcome, askedMs) => this.#delayMs(cluster, address, outcome, askedMs),
    });
    if (this.#isRunning) void loop.run();
    return { address, link, loop };
  }

  #heard(cluster: Cluster, address: NodeAddress, outcome: Outcome, askedMs: number): void {
    const { watch } = cluster;
    const wasUrgent = watch.urgent;
    watch.heard(address, outcome, { askedMs, nowMs: this.#nowMs() });
    this.#tell(cluster, address);
    if (watch.urgent && !wasUrgent) { for (const { loop } of cluster.nodes) loop.hint(); }
    this.#publish(cluster);
  }

  #tell({ watch }: Cluster, address: NodeAddress): void {
    const node = watch.nodeAt(address);
    if (node !== null) this.#parts.heard?.(watch.name, node);
  }

  #publish(cluster: Cluster): void {
    this.#report(cluster);
    this.#parts.publish(cluster.watch.cluster);
    this.#schedule(cluster);
  }

  #report({ watch }: Cluster): void {
    for (const { level, message, fields } of watch.takeReports()) this.#parts.log[level](message, fields);
  }

  #delayMs({ watch }: Cluster, address: NodeAddress, outcome: Outcome, askedMs: number): number {
    const { interval } = this.#monitor;
    if (outcome.kind === "denied" && outcome.lasting) return Math.max(interval, DENIED_MS);
    const isUrgent = watch.urgent || watch.healthOf(address) === "suspect";
    if (isUrgent) return Math.min(interval, URGENT_MS);
    // All in one round of events cost less than each by itself; a standby that is asked behind the primary shows what that had.
    const isPrimary = outcome.kind === "answered" && !outcome.answer.recovering;
    return untilBeat(askedMs, { interval, offsetMs: isPrimary ? 0 : Math.min(BEHIND_MS, interval / 10) });
  }

  /** Wakes when time alone changes what is known. */
  #schedule(cluster: Cluster): void {
    cluster.timer?.cancel();
    cluster.timer = null;
    const { dueMs } = cluster.watch;
    if (dueMs === Infinity) return;
    cluster.timer = this.#parts.runtime.clock.after(Math.max(0, dueMs - this.#nowMs()), () => {
      cluster.timer = null;
      if (cluster.watch.tick(this.#nowMs())) {
        for (const { address } of cluster.nodes) this.#tell(cluster, address);
        this.#publish(cluster);
      } else this.#schedule(cluster);
    });
  }

  #forget(cluster: Cluster): void {
    cluster.timer?.cancel();
    cluster.timer = null;
    for (const node of cluster.nodes) this.#end(node);
  }

  #end({ loop, link }: NodeWatch): void {
    loop.stop();
    link.close();
  }

  #warnUnwatched(name: string, cluster: ClusterConfig): void {
    if (cluster.superuser !== null || cluster.nodes.length === 1) {
      this.#unwatched.delete(name);
      return;
    }
    if (this.#unwatched.has(name)) return;
    this.#unwatched.add(name);
    this.#parts.log.warning(
      "nobody finds out which node is the primary, as clusters.*.superuser is null: the first one is taken for it",
      { cluster: name, node: cluster.nodes[0]?.name },
    );
  }

  #nowMs(): number {
    return this.#parts.runtime.clock.nowMs();
  }
}

function isWatched(cluster: ClusterConfig | undefined): cluster is Cluster["config"] {
  return cluster !== undefined && cluster.superuser !== null;
}

/** Whether a login by the one is a login by the other. */
function sameAccess(a: Cluster["config"], b: Cluster["config"]): boolean {
  const [mine, other] = [a.superuser, b.superuser];
  if (mine.user !== other.user || mine.database !== other.database) return false;
  const same = <T extends { equals(other: T): boolean }>(x: T | null, y: T | null) =>
    x === null || y === null ? x === y : x.equals(y);
  if (!same(mine.password, other.password) || !same(a.tls.key_pem, b.tls.key_pem)) return false;
  return a.tls.mode === b.tls.mode && a.tls.ca_pem === b.tls.ca_pem && a.tls.cert_pem === b.tls.cert_pem;
}

/**
 * Milliseconds from `askedMs` to the next beat, of which there is one each interval, the same for all nodes; to the one behind it where a
 * beat was served a little early.
 */
function untilBeat(
  askedMs: number,
  { interval, offsetMs }: { readonly interval: number; readonly offsetMs: number },
): number {
  const sinceMs = (askedMs - offsetMs) % interval;
  const leftMs = interval - (sinceMs < 0 ? sinceMs + interval : sinceMs);
  return leftMs < interval / 10 ? leftMs + interval : leftMs;
}
