import type { IniEntry } from "./pgbouncer_file.ts";
import { formatPairs, type Pairs, parseConnectionString } from "./connection_string.ts";
import { commaList } from "./values.ts";

/** One line of `[databases]`. */
export interface DatabaseEntry {
  /** The name that clients give; `*` is for all that have no line. */
  readonly name: string;
  readonly pairs: Pairs;
  /** The name of the {@link ClusterEntry} that it leads to. */
  readonly cluster: string;
  readonly place: string;
}

/** Servers that lines of `[databases]` lead to. */
export interface ClusterEntry {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly port: number;
  /** Who asks for the secrets of users there. */
  readonly authUser: string | null;
}

/** What `[databases]` says, in the order of the file. */
export interface Databases {
  readonly clusters: readonly ClusterEntry[];
  readonly databases: readonly DatabaseEntry[];
  /** Lines that cannot be read, without their secrets. */
  readonly problems: readonly string[];
}

const DEFAULT_PORT = 5432;

/**
 * Makes clusters of the servers that the lines lead to: lines with the same hosts, port and `auth_user` share one. A cluster's
 * account is its own, so another `auth_user` on the same servers is another cluster.
 */
export function readDatabases(
  entries: readonly IniEntry[],
  { socketDir, authUser }: { socketDir: string; authUser: string | null },
): Databases {
  const clusters: ClusterEntry[] = [];
  const byKey = new Map<string, ClusterEntry>();
  const databases = new Map<string, DatabaseEntry>();
  const problems: string[] = [];
  for (const { key: name, value, place } of entries) {
    const pairs = parseConnectionString(value);
    if (pairs === null) {
      problems.push(
        `${place}: the connection string of ${name} cannot be read; PgBouncer refuses the file for it`,
      );
      continue;
    }
    const given = new Map(pairs);
    const hosts = commaList(given.get("host") ?? "");
    const at = hosts.length === 0 ? [socketDir] : hosts;
    const port = Number(given.get("port") ?? DEFAULT_PORT);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      problems.push(`${place}: ${name} has a port that is none: ${formatPairs(pairs)}`);
      continue;
    }
    const asks = given.get("auth_user") ?? authUser;
    const key = JSON.stringify([at, port, asks]);
    let cluster = byKey.get(key);
    if (cluster === undefined) {
      cluster = { name: nameFor(at[0]!, port, clusters), hosts: at, port, authUser: asks };
      byKey.set(key, cluster);
      clusters.push(cluster);
    }
    // Of two lines with one name PgBouncer takes the last.
    databases.set(name, { name, pairs, cluster: cluster.name, place });
  }
  const [only] = clusters;
  if (clusters.length === 1 && only !== undefined) {
    const renamed = [...databases.values()].map((database) => ({ ...database, cluster: "main" }));
    return { clusters: [{ ...only, name: "main" }], databases: renamed, problems };
  }
  return { clusters, databases: [...databases.values()], problems };
}

/** A name that tells which servers it means, and is not taken. */
function nameFor(host: string, port: number, taken: readonly ClusterEntry[]): string {
  const isAddress = /^[\d.]+$/.test(host) || host.includes(":");
  const word = host.startsWith("/") ? "local" : isAddress ? `db-${host}` : host.split(".")[0]!;
  const base = word.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+/, "").slice(0, 40) || "main";
  const has = (name: string) => taken.some((cluster) => cluster.name === name);
  if (!has(base)) return base;
  const withPort = `${base}-${port}`;
  if (!has(withPort)) return withPort;
  for (let number = 2;; number++) if (!has(`${withPort}-${number}`)) return `${withPort}-${number}`;
}
