import type { Config } from "../config/mod.ts";
import { routeDatabase } from "../routing/mod.ts";

/** Where a pool leads: what its database's name is made of. */
export interface DatabaseKey {
  readonly cluster: string;
  readonly database: string;
  readonly alias: string | null;
}

/**
 * The name under which the console knows a database: the alias that clients gave, or DATABASE@CLUSTER also where they left
 * the cluster out.
 */
export function databaseNameOf({ routing }: Config, { cluster, database, alias }: DatabaseKey): string {
  return alias ?? `${database}${routing.separator}${cluster}`;
}

/** {@link databaseNameOf} the database to which a client's database name leads. @throws PgplexError `unknown_database` */
export function canonicalDatabase(config: Config, asked: string): string {
  return databaseNameOf(config, routeDatabase(config, asked));
}

/** Whether a {@link databaseNameOf} name still is one: a reload may take away what it led to, or make it another's. */
export function isDatabaseName(config: Config, name: string): boolean {
  try {
    return canonicalDatabase(config, name) === name;
  } catch {
    return false;
  }
}
