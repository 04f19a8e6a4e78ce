import { lsnText, type TopologyCluster, type TopologyNode } from "../../topology/mod.ts";
import { type Cell, columns, type Table, timestamp } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

const COLUMNS = columns(
  "cluster text, node text, host text, port int4, role text, health text, stale bool, timeline int4, lsn text, " +
    "lag_bytes int8, lag_ms int8, slots_used int4, slots_max int4, pools int4, servers int4, leases int4, latency_ms int4, " +
    "since text, reads bool, weight int4, disabled bool, version int4, reason text, condition text",
);

/**
 * SHOW NODES: what is known of each node. `lag_ms` is how long ago the primary had what a standby has replayed, by samples, so a standby that
 * is not behind shows a little more than `monitor.interval` at times; `leases` are server connections in use; `reads` is false too where the node is disabled; `condition` is what
 * the arbiter says of it: fenced, diverged, rejoining or quarantined.
 */
export function showNodes(parts: ConsoleParts): Table {
  const { clusters } = parts.worker.topology.current;
  const rows = [...clusters.values()].flatMap((cluster) =>
    cluster.nodes.map((node) => nodeRow(parts, cluster, node))
  );
  return { columns: COLUMNS, rows };
}

function nodeRow({ worker, moves }: ConsoleParts, cluster: TopologyCluster, node: TopologyNode): Cell[] {
  const { name, host, port, role, health, stale, facts, reads, weight, disabled } = node;
  const { clock } = worker.runtime;
  let [pools, servers, leases] = [0, 0, 0];
  for (const { key, node, pool } of worker.pools.all()) {
    if (key.cluster !== cluster.name || node.name !== name) continue;
    pools++;
    servers += pool.total;
    leases += pool.leasedCount;
  }
  return [
    cluster.name,
    name,
    host,
    port,
    role,
    health,
    stale,
    facts?.timeline ?? null,
    facts === null ? null : lsnText(facts.lsn),
    facts?.lagBytes ?? null,
    lagMs(facts?.freshMs, clock.nowMs()),
    facts?.slotsUsed ?? null,
    facts?.slotsMax ?? null,
    pools,
    servers,
    leases,
    facts === null ? null : Math.round(facts.latencyMs),
    node.sinceMs === 0 ? null : timestamp(clock, node.sinceMs),
    reads,
    weight,
    disabled,
    facts?.version ?? null,
    node.reason,
    moves.conditionOf(cluster.name, name),
  ];
}

/** Null where nobody knows. */
function lagMs(freshMs: number | undefined, nowMs: number): number | null {
  if (freshMs === undefined || freshMs === -Infinity) return null;
  return freshMs === Infinity ? 0 : Math.max(0, Math.round(nowMs - freshMs));
}
