import { assert } from "../kernel/mod.ts";
import type { AliasConfig, Config, PoolSettings } from "./schema.ts";
import { SETTING_TREE } from "./settings.ts";

/** The names of all pool keys, in the order of the table. */
export const POOL_KEYS = [
  ...SETTING_TREE.members.get("pool")!.members.keys(),
] as readonly (keyof PoolSettings)[];

/** The alias for all names that have none of their own. */
export const WILDCARD = "*";

/**
 * The alias that a database name is, or that holds for it: `*` holds for names that have none. Null where there is none. What
 * `*` does not say of the database is the name itself.
 */
export function aliasFor({ routing: { databases } }: Config, name: string): AliasConfig | null {
  const own = name === WILDCARD ? undefined : databases.get(name);
  if (own !== undefined) return own;
  const wildcard = databases.get(WILDCARD);
  if (wildcard === undefined) return null;
  return wildcard.database === WILDCARD ? { ...wildcard, database: name } : wildcard;
}

/** For whose pools settings are asked. */
export interface PoolOwner {
  readonly cluster: string;
  /** The database name by which an alias is reached; null where none is. */
  readonly alias?: string | null;
  /** The user at the server. */
  readonly user?: string;
}

/**
 * What holds for the pools of an owner: each key from the innermost place that sets it, which is `users.USER`, then
 * `routing.databases.ALIAS`, then `clusters.CLUSTER.pool`, then `pool`. Cluster and alias must be in `config`.
 *
 * Allocates: call it when a pool is made or the configuration changes, not for each client.
 */
export function poolSettings(config: Config, owner: PoolOwner): PoolSettings {
  const layers = layersOf(config, owner);
  return Object.freeze(Object.fromEntries(POOL_KEYS.map((key) => [key, innermost(layers, key)]))) as never;
}

/** One key of {@link poolSettings}. */
export function poolSetting<K extends keyof PoolSettings>(
  config: Config,
  owner: PoolOwner,
  key: K,
): PoolSettings[K] {
  return innermost(layersOf(config, owner), key);
}

function layersOf(config: Config, { cluster, alias = null, user }: PoolOwner): Partial<PoolSettings>[] {
  const outer = config.clusters.get(cluster);
  assert(outer !== undefined, "pool settings are asked for a cluster that is configured");
  const inner = alias === null ? {} : aliasFor(config, alias);
  assert(inner !== null, "pool settings are asked for an alias that is configured");
  const own = user === undefined ? undefined : config.users.get(user);
  return [own ?? {}, inner, outer.pool, config.pool];
}

function innermost<K extends keyof PoolSettings>(
  layers: readonly Partial<PoolSettings>[],
  key: K,
): PoolSettings[K] {
  return layers.find((layer) => layer[key] !== undefined)![key]!;
}
