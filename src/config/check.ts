import { checkCoordination } from "./check_coordination.ts";
import { mayDoWithoutTls, spokenProtocols } from "./cluster_tls.ts";
import { nearest } from "./nearest.ts";
import { formatPath, type Segments } from "./path.ts";
import { poolSettings } from "./pool_settings.ts";
import type { AuthType, ClusterTls, Config, PoolSettings, UserConfig } from "./schema.ts";
import type { Secret } from "./secret.ts";
import { LISTED } from "./userlist.ts";

/** A host name or an IPv4 address, or an IPv6 address, which has two colons at least. */
const LISTEN_ADDRESS = /^(?:[\p{L}\p{N}_][\p{L}\p{N}_.-]*|(?=[^:]*:[^:]*:)[0-9a-f:.]+(?:%[\w.-]+)?)$/iu;

/** What a client may send as its server name: RFC 6066 knows host names alone, without a dot at the end. */
const SERVER_NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;

/** sun_path of Linux, less the zero byte at its end. */
const SOCKET_PATH_BYTES_MAX = 107;

/**
 * Notes that the value at `at` does not go with others. `because` names those others: where one of them was already
 * refused, a stand-in was compared, and nothing is noted.
 */
export type ReportClash = (at: Segments, message: string, because?: readonly Segments[]) => void;

/** Refuses what no single key is to blame for: values that are good alone and impossible together. */
export function checkConfig(config: Config, report: ReportClash): void {
  checkListen(config, report);
  checkAuth(config, report);
  checkNames(config, report);
  checkRouting(config, report);
  checkServerNames(config, report);
  for (const [name, cluster] of config.clusters) {
    const path = ["clusters", name];
    checkNodes(config, name, report);
    checkFailover(config, name, report);
    if (cluster.superuser !== null) checkSources(cluster.superuser, [...path, "superuser"], report);
    checkClusterProtocols(cluster.tls, [...path, "tls"], report);
    const { cert_file, key_file } = cluster.tls;
    if ((cert_file === null) !== (key_file === null)) {
      const [given, missing] = cert_file === null ? ["key_file", "cert_file"] : ["cert_file", "key_file"];
      clash([...path, "tls", given!], `go with ${missing}`, "it alone", report, [[...path, "tls", missing!]]);
    }
  }
  if (config.coordination !== null) {
    checkCoordination(config.coordination, (at, must, received, because = []) => {
      clash(at, must, received, report, because);
    });
    checkSources(config.coordination.etcd, ["coordination", "etcd"], report);
  }
  checkPools(config, report);
}

function checkListen({ listen }: Config, report: ReportClash): void {
  if (listen.address.length === 0 && listen.unix_socket_dir === null) {
    const because = [["listen", "unix_socket_dir"]];
    clash(["listen", "address"], "hold an address when unix_socket_dir is null", "none", report, because);
  }
  for (const [index, address] of listen.address.entries()) {
    if (!LISTEN_ADDRESS.test(address)) {
      const must = "hold IP addresses or host names, without port or mask: 0.0.0.0 and :: mean all";
      clash(["listen", "address"], must, quoted(address), report);
    } else if (listen.address.indexOf(address) < index) {
      clash(["listen", "address"], "name each address once", `${quoted(address)} twice`, report);
    }
  }
  if (listen.tls !== null) checkProtocols(listen.tls.protocols, ["listen", "tls"], report);
  if (listen.unix_socket_dir === null) return;
  const bytes = new TextEncoder().encode(`${listen.unix_socket_dir}/.s.PGSQL.${listen.port}`).length;
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    const must = `leave the path of the socket in it at most ${SOCKET_PATH_BYTES_MAX} bytes`;
    clash(["listen", "unix_socket_dir"], must, `a folder that makes it ${bytes}`, report, [[
      "listen",
      "port",
    ]]);
  }
}

/** An empty list would let nobody speak TLS, whatever else is said of it. */
function checkProtocols(protocols: readonly string[], path: Segments, report: ReportClash): void {
  if (protocols.length === 0) clash([...path, "protocols"], "hold TLSv1.2 or TLSv1.3", "none", report);
}

/** Where TLS may be done without, a list of older versions alone does without it. */
function checkClusterProtocols(tls: ClusterTls, path: Segments, report: ReportClash): void {
  checkProtocols(mayDoWithoutTls(tls.mode) ? tls.protocols : spokenProtocols(tls), path, report);
}

