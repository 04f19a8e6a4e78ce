import { type ClusterEntry, type DatabaseEntry, type Databases } from "./clusters.ts";
import { formatPairs } from "./connection_string.ts";
import type { Translation } from "./translation.ts";
import { writeTlsLimits } from "./write_listen.ts";

/** Keys of a line of `[databases]` that an alias has with the same meaning, and what they are called there. */
const ALIAS_KEYS: ReadonlyMap<string, string> = new Map([
  ["pool_size", "default_pool_size"],
  ["min_pool_size", "min_pool_size"],
  ["reserve_pool", "reserve_pool_size"],
  ["reserve_pool_size", "reserve_pool_size"],
  ["max_db_connections", "max_db_connections"],
  ["max_db_client_connections", "max_db_client_connections"],
  ["query_wait_timeout", "query_wait_timeout"],
  ["pool_mode", "pool_mode"],
  ["connect_query", "connect_query"],
  ["user", "user"],
  ["password", "password"],
  ["auth_query", "auth_query"],
]);

/** What the console is called in a file that is made here. */
const CONSOLE_NAMES: readonly string[] = ["pgbouncer", "pgplex"];

/** Said by the cluster that the line leads to, or by {@link writeLookUpPlace}. */
const OF_CLUSTER = ["host", "port", "auth_user", "dbname", "auth_dbname"];

const REASONS: Readonly<Record<string, string>> = {
  load_balance_hosts: "the monitor finds out which node is the primary, and takes one that is there",
  target_session_attrs: "the primary serves; who says intent = read is served by a standby: docs/READS.md",
  client_encoding: "ALTER DATABASE … SET client_encoding does it at the server",
  datestyle: "ALTER DATABASE … SET datestyle does it at the server",
  timezone: "ALTER DATABASE … SET timezone does it at the server",
};

/** Where database names lead, and the servers there. */
export function writeDatabases(to: Translation, found: Databases): void {
  const { clusters, databases, problems } = found;
  for (const problem of problems) to.at(["routing"]).comment(problem);
  const authPlaces = new AuthPlaces(found);
  for (const database of databases) writeDatabase(to, database, authPlaces);
  if (clusters.length === 0) {
    to.at(["clusters"]).comment("No line of [databases] leads to a server: this is a place to begin.");
    const authUser = to.given("auth_user");
    writeCluster(to, { name: "main", hosts: ["127.0.0.1"], port: 5432, authUser }, authPlaces);
  }
  for (const cluster of clusters) writeCluster(to, cluster, authPlaces);
}

function writeDatabase(to: Translation, entry: DatabaseEntry, authPlaces: AuthPlaces): void {
  const { name, pairs, cluster } = entry;
  if (CONSOLE_NAMES.includes(name)) {
    return to.leave(
      ["routing"],
      name,
      formatPairs(pairs),
      "the name is the console's: console.database and console.aliases",
    );
  }
  const path = ["routing", "databases", name];
  to.write([...path, "cluster"], cluster);
  const given = new Map(pairs);
  const database = given.get("dbname") ?? "";
  if (database !== "" && database !== name) to.write([...path, "database"], database);
  writePairs(to, path, pairs);
  // Without an auth_user for all there is no query for all either.
  if (to.given("auth_user") === null && given.has("auth_user") && !given.has("auth_query")) {
    to.write([...path, "auth_query"], to.given("auth_query") ?? true, "auth_user of this line");
  }
  writeLookUpPlace(to, path, { entry, given, authPlaces });
}

/** Where `auth_dbname` leads, which names a line of `[databases]`. */
class AuthPlaces {
  readonly #databases: readonly DatabaseEntry[];
  readonly #clusters: ReadonlyMap<string, ClusterEntry>;

