import { aliasFor, type Config, type PoolOwner } from "../config/mod.ts";
import { routeDatabase } from "../routing/mod.ts";
import type { DestinationKey } from "./destination_key.ts";

/** Where a pool leads: what its database's name is made of. */
export interface DatabaseKey {
  readonly cluster: string;
  readonly database: string;
  readonly alias: string | null;
}

/**
 * The name under which the console knows a database, which is one that a client can give: the alias, the plain name where that leads
 * to it by the default cluster, else DATABASE@CLUSTER.
 */
export function databaseNameOf(config: Config, { cluster, database, alias }: DatabaseKey): string {
  if (alias !== null) return alias;
  const { separator, default_cluster: defaultCluster } = config.routing;
  const isPlain = cluster === defaultCluster && !isTaken(config, database);
  return isPlain ? database : `${database}${separator}${cluster}`;
}

/** Whether a plain name means something else than the database of that name on the default cluster. */
function isTaken(config: Config, name: string): boolean {
  const { console: { database, aliases }, routing: { separator } } = config;
  if (name === database || aliases.includes(name) || aliasFor(config, name) !== null) return true;
  return name.includes(separator) || separator === "@" && name.includes("%40");
}

/** {@link databaseNameOf} the database to which a client's database name leads. @throws PgplexError `unknown_database` */
export function canonicalDatabase(config: Config, asked: string): string {
  return databaseNameOf(config, routeDatabase(config, asked));
}

/** Whether a name is a {@link databaseNameOf} one: that which the console shows. */
export function isDatabaseName(config: Config, name: string): boolean {
  try {
    return canonicalDatabase(config, name) === name;
  } catch {
    return false;
  }
}

/** Whether a {@link databaseNameOf} name is still the one of what it was before a reload: an alias, or no alias. */
export function keepsName({ before, after }: { before: Config; after: Config }, name: string): boolean {
  return isDatabaseName(after, name) && aliasOf(before, name) === aliasOf(after, name);
}

/** Whether what a pool leads to still has its name. */
export function isNamed(config: Config, key: DatabaseKey): boolean {
  const name = databaseNameOf(config, key);
  return isDatabaseName(config, name) && aliasOf(config, name) === key.alias;
}

/** The alias by which a name leads somewhere; null for none, undefined where it leads nowhere. */
function aliasOf(config: Config, name: string): string | null | undefined {
  try {
    return routeDatabase(config, name).alias;
  } catch {
    return undefined;
  }
}

/** Whose settings hold for a destination: pgplex's own look-ups are no user's. */
export function ownerOf({ cluster, alias, user, purpose }: DestinationKey): PoolOwner {
  return purpose === "auth" ? { cluster, alias } : { cluster, alias, user };
}
