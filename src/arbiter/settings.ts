import type { ClusterConfig, MonitorConfig } from "../config/mod.ts";

/** A node as the file describes it. */
export interface ArbiterNode {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Of two that have as much, the one with more is promoted. */
  readonly priority: number;
  /** Whether it may be promoted at all. */
  readonly promote: boolean;
}

/** What the file says of a cluster's moves. Milliseconds and bytes. */
export interface ArbiterSettings {
  /** `follow`: never promotes; `manual`: by command; `auto`: by itself too. */
  readonly mode: "follow" | "manual" | "auto";
  readonly nodes: readonly ArbiterNode[];
  readonly rejoin: "manual" | "sql";
  readonly fence: "off" | "sql";
  readonly maxFailoverLagBytes: number;
  readonly syncWaitMs: number;
  readonly switchoverTimeoutMs: number;
  readonly promoteTimeoutMs: number;
  /** An automatic failover begins no sooner behind the last one. */
  readonly failoverIntervalMs: number;
  readonly failureTimeoutMs: number;
  readonly primaryStartTimeoutMs: number;
}

/** The settings of a cluster as the file gives them. */
export function settingsOf(cluster: ClusterConfig, monitor: MonitorConfig): ArbiterSettings {
  return {
    mode: cluster.failover,
    nodes: cluster.nodes.map(({ name, host, port, priority, promote }) => ({
      name,
      host,
      port,
      priority,
      promote,
    })),
    rejoin: cluster.rejoin,
    fence: cluster.fence,
    maxFailoverLagBytes: cluster.max_failover_lag,
    syncWaitMs: cluster.sync_wait,
    switchoverTimeoutMs: cluster.switchover_timeout,
    promoteTimeoutMs: cluster.promote_timeout,
    failoverIntervalMs: cluster.failover_interval,
    failureTimeoutMs: monitor.failure_timeout,
    primaryStartTimeoutMs: monitor.primary_start_timeout,
  };
}