  constructor({ clusters, databases }: Databases) {
    this.#databases = databases;
    this.#clusters = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  }

  /** The database on `cluster` that PgBouncer asks where `auth_dbname` is `name`; null where it leads to other servers, or nowhere. */
  on(cluster: string, name: string): string | null {
    if (CONSOLE_NAMES.includes(name)) return null;
    const line = this.#databases.find((entry) => entry.name === name) ??
      this.#databases.find((entry) => entry.name === "*");
    if (line === undefined || this.#serversOf(line.cluster) !== this.#serversOf(cluster)) return null;
    return new Map(line.pairs).get("dbname") || name;
  }

  /** Whether PgBouncer asks as another `auth_user` than that of the line of `name`, which is another cluster on the same servers. */
  asksAsAnother(cluster: string, name: string): boolean {
    const line = this.#databases.find((entry) => entry.name === name);
    return line !== undefined && line.cluster !== cluster && this.on(cluster, name) !== null;
  }

  #serversOf(cluster: string): string {
    const { hosts, port } = this.#clusters.get(cluster)!;
    return JSON.stringify([hosts, port]);
  }
}

/** PgBouncer asks its own query in the client's database, which may be the only one that has the function in it. */
function writeLookUpPlace(
  to: Translation,
  path: readonly string[],
  { entry: { name, cluster }, given, authPlaces }: {
    readonly entry: DatabaseEntry;
    readonly given: ReadonlyMap<string, string>;
    readonly authPlaces: AuthPlaces;
  },
): void {
  const own = given.get("auth_dbname");
  const named = own ?? to.given("auth_dbname");
  const asksAs = given.get("auth_user") ?? to.given("auth_user");
  if (named !== null && asksAs !== null && authPlaces.asksAsAnother(cluster, named)) {
    to.write(
      [...path, "auth_database"],
      authPlaces.on(cluster, named),
      `auth_dbname = ${named}, by ${asksAs}`,
    );
    return;
  }
  if (own !== undefined) return to.write([...path, "lookup_database"], own, "auth_dbname");
  const asks = given.has("auth_query") || to.given("auth_query") !== null;
  if (!asks || named !== null || asksAs === null) return;
  const database = given.get("dbname") || name;
  if (database !== "*") to.at(path).set("auth_database", database, "PgBouncer asks auth_query there");
  else {
    to.at(path).comment(
      "PgBouncer asks auth_query in the client's own database, here it is asked in superuser.database of the cluster, unless " +
        "auth_database says otherwise.",
    );
  }
}

function writePairs(to: Translation, path: readonly string[], pairs: DatabaseEntry["pairs"]): void {
  for (const [key, value] of pairs) {
    if (!OF_CLUSTER.includes(key)) writePair(to, path, { key, value });
  }
  const given = new Map(pairs);
  to.capMinimum(path, given.get("min_pool_size") ?? null, {
    pool_size: given.get("pool_size"),
    max_db_connections: given.get("max_db_connections"),
  });
}

function writePair(
  to: Translation,
  path: readonly string[],
  { key, value }: { readonly key: string; readonly value: string },
): void {
  // PgBouncer's manual: -1 means that the value is not set.
  if (value === "-1") return to.leave(path, key, value, "what holds for all does here too");
  const name = ALIAS_KEYS.get(key);
  if (name !== undefined) return to.carry([...path, name], key, value);
  switch (key) {
    case "server_lifetime":
      return writeServerLifetime(to, path, value);
    default:
      return to.leave(path, key, value, REASONS[key] ?? "is no key that PgBouncer's manual has");
  }
}

/** 0 there closes a server connection after its first use. */
export function writeServerLifetime(to: Translation, path: readonly string[], seconds: string): void {
  if (Number(seconds) > 0) return to.carry([...path, "server_lifetime"], "server_lifetime", seconds);
  to.write([...path, "server_reset"], "always", `server_lifetime = ${seconds}: each connection is used once`);
}

function writeCluster(
  to: Translation,
  { name, hosts, port, authUser }: ClusterEntry,
  authPlaces: AuthPlaces,
): void {
  const path = ["clusters", name];
  const cluster = to.at(path);
  if (hosts.length > 1) {
    cluster.comment(
      "PgBouncer opens connections to these hosts in turn. Here they are the nodes of one cluster: its primary, which the monitor " +
        "finds if it has superuser, serves all but those who say intent = read (docs/READS.md).",
    );
  }
  const nodes = [...new Set(hosts)].map((host, index) => ({ name: `${name}-${index + 1}`, host, port }));
  cluster.entries("nodes", nodes);
  writeSuperuser(to, path, { user: authUser, cluster: name, authPlaces });
  writeServerTls(to, path);
}

function writeSuperuser(
  to: Translation,
  path: readonly string[],
  { user, cluster, authPlaces }: {
    readonly user: string | null;
    readonly cluster: string;
    readonly authPlaces: AuthPlaces;
  },
): void {
  if (user === null) {
    to.at(path).comment(
      "An account, which need not be a superuser, lets the monitor see the nodes: docs/NODES.md.",
    );
    return to.at(path).set("superuser", null);
  }
  const superuser = [...path, "superuser"];
  to.write([...superuser, "user"], user);
  const secret = to.surroundings.userlist?.users.get(user)?.reveal();
  if (secret !== undefined && !secret.startsWith("SCRAM-SHA-256$")) {
    to.write([...superuser, "password"], secret);
  } else if (secret !== undefined) {
    to.leave(
      superuser,
      "password",
      "…",
      "auth_file has a SCRAM secret, which logs in nowhere: give it in clear, or by password_file",
    );
  }
  const name = to.given("auth_dbname");
  if (name === null) return;
  const database = authPlaces.on(cluster, name);
  if (database !== null) to.at(superuser).set("database", database, `auth_dbname = ${name}`);
}

function writeServerTls(to: Translation, path: readonly string[]): void {
  const tls = [...path, "tls"];
  const mode = to.given("server_tls_sslmode");
  if (mode !== null) to.carry([...tls, "mode"], "server_tls_sslmode", mode);
  const files: readonly [string, string][] = [
    ["server_tls_ca_file", "ca_file"],
    ["server_tls_cert_file", "cert_file"],
    ["server_tls_key_file", "key_file"],
  ];
  for (const [key, name] of files) {
    const file = to.given(key);
    if (file === null) continue;
    const other = key === "server_tls_cert_file" ? "server_tls_key_file" : "server_tls_cert_file";
    const lone = key !== "server_tls_ca_file" && to.given(other) === null;
    if (lone) to.leave(tls, key, file, `goes with ${other}, which is not given`);
    else to.write([...tls, name], to.file(file));
  }
  writeTlsLimits(to, tls, "server");
}