function checkAuth(config: Config, report: ReportClash): void {
  const { auth, listen } = config;
  if (auth.type === "cert" && !listen.tls?.client_ca_file) {
    const because = [["listen", "tls"], ["listen", "tls", "client_ca_file"]];
    clash(
      ["auth", "type"],
      "be another one while listen.tls.client_ca_file is not given",
      "cert",
      report,
      because,
    );
  }
  if (auth.type === "hba" && auth.hba_file === null) {
    clash(["auth", "type"], "be another one while auth.hba_file is not given", "hba", report, [[
      "auth",
      "hba_file",
    ]]);
  }
  for (const [name, user] of auth.users) {
    const path = ["auth", "users", name];
    checkSources(user, path, report);
    // Such a user cannot log in with a password; the others of the list can.
    if (user[LISTED]) continue;
    const none = user.password === null && user.password_file === null && user.password_env === null;
    const passwords = ["md5", "scram-sha-256", "plain"].includes(auth.type);
    const because = [
      ["auth", "type"],
      ...["password", "password_file", "password_env"].map((key) => [...path, key]),
    ];
    if (none && passwords) {
      clash(path, `have a password for auth.type ${auth.type}`, "none", report, because);
    }
    if (user.password !== null && !secretServes(auth.type, user.password)) {
      clash(path, secretExpected(auth.type), "an md5 secret", report, because);
    }
  }
  if (auth.query !== null && [...config.clusters.values()].every((cluster) => cluster.superuser === null)) {
    const because = [...config.clusters.keys()].map((name) => ["clusters", name, "superuser"]);
    clash(["auth", "query"], "be null while no cluster has a superuser", "a look-up", report, [
      ["clusters"],
      ...because,
    ]);
  }
}

/** Whether a client can log in with `secret` at all: of an md5 hash, SCRAM can make nothing. */
export function secretServes(type: AuthType, secret: Secret): boolean {
  return type !== "scram-sha-256" || !/^md5[0-9a-f]{32}$/.test(secret.reveal());
}

/** What {@link secretServes} asks for, as the end of "must …". */
export function secretExpected(type: AuthType): string {
  return `be a password or a SCRAM-SHA-256$ secret for auth.type ${type}`;
}

function checkSources(user: UserConfig, path: Segments, report: ReportClash): void {
  const given = (["password", "password_file", "password_env"] as const).filter((key) => user[key] !== null);
  if (given.length > 1) {
    const second = [...path, given[1]!];
    clash(second, "stand alone, one source for a password", given.join(" and "), report);
  }
}

function checkNames(config: Config, report: ReportClash): void {
  const { routing, clusters } = config;
  const console = [config.console.database, ...config.console.aliases];
  const because = [["console", "database"], ["console", "aliases"]];
  const groups: [Segments, Iterable<string>][] = [
    [["clusters"], clusters.keys()],
    [["routing", "databases"], routing.databases.keys()],
  ];
  for (const [parent, names] of groups) {
    for (const name of names) {
      const path = [...parent, name];
      if (separates(routing.separator, name)) {
        clash(path, `not hold routing.separator ${quoted(routing.separator)}`, quoted(name), report);
      }
      if (console.includes(name)) {
        clash(path, "differ from the console's database and aliases", quoted(name), report, because);
      }
    }
  }
  for (const [index, name] of console.entries()) {
    if (!separates(routing.separator, name)) continue;
    const path = index === 0 ? ["console", "database"] : ["console", "aliases"];
    clash(path, `not hold routing.separator ${quoted(routing.separator)}`, quoted(name), report);
  }
}

/** An empty separator is refused by itself; every name would hold it. */
function separates(separator: string, name: string): boolean {
  return separator !== "" && name.includes(separator);
}

function checkRouting({ routing, clusters }: Config, report: ReportClash): void {
  const named: [Segments, string | null][] = [
    [["routing", "default_cluster"], routing.default_cluster],
    ...[...routing.databases].map(([alias, { cluster }]): [Segments, string] => [
      ["routing", "databases", alias, "cluster"],
      cluster,
    ]),
  ];
  for (const [path, cluster] of named) {
    if (cluster === null || clusters.has(cluster)) continue;
    const near = nearest(cluster, clusters.keys());
    const received = quoted(cluster) + (near === undefined ? "" : `; did you mean ${near}?`);
    clash(path, `name one of clusters: ${[...clusters.keys()].join(", ")}`, received, report, [["clusters"]]);
  }
}

