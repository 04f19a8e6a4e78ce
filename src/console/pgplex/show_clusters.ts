import { primaryOf, type TopologyCluster } from "../../topology/mod.ts";
import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

const COLUMNS = columns(
  "name text, primary text, nodes int4, epoch int8, databases int4, pools int4, sessions int4, waiting int4, " +
    "servers int4, phase text, up int4, timeline int4, system text",
);

/**
 * SHOW CLUSTERS: what each has at the moment. `phase` is serving, or holding while its clients wait for a primary; `up` are the nodes
 * that answer; `timeline` and `system` are the primary's.
 */
export function showClusters(parts: ConsoleParts): Table {
  const { clusters } = parts.worker.topology.current;
  return { columns: COLUMNS, rows: [...clusters.values()].map((cluster) => clusterRow(parts, cluster)) };
}

function clusterRow({ worker }: ConsoleParts, cluster: TopologyCluster): Cell[] {
  const { name, nodes, epoch, phase } = cluster;
  const databases = new Set<string>();
  let [pools, servers, sessions, waiting] = [0, 0, 0, 0];
  for (const { key, pool } of worker.pools.all()) {
    if (key.cluster !== name) continue;
    databases.add(key.database);
    pools++;
    servers += pool.total;
  }
  for (const session of worker.sessions) {
    if (session.destination.key.cluster !== name) continue;
    sessions++;
    if (session.waiting) waiting++;
  }
  const primary = primaryOf(cluster);
  return [
    name,
    primary?.name ?? null,
    nodes.length,
    epoch,
    databases.size,
    pools,
    sessions,
    waiting,
    servers,
    phase,
    nodes.filter(({ health }) => health === "up").length,
    primary?.facts?.timeline ?? null,
    primary?.facts?.system ?? null,
  ];
}
