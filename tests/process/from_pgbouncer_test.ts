import assert from "node:assert/strict";
import {
  accepts,
  Daemon,
  freePort,
  giveTo,
  makeCerts,
  pgplexCommand,
  psql,
  startPgplex,
  startPostgres,
  tempDir,
  unprivilegedUser,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { findPgBouncer } from "../bench/targets.ts";

/** Settings that PgBouncer 1.18 of Debian 12 knows, besides those that say where things are. */
const SETTINGS = `
auth_type = hba
auth_user = asks
auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = $1
pool_mode = transaction
max_client_conn = 50
default_pool_size = 3
min_pool_size = 0
reserve_pool_size = 1
reserve_pool_timeout = 2
max_db_connections = 8
max_user_connections = 7
server_round_robin = 0
ignore_startup_parameters = extra_float_digits, options
disable_pqexec = 0
application_name_add_host = 0
autodb_idle_timeout = 3600
log_connections = 1
log_disconnections = 1
log_pooler_errors = 1
log_stats = 0
stats_period = 30
verbose = 0
admin_users = boss
stats_users = watcher
server_reset_query = DISCARD ALL
server_reset_query_always = 0
server_check_delay = 10
server_check_query = select 1
server_fast_close = 0
server_lifetime = 600
server_idle_timeout = 60
server_connect_timeout = 5
server_login_retry = 1
client_login_timeout = 10
query_timeout = 30
query_wait_timeout = 20
client_idle_timeout = 0
idle_transaction_timeout = 1
suspend_timeout = 10
client_tls_sslmode = allow
client_tls_protocols = secure
client_tls_ciphers = fast
client_tls_ecdhcurve = auto
client_tls_dheparams = auto
server_tls_sslmode = disable
server_tls_protocols = secure
server_tls_ciphers = fast
dns_max_ttl = 15
dns_nxdomain_ttl = 15
dns_zone_check_period = 0
pkt_buf = 4096
max_packet_size = 2147483647
listen_backlog = 128
sbuf_loopcnt = 5
so_reuseport = 0
tcp_defer_accept = 0
tcp_socket_buffer = 0
tcp_keepalive = 1
tcp_keepcnt = 0
tcp_keepidle = 0
tcp_keepintvl = 0
tcp_user_timeout = 0
syslog = 0
syslog_ident = pgbouncer
syslog_facility = daemon
`;

Deno.test("pgplex import makes a pgplex that gives the same clients the same answers as PgBouncer", async (t) => {
  const bouncer = await findPgBouncer();
  if (bouncer === null) throw new Error("This test needs PgBouncer (Debian and Ubuntu: pgbouncer)");
  await using node = await startPostgres({ major: 15, auth: "scram-sha-256" });
  for (
    const sql of [
      "CREATE ROLE asks SUPERUSER LOGIN PASSWORD 'of-asks'",
      "CREATE ROLE alice LOGIN PASSWORD 'of-alice'",
      "CREATE ROLE looked LOGIN PASSWORD 'of-looked'",
      "CREATE ROLE outcast LOGIN PASSWORD 'of-outcast'",
      "CREATE ROLE shared LOGIN PASSWORD 'of-shared'",
      "CREATE DATABASE other",
    ]
  ) await node.sql(sql);
  await using certs = await makeCerts();
  await using dir = await tempDir();
  const at = (name: string) => `${dir.path}/${name}`;
  const [bouncerPort, pgplexPort] = [freePort(), freePort()];
  const dropTo = await unprivilegedUser();
  const users = ["asks", "alice", "outcast", "boss", "watcher"].map((name) => `"${name}" "of-${name}"`);
  const server = `host=${node.host} port=${node.port}`;
  const files: Record<string, string> = {
    "userlist.txt": `${users.join("\n")}\n`,
    "hba.conf": "host all outcast 0.0.0.0/0 reject\nhostssl tls all 127.0.0.1/32 scram-sha-256\n" +
      "host tls all 0.0.0.0/0 reject\nhost all all 127.0.0.0/8 md5\n",
    "more.ini": SETTINGS,
    "bouncer.ini": `[databases]
app = ${server} dbname=postgres pool_size=2 connect_query='SET work_mem = ''7MB'''
forced = ${server} dbname=other user=shared password=of-shared
tls = ${server} dbname=postgres
* = ${server}
[users]
alice = pool_mode=session max_user_connections=5
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${bouncerPort}
unix_socket_dir =
auth_file = ${at("userlist.txt")}
auth_hba_file = ${at("hba.conf")}
client_tls_cert_file = ${certs.server.certFile}
client_tls_key_file = ${certs.server.keyFile}
logfile = ${at("bouncer.log")}
pidfile = ${at("bouncer.pid")}
${dropTo === null ? "" : `user = ${dropTo.name}`}
%include ${at("more.ini")}
`,
  };
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(at(name), text);
  const [command, ...args] = pgplexCommand();
  const made = await new Deno.Command(command, { args: [...args, "import", at("bouncer.ini")] }).output();
  const yaml = new TextDecoder().decode(made.stdout);
  assert.equal(made.code, 0, new TextDecoder().decode(made.stderr));
  for (const key of SETTINGS.trim().split("\n").map((line) => line.split(" = ")[0]!)) {
    if (LEFT.includes(key)) assert.match(yaml, new RegExp(`# ${key} = `), key);
  }
  await giveTo(dropTo, dir.path);
  await giveTo(dropTo, certs.dir);
  await using _bouncer = await Daemon.start({
    what: "PgBouncer",
    command: bouncer.path,
    args: [at("bouncer.ini")],
    dir: dir.path,
    ready: () => accepts(bouncerPort),
  });
  await using pgplex = await startPgplex({
    config: yaml.replace(`port: ${bouncerPort}`, `port: ${pgplexPort}`),
  });

  /** What psql prints, and whether it could connect and run. */
  const ask = async (
    port: number,
    user: string,
    database: string,
    sql: string,
    env: Record<string, string> = {},
  ) => {
    const connection = { host: "127.0.0.1", port, user, password: `of-${user}`, database };
    const { code, stdout } = await psql(["-At", "-v", "ON_ERROR_STOP=1", "-c", sql], {
      connection,
      env: { PGSSLMODE: "disable", ...env },
    });
    return { ok: code === 0, stdout };
  };
  const cases: [what: string, user: string, database: string, sql: string, env?: Record<string, string>][] = [
    // First, as PgBouncer's server_reset_query takes it back behind the first session.
    ["connect_query", "alice", "app", "SHOW work_mem"],
    ["an alias with its own database", "alice", "app", "SELECT current_user, current_database()"],
    ["a forced user", "alice", "forced", "SELECT current_user, current_database()"],
    ["the line for all other names", "alice", "other", "SELECT current_database()"],
    ["a database that the server does not have", "alice", "nowhere", "SELECT 1"],
    ["a user that auth_query finds", "looked", "app", "SELECT current_user"],
    ["a user that nobody knows", "nobody", "app", "SELECT 1"],
    ["a user that the hba file rejects", "outcast", "app", "SELECT 1"],
    ["TLS where the hba file asks for it", "alice", "tls", "SELECT 1", { PGSSLMODE: "require" }],
    ["no TLS where the hba file asks for it", "alice", "tls", "SELECT 1"],
    ["a startup parameter", "alice", "app", "SELECT 1.0::float8 / 3", {
      PGOPTIONS: "-c extra_float_digits=0",
    }],
    ["an administrator in the console", "boss", "pgbouncer", "RELOAD"],
    ["a watcher, who may look", "watcher", "pgbouncer", "SHOW VERSION"],
    ["a watcher, who may not change", "watcher", "pgbouncer", "PAUSE"],
    ["somebody else in the console", "alice", "pgbouncer", "SHOW VERSION"],
  ];
  for (const [what, user, database, sql, env] of cases) {
    await t.step(what, async () => {
      const [there, here] = await Promise.all(
        [bouncerPort, pgplexPort].map((port) => ask(port, user, database, sql, env)),
      );
      // PgBouncer leaves options out that it is told to ignore; here they have their effect.
      if (what === "a startup parameter") assert.deepEqual([there!.ok, here!.ok], [true, true]);
      else if (database === "pgbouncer" && sql.startsWith("SHOW")) assert.equal(here!.ok, there!.ok);
      else assert.deepEqual(here, there);
    });
  }
  await t.step("the console names the same databases", async () => {
    const names = async (port: number, console: string) => {
      const { stdout } = await ask(port, "boss", "pgbouncer", "SHOW DATABASES");
      return stdout.trim().split("\n").map((row) => row.split("|")[0]!)
        .filter((name) => !["pgbouncer", console, "nowhere"].includes(name)).sort();
    };
    const [there, here] = [await names(bouncerPort, "pgbouncer"), await names(pgplexPort, "pgplex")];
    // The account that looks users up has a pool of its own here.
    assert.deepEqual(here.filter((name) => !name.includes("@")), there);
  });
  await t.step("a transaction that waits for its client for too long ends", async () => {
    for (const port of [bouncerPort, pgplexPort]) {
      const login = { user: "alice", password: "of-alice", database: "app" };
      await using client = await WireClient.connect({ host: "127.0.0.1", port }, login);
      await client.query("BEGIN");
      await client.closed();
    }
    for (
      const line of [/pooler error.*idle_transaction_timeout/, /client disconnected.*alice.*127\.0\.0\.1:\d+/]
    ) {
      await waitFor(() => line.test(pgplex.log), { what: String(line) });
    }
  });
});

/** Settings of those above that a comment stands for. */
const LEFT = [
  "server_round_robin",
  "ignore_startup_parameters",
  "server_reset_query",
  "pkt_buf",
  "syslog",
  "suspend_timeout",
];
