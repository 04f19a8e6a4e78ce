import { primaryOf, type TopologyCluster } from "../../topology/mod.ts";
import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";
import { configNode } from "./config_node.ts";
import { branch, merged, observed, type ReadyNode } from "./node.ts";
import { tableNode } from "./table_node.ts";

const CLUSTERS = columns(
  "name text, primary text, nodes int4, epoch int8, databases int4, pools int4, sessions int4, waiting int4, servers int4",
);

const NODES = columns("name text, state text, host text, port int4, pools int4, servers int4");

/** `clusters`: each with what is known of it, its nodes, and its settings. */
export function clustersNode(parts: ConsoleParts): ReadyNode {
  const { clusters } = parts.worker.topology.current;
  const children = new Map<string, ReadyNode>();
  for (const cluster of clusters.values()) {
    const nodes = merged(
      configNode(parts.live, ["clusters", cluster.name, "nodes"]),
      tableNode(nodesTable(parts, cluster), ["name"]),
    )!;
    const row = clusterRow(parts, cluster);
    const state = CLUSTERS.map(({ name }, index) => [name, observed(row[index]!)] as const)
      .filter(([name]) => name !== "name" && name !== "nodes");
    const seen = branch(new Map<string, ReadyNode>([...state, ["nodes", nodes]]));
    children.set(cluster.name, merged(seen, configNode(parts.live, ["clusters", cluster.name]))!);
  }
  const table = () => ({
    columns: CLUSTERS,
    rows: [...clusters.values()].map((one) => clusterRow(parts, one)),
  });
  return { ...branch(children, table), segments: ["clusters"] };
}

function clusterRow({ worker }: ConsoleParts, cluster: TopologyCluster): Cell[] {
  const { name, nodes, epoch } = cluster;
  const pools = [...worker.pools.all()].filter(({ key }) => key.cluster === name);
  const sessions = [...worker.sessions].filter(({ destination }) => destination.key.cluster === name);
  return [
    name,
    primaryOf(cluster)?.name ?? null,
    nodes.length,
    epoch,
    new Set(pools.map(({ key }) => key.database)).size,
    pools.length,
    sessions.length,
    sessions.filter(({ waiting }) => waiting).length,
    pools.reduce((sum, { pool }) => sum + pool.total, 0),
  ];
}

function nodesTable({ worker }: ConsoleParts, cluster: TopologyCluster): Table {
  const rows = cluster.nodes.map(({ name, role, host, port }): Cell[] => {
    const pools = [...worker.pools.all()].filter(({ key, node }) =>
      key.cluster === cluster.name && node.name === name
    );
    return [name, role, host, port, pools.length, pools.reduce((sum, { pool }) => sum + pool.total, 0)];
  });
  return { columns: NODES, rows };
}
