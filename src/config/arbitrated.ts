import type { ClusterConfig, Config } from "./schema.ts";

/**
 * Whether it is settled in a record which node of a cluster is the primary: where pgplex may move it, and where several instances share it,
 * which then agree on whom they follow. Else this instance follows by itself.
 */
export function isArbitrated(
  { coordination }: Pick<Config, "coordination">,
  { superuser, failover }: Pick<ClusterConfig, "superuser" | "failover">,
): boolean {
  return superuser !== null && (failover !== "follow" || coordination !== null);
}
