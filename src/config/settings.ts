import { COORDINATION_ROWS } from "./coordination_settings.ts";
import { INHERITED_POOL_ROWS, POOL_ROWS, type PoolRows } from "./pool_rows.ts";
import {
  boolean,
  choice,
  choices,
  duration,
  env,
  file,
  group,
  INHERITED,
  integer,
  map,
  NULL,
  nullableGroup,
  REQUIRED,
  type Row,
  secret,
  size,
  text,
  texts,
} from "./rows.ts";
import type { PoolSettings, SettingPath } from "./schema.ts";
import { type Setting, type SettingNode, settingTree } from "./setting.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const TLS_PROTOCOLS = ["TLSv1.2", "TLSv1.3"];

/**
 * The one place that knows each key. Parsing, defaults, suggestions, reload and the console's SHOW are all made from it;
 * the compiler refuses it while a key of `Config` is missing or one is too many.
 */
const ROWS: Record<SettingPath, Row> = {
  "include": texts([], "Other files whose keys are read as if they stood here."),

  "instance": group("Which of several instances this is."),
  "instance.id": integer(
    1,
    1,
    "From 1 to 32767, different for each instance; cancel keys carry it.",
    32_767,
    "restart",
  ),
  "instance.name": text(
    "any",
    NULL,
    "What people call it, in SHOW INSTANCES; null: the host's name.",
    "restart",
  ),

  "listen": group("Where clients connect."),
  "listen.address": texts(
    ["127.0.0.1"],
    "One address or a list; 0.0.0.0 and :: mean all, :: alone takes IPv4 too; [] is no TCP.",
    "restart",
  ),
  "listen.port": integer(1, 6432, "TCP port; it also names the unix socket.", 65_535, "restart"),
  "listen.unix_socket_dir": text("absolute", NULL, "Folder of the unix socket, or null for none.", "restart"),
  "listen.reuse_port": {
    ...boolean(
      false,
      "Whether another pgplex may listen there beside this one, as a new one does that replaces it.",
    ),
    reload: "restart",
  },
  "listen.max_client_conn": integer(1, 10_000, "Clients at the same time; more are refused."),
  "listen.client_login_timeout": duration(MINUTE, "How long a client may take to log in; 0s: for ever."),
  "listen.tls": nullableGroup("TLS towards clients: null, or mode, cert_file, key_file, client_ca_file."),
  "listen.tls.mode": choice(["allow", "require"], "allow", "Whether a client may, or must, use TLS."),
  "listen.tls.cert_file": file(
    "certificate",
    "cert_pem",
    "Certificate chain that is shown to clients.",
    REQUIRED,
  ),
  "listen.tls.key_file": file("key", "key_pem", "Private key of the certificate, not encrypted.", REQUIRED),
  "listen.tls.client_ca_file": file(
    "certificate",
    "client_ca_pem",
    "Authorities that sign clients' certificates.",
  ),

  "listen.tls.protocols": choices(TLS_PROTOCOLS, "Versions of TLS that clients may speak."),

  "io_method": {
    ...choice(
      ["auto", "epoll", "runtime"],
      "auto",
      "How sockets are served: by epoll and system calls, by the runtime, or by epoll where it can be had.",
    ),
    reload: "restart",
  },
  "shutdown_timeout": duration(MINUTE, "How long running transactions get to end after SIGTERM or SIGINT."),
  "shutdown_wait_for": choice(
    ["transactions", "clients"],
    "transactions",
    "Whom SIGTERM waits for: transactions, within shutdown_timeout; or clients, until the last one has left.",
  ),

  "auth": group("Who may connect."),
  "auth.type": choice(
    ["trust", "md5", "scram-sha-256", "cert", "plain", "hba"],
    "scram-sha-256",
    "How a client proves who it is; md5 also accepts SCRAM secrets, as PgBouncer's does; hba: as hba_file says.",
  ),
  "auth.users": map(
    "user",
    0,
    "Users by name: a password, a SCRAM-SHA-256$ or md5 secret, or the keys below.",
  ),
  "auth.users.*": {
    ...group("One user; null for one who needs no password."),
    type: { kind: "group", shorthand: "password" },
  },
  "auth.users.*.password": secret("The password, in clear or as PostgreSQL stores it."),
  "auth.users.*.password_file": file(
    "secret",
    "password",
    "A file that holds the password and nothing else.",
  ),
  "auth.users.*.password_env": env("password", "An environment variable that holds the password."),
  "auth.users_file": file("users", "", "PgBouncer's userlist.txt, or null."),
  "auth.hba_file": file("hba", "hba_text", "Rules in pg_hba.conf's format, for type hba."),
  "auth.ident_file": file("ident", "ident_text", "Which users a certificate may be, for rules with map=."),
  "auth.query": {
    type: { kind: "query" },
    default: NULL,
    reload: "live",
    doc: "Look unknown users up on the cluster: null, true, or SQL in which $1 is the user.",
  },
  "auth.lookup_database": text(
    "any",
    NULL,
    "The database, as a client names it, in which the query is asked; null: each on the cluster it goes to.",
  ),
  "auth.listed_users_only": boolean(
    false,
    "Refuse who is neither in a list nor found by the query, also where type or a rule asks for no password.",
  ),

  "users": map("user", 0, "Pool keys of users, which go before those of an alias."),
  "users.*": group("One user."),
  ...prefixed("users.*.", INHERITED_POOL_ROWS),

  "routing": group("How a database name leads to a cluster."),
  "routing.separator": text(
    "any",
    { kind: "value", value: "@" },
    "Stands between database and cluster: app@main.",
  ),
  "routing.default_cluster": text(
    "name",
    NULL,
    "Cluster of names without the separator, or null to refuse them.",
  ),
  "routing.databases": map(
    "database",
    0,
    "Aliases: database names of their own, which may also set any pool key; * is for names that have none.",
  ),
  "routing.databases.*": group("One alias."),
  "routing.databases.*.cluster": text("name", REQUIRED, "The cluster that the alias leads to."),
  "routing.databases.*.database": text(
    "database",
    { kind: "name" },
    "The database there; the alias's own name if not given.",
  ),
  "routing.databases.*.user": {
    ...text("user", NULL, "As whom all its clients are at the server; each as itself if not given."),
    default: INHERITED,
  },
  "routing.databases.*.password": {
    ...secret("That user's password, where auth.users does not have it."),
    default: INHERITED,
  },
  "routing.databases.*.auth_query": {
    type: { kind: "query" },
    default: INHERITED,
    reload: "live",
    doc: "Looks its clients up in the place of auth.query: null, true, or SQL in which $1 is the user.",
  },
  "routing.databases.*.auth_database": {
    ...text("database", NULL, "Where that is asked; the database of the cluster's superuser if not given."),
    default: INHERITED,
  },
  "routing.databases.*.lookup_database": {
    ...text("any", NULL, "The same as a client names it, in the place of auth.lookup_database."),
    default: INHERITED,
  },
  ...prefixed("routing.databases.*.", INHERITED_POOL_ROWS),

  "clusters": { ...map("name", 1, "Clusters by name."), default: REQUIRED },
  "clusters.*": group("One primary and its standbys."),
  "clusters.*.nodes": {
    type: { kind: "list", entriesMin: 1 },
    default: REQUIRED,
    reload: "live",
    doc: "Its servers.",
  },
  "clusters.*.nodes[]": group("One PostgreSQL server."),
  "clusters.*.nodes[].name": text("name", REQUIRED, "Its name in the console, the log and metrics."),
  "clusters.*.nodes[].host": text(
    "any",
    REQUIRED,
    "A name or address, or a unix socket's folder that begins with /.",
  ),
  "clusters.*.nodes[].port": integer(1, 5432, "Its port; it also names the unix socket.", 65_535),
  "clusters.*.nodes[].priority": integer(
    0,
    100,
    "Of two standbys that have as much, the one with more is promoted.",
    1_000,
  ),
  "clusters.*.nodes[].promote": boolean(true, "Whether it may be promoted."),
  "clusters.*.nodes[].reads": boolean(true, "Whether it serves sessions that only read, as a standby."),
  "clusters.*.nodes[].weight": integer(
    0,
    1,
    "Its share of those beside the other standbys; 0: only where no other one is left.",
    1_000,
  ),
  "clusters.*.failover": choice(
    ["follow", "manual", "auto"],
    "follow",
    "Who moves the primary: others alone; operators by command; pgplex by itself too.",
  ),
  "clusters.*.rejoin": choice(
    ["manual", "sql"],
    "manual",
    "Whether pgplex makes an old primary a standby again, by a program that its server runs.",
  ),
  "clusters.*.supervised": boolean(false, "Whether something else starts the servers when they are stopped."),
  "clusters.*.fence": choice(
    ["off", "sql"],
    "sql",
    "Whether an old primary that answers is made read-only, until it is a standby.",
  ),
  "clusters.*.max_failover_lag": size(
    16 * 1024 ** 2,
    "Asynchronous replication: no standby is promoted by itself that is further behind.",
  ),
  "clusters.*.failover_interval": duration(
    5 * SECOND,
    "So soon behind a failover no other one begins by itself; 0s: no limit.",
  ),
  "clusters.*.sync_wait": duration(
    5 * SECOND,
    "How long clients wait for the new primary to have its synchronous standby.",
  ),
  "clusters.*.switchover_timeout": duration(
    30 * SECOND,
    "How long a switchover waits for transactions, where it does not say otherwise.",
    100,
  ),
  "clusters.*.promote_timeout": duration(
    MINUTE,
    "How long a promotion may take before the log says that it hangs.",
    SECOND,
  ),
  "clusters.*.superuser": {
    ...group("The account pgplex itself uses for probes, failover and look-ups; null for none."),
    type: { kind: "group", nullable: true },
  },
  "clusters.*.superuser.user": text("user", { kind: "value", value: "postgres" }, "Its name."),
  "clusters.*.superuser.password": secret("Its password, or null where the server asks for none."),
  "clusters.*.superuser.password_file": file(
    "secret",
    "password",
    "A file that holds the password and nothing else.",
  ),
  "clusters.*.superuser.password_env": env("password", "An environment variable that holds the password."),
  "clusters.*.superuser.database": text(
    "database",
    { kind: "value", value: "postgres" },
    "The database it connects to.",
  ),
  "clusters.*.tls": group("TLS towards the cluster's nodes."),
  "clusters.*.tls.mode": choice(
    ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
    "prefer",
    "As sslmode of libpq; allow is prefer, as in PgBouncer.",
  ),
  "clusters.*.tls.protocols": choices(TLS_PROTOCOLS, "Versions of TLS that nodes may speak.", {
    silent: ["TLSv1", "TLSv1.1"], // taken for PgBouncer's files, and spoken by nobody
  }),
  "clusters.*.tls.ca_file": file(
    "certificate",
    "ca_pem",
    "Authorities for verify-ca and verify-full; null: the system's.",
  ),
  "clusters.*.tls.cert_file": file("certificate", "cert_pem", "Certificate that pgplex shows to the nodes."),
  "clusters.*.tls.key_file": file("key", "key_pem", "Private key of that certificate, not encrypted."),
  "clusters.*.server_names": texts(
    [],
    "A client that asked for one of these names by TLS (SNI) means this cluster by plain database names.",
  ),
  "clusters.*.pool": group("Pool keys that differ for this cluster."),
  ...prefixed("clusters.*.pool.", INHERITED_POOL_ROWS),

  "pool": group("What holds for each pool; a cluster, and then an alias, may differ."),
  ...prefixed("pool.", POOL_ROWS),

  "balance": group("Which standbys serve sessions that only read (intent = read)."),
  "balance.max_standby_lag": duration(
    10 * SECOND,
    "A standby that is further behind serves nobody; 0s: no limit.",
  ),
  "balance.max_standby_lag_bytes": size(16 * 1024 ** 2, "The same in bytes of WAL; 0: no limit."),
  "balance.read_fallback": choice(
    ["primary", "wait"],
    "primary",
    "Where no standby is fit: the primary serves, or the client waits.",
  ),
  "balance.read_consistency": choice(
    ["session", "eventual"],
    "session",
    "Whether a session that reads on a standby sees what it wrote before.",
  ),
  "balance.read_only_is_read": choice(
    ["on", "off"],
    "off",
    "Whether BEGIN READ ONLY and default_transaction_read_only mean intent = read.",
  ),

  "monitor": group("How pgplex finds out which node is the primary, and how the others are."),
  "monitor.interval": duration(SECOND, "How often each node is asked.", 50),
  "monitor.connect_timeout": duration(2 * SECOND, "How long connecting and logging in may take.", 1),
  "monitor.query_timeout": duration(2 * SECOND, "How long the answer may take.", 1),
  "monitor.failure_timeout": duration(3 * SECOND, "A node that is silent for longer is down.", 100),
  "monitor.failure_confirm": duration(
    300,
    "A node whose port refuses connections is down when it still does after this.",
  ),
  "monitor.primary_start_timeout": duration(
    30 * SECOND,
    "A primary that has been starting for longer is given up, where failover is auto.",
  ),

  ...COORDINATION_ROWS,

  "state_file": text(
    "any",
    NULL,
    "File in which pgplex keeps who is the primary; failover manual and auto need it, or coordination.",
    "restart",
  ),

  "console": group("The management database."),
  "console.database": text("database", { kind: "value", value: "pgplex" }, "Its name.", "restart"),
  "console.aliases": texts(["pgbouncer"], "Further names of it, for exporters that hard-code one."),
  "console.admin_users": texts([], "Users who may change things there."),
  "console.stats_users": texts([], "Users who may only look."),

  "http": nullableGroup("HTTP endpoint for metrics, health and a status page: null, or the keys below."),
  "http.address": text("any", { kind: "value", value: "127.0.0.1" }, "An address; 0.0.0.0 and :: mean all."),
  "http.port": integer(1, 9127, "Its port.", 65_535),
  "http.tls": nullableGroup("TLS: null, or cert_file and key_file."),
  "http.tls.cert_file": file("certificate", "cert_pem", "Certificate chain that is shown.", REQUIRED),
  "http.tls.key_file": file("key", "key_pem", "Private key of the certificate, not encrypted.", REQUIRED),
  "http.public": {
    type: { kind: "texts", entriesMax: 3, values: ["health", "metrics", "status"] },
    default: { kind: "value", value: ["health"] },
    reload: "live",
    doc: "What everybody may see; the rest asks for a user of the console and his password.",
  },
  "http.optional_clusters": texts(
    [],
    "Clusters whose primary may be missing while /health/ready says yes.",
  ),

  "log": group("What is written to the log."),
  "log.level": choice(
    ["trace", "debug", "info", "warning", "error", "fatal"],
    "info",
    "The least urgent that is written.",
  ),
  "log.format": choice(["text", "json"], "text", "Lines for people, or one JSON object each.", "restart"),
  "log.stats_period": duration(MINUTE, "How often the statistics line is written; 0s: never."),
  "log.connections": boolean(false, "A line for each client that logs in."),
  "log.disconnections": boolean(false, "A line for each client that goes, with the reason."),
  "log.pooler_errors": boolean(true, "A line for each error that a client hears of pgplex itself."),
};

/** Every key, parents before their members, in the order of the example file. */
export const SETTINGS: readonly Setting[] = Object.entries(ROWS).map(([path, row]) => ({ path, ...row }));

/** {@link SETTINGS} as a tree. */
export const SETTING_TREE: SettingNode = settingTree(SETTINGS);

/** The rows of a pool with `prefix` before each path. */
function prefixed<Prefix extends string>(
  prefix: Prefix,
  rows: PoolRows,
): Record<`${Prefix}${keyof PoolSettings}`, Row> {
  return Object.fromEntries(Object.entries(rows).map(([key, row]) => [prefix + key, row])) as never;
}
