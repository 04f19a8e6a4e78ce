import { aliasFor, type Config } from "../config/mod.ts";
import { type NodeAddress, sameNode } from "../topology/mod.ts";
import type { DatabaseKey } from "./databases.ts";

/** Why the configuration has no such destination any more; null where it has. */
export function goneReason(
  config: Config,
  { cluster, database, alias, user }: DatabaseKey & { readonly user: string },
): string | null {
  if (!config.clusters.has(cluster)) return `cluster "${cluster}" was removed from the configuration`;
  if (alias === null) return null;
  const leads = aliasFor(config, alias);
  if (leads === null) return `database "${alias}" was removed from the configuration`;
  const sameUser = leads.user === undefined || leads.user === user;
  if (leads.cluster === cluster && leads.database === database && sameUser) return null;
  return `database "${alias}" leads elsewhere since the configuration changed`;
}

/** Why the configuration has no place for a connection to a node any more; null where it has. */
export function nodeGoneReason(config: Config, cluster: string, node: NodeAddress): string | null {
  const nodes = config.clusters.get(cluster)?.nodes;
  if (nodes === undefined) return `cluster "${cluster}" was removed from the configuration`;
  if (nodes.some((other) => sameNode(other, node))) return null;
  return `node "${node.name}" of cluster "${cluster}" was removed or moved in the configuration`;
}
