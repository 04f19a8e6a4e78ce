import { nearest, WILDCARD } from "../../config/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import { routeDatabase } from "../../routing/mod.ts";
import { canonicalDatabase, databaseNameOf, isDatabaseName, type ServerPool } from "../../servers/mod.ts";
import type { ConsoleParts } from "./parts.ts";

/** A database as clients name it: an alias, or DATABASE@CLUSTER where it has been used. */
export interface ListedDatabase {
  readonly name: string;
  readonly cluster: string;
  /** Its name on the cluster. */
  readonly database: string;
  readonly alias: string | null;
  readonly pools: readonly ServerPool[];
}

/**
 * Every alias, every other database to which a pool leads, and those that are paused or disabled by name; sorted by name. The
 * console itself is not among them.
 */
export function listDatabases({ worker: { config, pools } }: ConsoleParts): ListedDatabase[] {
  const listed = new Map<string, Omit<ListedDatabase, "pools"> & { pools: ServerPool[] }>();
  for (const [name, { cluster, database }] of config.routing.databases) {
    if (name === WILDCARD) continue;
    listed.set(name, { name, cluster, database, alias: name, pools: [] });
  }
  for (const name of [...pools.control.pausedNames, ...pools.control.disabledNames]) {
    if (listed.has(name) || !isDatabaseName(config, name)) continue;
    const { cluster, database, alias } = routeDatabase(config, name);
    listed.set(name, { name, cluster, database, alias, pools: [] });
  }
  for (const pool of pools.all()) {
    if (pools.isLeaving(pool)) continue;
    const { cluster, database, alias } = pool.key;
    const name = databaseNameOf(config, pool.key);
    let entry = listed.get(name);
    if (entry === undefined) listed.set(name, entry = { name, cluster, database, alias, pools: [] });
    entry.pools.push(pool);
  }
  return [...listed.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

/**
 * The name by which the console knows the database that an operator names as a client would. A name without its cluster must
 * be one that exists or is in use, as with a default cluster any name would be valid. With `leaving` also one that a reload
 * removed, while leases of it run.
 *
 * @throws PgplexError `unknown_database` that lists the databases; `unsupported_feature` for the console's own
 */
export function findDatabase(
  parts: ConsoleParts,
  asked: string,
  command: string,
  { leaving = false } = {},
): string {
  const { config, pools } = parts.worker;
  const { database, aliases } = config.console;
  if (asked === database || aliases.includes(asked)) {
    throw new PgplexError("unsupported_feature", `cannot ${command} the console's own database "${asked}"`);
  }
  if (leaving) {
    for (const pool of pools.all()) if (pools.isLeaving(pool) && pools.nameOf(pool) === asked) return asked;
  }
  const listed = listDatabases(parts).map(({ name }) => name);
  let name: string | null = null;
  try {
    name = canonicalDatabase(config, asked);
  } catch {
    // The error below lists the databases.
  }
  const spelledOut = asked.includes(config.routing.separator) || asked.includes("@");
  if (name !== null && (spelledOut || listed.includes(name))) return name;
  const near = nearest(asked, listed);
  const meant = near === undefined ? "" : `Did you mean "${near}"? `;
  const others = listed.filter((each) => each !== near);
  const names = (near === undefined ? others : [near, ...others]).map(spelled).join(", ");
  throw new PgplexError("unknown_database", `no such database: ${asked}`, {
    detail: listed.length === 0 ? "No database has been used yet." : `Databases: ${names}.`,
    hint:
      `${meant}Name a database that is not in use as DATABASE${config.routing.separator}CLUSTER. Clusters: ${
        [...config.clusters.keys()].join(", ")
      }.`,
  });
}

/** A name as a command takes it: in double quotes where it contains white space or punctuation of the language. */
function spelled(name: string): string {
  return /^[^\s=,();'"]+$/.test(name) && !/--|\/\*/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
