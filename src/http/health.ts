import type { Config } from "../config/mod.ts";
import { primaryOf, type TopologySnapshot } from "../topology/mod.ts";

/** Why pgplex is not ready to serve clients; null: it is. Says no name: whoever asks may be anybody. */
export function unreadiness(
  { http, clusters }: Pick<Config, "http" | "clusters">,
  topology: TopologySnapshot,
  draining: boolean,
): string | null {
  if (draining) return "pgplex is stopping";
  let missing = 0;
  for (const [name, { superuser }] of clusters) {
    if (http?.optional_clusters.includes(name)) continue;
    const cluster = topology.clusters.get(name);
    const primary = cluster === undefined ? null : primaryOf(cluster);
    // Where nobody watches, the first node is taken for the primary, and how it is nobody knows.
    const serves = primary !== null && cluster?.phase === "serving" &&
      (superuser === null || primary.health === "up" || primary.health === "suspect");
    if (!serves) missing++;
  }
  if (missing === 0) return null;
  return `${missing} of ${clusters.size} clusters without a primary`;
}