function checkServerNames({ clusters, listen }: Config, report: ReportClash): void {
  const owners = new Map<string, string>();
  for (const [cluster, { server_names: names }] of clusters) {
    const path = ["clusters", cluster, "server_names"];
    if (names.length > 0 && listen.tls === null) {
      clash(path, "be empty while listen.tls is null", quoted(names[0]!), report, [["listen", "tls"]]);
    }
    for (const name of names) {
      const owner = owners.get(name.toLowerCase());
      if (!SERVER_NAME.test(name)) {
        clash(path, "hold host names, without port or wildcard", quoted(name), report);
      } else if (owner !== undefined) {
        clash(path, `not hold a name of clusters.${owner}, or one twice`, quoted(name), report);
      }
      owners.set(name.toLowerCase(), cluster);
    }
  }
}

function checkNodes({ clusters }: Config, cluster: string, report: ReportClash): void {
  const { nodes } = clusters.get(cluster)!;
  nodes.forEach((node, index) => {
    const path = ["clusters", cluster, "nodes", index];
    const before = nodes.slice(0, index);
    const first = before.findIndex(({ name }) => name === node.name);
    if (first >= 0) {
      clash([...path, "name"], `differ from that of nodes[${first}]`, quoted(node.name), report);
    }
    const twin = before.findIndex(({ host, port }) => host === node.host && port === node.port);
    if (twin >= 0) {
      const because = [[...path, "port"], ["clusters", cluster, "nodes", twin]];
      clash(
        [...path, "host"],
        `lead elsewhere than nodes[${twin}]`,
        "the same host and port",
        report,
        because,
      );
    }
  });
}

/** Who moves the primary needs a connection of its own, and a place to keep what is settled. */
function checkFailover(config: Config, cluster: string, report: ReportClash): void {
  const { failover, superuser } = config.clusters.get(cluster)!;
  if (failover === "follow") return;
  const path = ["clusters", cluster, "failover"];
  if (superuser === null) {
    clash(path, "be follow while superuser is null", failover, report, [["clusters", cluster, "superuser"]]);
  } else if (config.state_file === null && config.coordination === null) {
    const because = [["state_file"], ["coordination"]];
    clash(path, "be follow while neither state_file nor coordination is given", failover, report, because);
  }
}

/**
 * A rule is checked where one place gives both of its keys: a limit of one alias below a minimum for all is what people write, and
 * the smaller one holds.
 */
function checkPools(config: Config, report: ReportClash): void {
  checkPool(["pool"], config.pool, config.pool, report);
  for (const [name, { pool }] of config.clusters) {
    checkPool(["clusters", name, "pool"], pool, poolSettings(config, { cluster: name }), report);
  }
  for (const [user, keys] of config.users) {
    checkPool(["users", user], keys, { ...config.pool, ...keys }, report);
  }
  for (const [alias, keys] of config.routing.databases) {
    if (!config.clusters.has(keys.cluster)) continue;
    checkPool(
      ["routing", "databases", alias],
      keys,
      poolSettings(config, { cluster: keys.cluster, alias }),
      report,
    );
  }
}

function checkPool(
  path: Segments,
  given: Partial<PoolSettings>,
  merged: PoolSettings,
  report: ReportClash,
): void {
  const rule = (key: keyof PoolSettings, other: keyof PoolSettings, broken: boolean, must: string) => {
    if (!broken || given[key] === undefined || given[other] === undefined) return;
    const because = [key, other].flatMap((name) => [[...path, name], ["pool", name]]);
    report([...path, key], `Cannot use ${formatPath([...path, key])} as it must ${must}`, because);
  };
  const { default_pool_size, min_pool_size, reserve_pool_size, reserve_pool_timeout } = merged;
  rule(
    "min_pool_size",
    "default_pool_size",
    min_pool_size > default_pool_size,
    `be at most default_pool_size ${default_pool_size}: received ${min_pool_size}`,
  );
  for (const limit of ["max_db_connections", "max_user_connections"] as const) {
    const max = merged[limit];
    const broken = max > 0 && min_pool_size > max;
    rule("min_pool_size", limit, broken, `be at most ${limit} ${max}: received ${min_pool_size}`);
  }
  rule(
    "reserve_pool_size",
    "reserve_pool_timeout",
    reserve_pool_size > 0 && reserve_pool_timeout === 0,
    `be 0 while reserve_pool_timeout is 0s, which never opens it: received ${reserve_pool_size}`,
  );
}

function clash(
  at: Segments,
  must: string,
  received: string,
  report: ReportClash,
  because: readonly Segments[] = [],
): void {
  report(at, `Cannot use ${formatPath(at)} as it must ${must}: received ${received}`, because);
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
