import { assert } from "../kernel/mod.ts";
import type { Config, PoolSettings } from "./schema.ts";
import { SETTING_TREE } from "./settings.ts";

/** The names of all pool keys, in the order of the table. */
export const POOL_KEYS = [
  ...SETTING_TREE.members.get("pool")!.members.keys(),
] as readonly (keyof PoolSettings)[];

/**
 * What holds for the pools of `cluster`, reached through `alias` if one is given: each key from the innermost place that
 * sets it, which is `routing.databases.ALIAS`, then `clusters.CLUSTER.pool`, then `pool`. Both names must be in `config`.
 *
 * Allocates: call it when a pool is made or the configuration changes, not for each client.
 */
export function poolSettings(config: Config, cluster: string, alias?: string): PoolSettings {
  const outer = config.clusters.get(cluster);
  assert(outer !== undefined, "pool settings are asked for a cluster that is configured");
  const inner = alias === undefined ? {} : config.routing.databases.get(alias);
  assert(inner !== undefined, "pool settings are asked for an alias that is configured");
  const layers: Partial<PoolSettings>[] = [inner, outer.pool, config.pool];
  const merged = POOL_KEYS.map((key) => [key, layers.find((layer) => layer[key] !== undefined)![key]]);
  return Object.freeze(Object.fromEntries(merged));
}
