import type { Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";
import { configNode } from "./config_node.ts";
import { branch, merged, observed, type ReadyNode } from "./node.ts";
import { tableNode } from "./table_node.ts";

/** `clusters`: each with its row of SHOW CLUSTERS, its nodes with theirs of SHOW NODES, and its settings. */
export function clustersNode(
  { live }: Pick<ConsoleParts, "live">,
  { clusters, nodes }: { readonly clusters: Table; readonly nodes: Table },
): ReadyNode {
  const children = new Map<string, ReadyNode>();
  const nodesOf = tableNode(nodes, ["cluster", "node"]);
  const nameAt = clusters.columns.findIndex(({ name }) => name === "name");
  for (const row of clusters.rows) {
    const name = String(row[nameAt]);
    const known = merged(configNode(live, ["clusters", name, "nodes"]), nodesOf.child(name))!;
    const state = clusters.columns.map(({ name }, index) => [name, observed(row[index]!)] as const)
      .filter(([name]) => name !== "name" && name !== "nodes");
    const seen = branch(new Map<string, ReadyNode>([...state, ["nodes", known]]));
    children.set(name, merged(seen, configNode(live, ["clusters", name]))!);
  }
  return { ...branch(children, () => clusters), segments: ["clusters"] };
}
