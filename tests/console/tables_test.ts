import assert from "node:assert/strict";
import { frontend, rowsOf, waitFor } from "../harness/mod.ts";
import { describedColumns, failure, shown, shownRow, succeed } from "../harness/console_shown.ts";
import { one, Served } from "../harness/served.ts";

/** What SHOW shows: names, order and number of columns are PgBouncer's, pgplex's own at the end. */
const served = new Served({
  setup: "CREATE ROLE watcher LOGIN",
  pools: {
    app: { default_pool_size: 2 },
    sess: { pool_mode: "session" },
    small: { default_pool_size: 1 },
  },
});

/** By command: PgBouncer's columns in order with its types (s text, i int4, q int8, N numeric), and pgplex's own. */
const SOCKET =
  "type:s user:s database:s replication:s state:s addr:s port:i local_addr:s local_port:i connect_time:s " +
  "request_time:s wait:i wait_us:i close_needed:i ptr:s link:s remote_pid:i tls:s application_name:s " +
  "prepared_statements:i id:i";
const BUFFERS = "recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i";
const TOTALS =
  "server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time " +
  "client_parse_count server_parse_count bind_count client_login_count";
const COLUMNS: Record<string, [columns: string, own?: string]> = {
  "VERSION": ["version:s"],
  "DATABASES": [
    "name:s host:s port:i database:s force_user:s pool_size:i min_pool_size:i reserve_pool_size:i " +
    "server_lifetime:i pool_mode:s load_balance_hosts:s max_connections:i current_connections:i " +
    "max_client_connections:i current_client_connections:i paused:i disabled:i",
    "cluster:s",
  ],
  "POOLS": [
    "database:s user:s cl_active:i cl_waiting:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active:i " +
    "sv_active_cancel:i sv_being_canceled:i sv_idle:i sv_used:i sv_tested:i sv_login:i maxwait:i maxwait_us:i " +
    "pool_mode:s load_balance_hosts:s",
    "cl_pinned:i cluster:s paused:i node:s",
  ],
  "CLIENTS": [SOCKET, "tag:s node:s"],
  "SERVERS": [SOCKET, "node:s"],
  "SOCKETS": [`${SOCKET} ${BUFFERS}`],
  "ACTIVE_SOCKETS": [`${SOCKET} ${BUFFERS}`],
  "STATS": [
    "database:s total_server_assignment_count:N total_xact_count:N total_query_count:N total_received:N " +
    "total_sent:N total_xact_time:N total_query_time:N total_wait_time:N total_client_parse_count:N " +
    "total_server_parse_count:N total_bind_count:N total_client_login_count:N avg_server_assignment_count:N " +
    "avg_xact_count:N avg_query_count:N avg_recv:N avg_sent:N avg_xact_time:N avg_query_time:N avg_wait_time:N " +
    "avg_client_parse_count:N avg_server_parse_count:N avg_bind_count:N avg_client_login_count:N",
  ],
  "STATS_TOTALS": [`database:s ${TOTALS.replace(/\w+/g, "$&:N")}`],
  "STATS_AVERAGES": [
    "database:s server_assignment_count:N xact_count:N query_count:N bytes_received:N bytes_sent:N xact_time:N " +
    "query_time:N wait_time:N avg_client_parse_count:N avg_server_parse_count:N avg_bind_count:N " +
    "avg_client_login_count:N",
  ],
  "TOTALS": ["name:s value:N"],
  "LISTS": ["list:s items:i"],
  "USERS": [
    "name:s pool_size:s reserve_pool_size:s pool_mode:s max_user_connections:i current_connections:i " +
    "max_user_client_connections:i current_client_connections:i",
  ],
  "CONFIG": ["key:s value:s default:s changeable:s"],
  "STATE": ["key:s value:s"],
  "MEM": ["name:s size:i used:i free:i memtotal:q"],
  "PEERS": ["peer_id:i host:s port:i pool_size:i"],
  "PEER_POOLS": [
    "peer_id:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active_cancel:i sv_login:i",
  ],
  "DNS_HOSTS": ["hostname:s ttl:q addrs:s"],
  "DNS_ZONES": ["zonename:s serial:q count:i"],
  "CLUSTERS": [
    "name:s primary:s nodes:i epoch:q databases:i pools:i sessions:i waiting:i servers:i phase:s up:i timeline:i " +
    "system:s",
  ],
  "NODES": [
    "cluster:s node:s host:s port:i role:s health:s stale:b timeline:i lsn:s lag_bytes:q lag_ms:q slots_used:i " +
    "slots_max:i pools:i servers:i leases:i latency_ms:i since:s reads:b weight:i disabled:b version:i reason:s " +
    "condition:s",
  ],
  "INSTANCES": ["id:i name:s address:s version:s leader:b lease_ms:q since:s here:b"],
  "PINS": ["session:i user:s database:s reason:s since:s statement:s"],
  "PROBES": ["cluster:s database:s fingerprint:s state:s runs:q probes:q hits:q text:s"],
  "LISTENERS": ["channel:s cluster:s database:s user:s sessions:i node:s encoding:s state:s pid:i since:s"],
};
const OIDS: Record<number, string> = { 16: "b", 20: "q", 23: "i", 25: "s", 1700: "N" };

for (const [command, [columns, own]] of Object.entries(COLUMNS)) {
  Deno.test(`SHOW ${command} has PgBouncer's columns, in order and with their types`, async () => {
    await using console = await served.client("pgplex");
    await using client = await served.client("app");
    await one(client, "SELECT 1");
    const messages = await succeed(console, `SHOW ${command}`);
    const header = messages.find(({ type }) => type === "T")!;
    const described = describedColumns(header).map(({ name, oid }) => `${name}:${OIDS[oid] ?? "?"}`);
    assert.equal(described.join(" "), own === undefined ? columns : `${columns} ${own}`);
    assert.equal(messages.find(({ type }) => type === "C")!.tag, "SHOW");
    const count = header.columns!.length;
    for (const row of rowsOf(messages)) assert.equal(row.length, count);
  });
}

Deno.test("SHOW FDS is refused, and SHOW HELP is a NOTICE with every command", async () => {
  await using console = await served.client("pgplex");
  assert.match(await failure(console, "SHOW FDS"), /^0A000 /);
  const messages = await succeed(console, "SHOW HELP");
  const { fields } = messages.find(({ type }) => type === "N")!;
  assert.deepEqual([fields!["S"], fields!["C"], fields!["M"]], ["NOTICE", "00000", "Console usage"]);
  for (const word of ["POOLS", "PINS", "PAUSE [<db>]", "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]"]) {
    assert.ok(fields!["D"]!.includes(word), `${word} in ${fields!["D"]}`);
  }
});

Deno.test("ptr and link join clients and the server connections that they hold", async () => {
  await using console = await served.client("pgplex");
  await using busy = await served.client("app", { application_name: "busy" });
  await using idle = await served.client("app", { application_name: "idle" });
  await one(idle, "SELECT 1");
  await one(busy, "BEGIN");
  const pid = await one(busy, "SELECT pg_backend_pid()");
  const client = await shownRow(console, "SHOW CLIENTS", "application_name", "busy");
  const server = await shownRow(console, "SHOW SERVERS", "remote_pid", pid!);
  assert.deepEqual([client["link"], client["ptr"]], [server["ptr"], server["link"]]);
  assert.deepEqual([client["state"], server["state"], client["wait"]], ["active", "active", "0"]);
  assert.match(client["connect_time"]!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
  assert.deepEqual([client["type"], server["type"], client["replication"]], ["C", "S", "none"]);
  assert.equal(client["local_port"], String(served.pgplex.port));
  // Its server connection may still have to be looked at.
  const resting = await waitFor(async () => {
    const row = await shownRow(console, "SHOW CLIENTS", "application_name", "idle");
    return row["link"] === "" ? row : null;
  }, { what: "the idle client to rest" });
  assert.equal(resting["state"], "idle");
  const ids = (await shown(console, "SHOW CLIENTS")).map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  await one(busy, "ROLLBACK");
});

Deno.test("Who waits is seen in SHOW POOLS, SHOW CLIENTS and SHOW ACTIVE_SOCKETS", async () => {
  await using console = await served.client("pgplex");
  await using holder = await served.client("small");
  await using waiter = await served.client("small", { application_name: "waiter" });
  await one(holder, "BEGIN");
  const waiting = one(waiter, "SELECT 'served'");
  await waitFor(
    async () => Number((await shownRow(console, "SHOW POOLS", "database", "small"))["maxwait_us"]) > 0,
    { what: "the wait to be seen" },
  );
  const pool = await shownRow(console, "SHOW POOLS", "database", "small");
  assert.deepEqual([pool["cl_active"], pool["cl_waiting"], pool["sv_active"]], ["1", "1", "1"]);
  const client = await shownRow(console, "SHOW CLIENTS", "application_name", "waiter");
  assert.equal(client["state"], "waiting");
  assert.ok(Number(client["wait_us"]) > 0);
  assert.equal(
    (await shownRow(console, "SHOW ACTIVE_SOCKETS", "application_name", "waiter"))["state"],
    "cl_waiting",
  );
  await one(holder, "COMMIT");
  assert.equal(await waiting, "served");
});

Deno.test("Databases, pools, lists and users count what is there, and the console among them", async () => {
  await using console = await served.client("pgplex");
  await using plain = await served.client("postgres");
  await one(plain, "SELECT 1");
  const databases = await shown(console, "SHOW DATABASES");
  const names = databases.map(({ name }) => name);
  for (const name of ["app", "sess", "small", "postgres", "pgplex"]) {
    assert.ok(names.includes(name), name);
  }
  assert.equal(new Set(names).size, names.length);
  const sess = databases.find(({ name }) => name === "sess")!;
  assert.deepEqual([sess["pool_mode"], sess["database"], sess["cluster"]], ["session", "postgres", "main"]);
  assert.deepEqual([sess["host"], sess["port"]], ["127.0.0.1", String(served.node.port)]);
  assert.equal(databases.find(({ name }) => name === "app")!["pool_size"], "2");
  assert.equal(databases.find(({ name }) => name === "app")!["pool_mode"], null);
  const pools = await shown(console, "SHOW POOLS");
  const keys = pools.map(({ database, user }) => `${database} ${user}`);
  assert.equal(new Set(keys).size, keys.length);
  const own = pools.find(({ database }) => database === "pgplex")!;
  assert.deepEqual([own["user"], own["cl_active"], own["pool_mode"]], ["pgplex", "1", "statement"]);
  const lists = Object.fromEntries((await shown(console, "SHOW LISTS")).map((r) => [r["list"]!, r["items"]]));
  assert.deepEqual(
    [lists["databases"], lists["pools"], lists["login_clients"]],
    [String(names.length), String(keys.length), "0"],
  );
  assert.equal(lists["used_clients"], String((await shown(console, "SHOW CLIENTS")).length));
  assert.equal(lists["used_servers"], String((await shown(console, "SHOW SERVERS")).length));
  const user = await shownRow(console, "SHOW USERS", "name", "postgres");
  assert.ok(Number(user["current_client_connections"]) >= 2);
});

Deno.test("SHOW CONFIG has pgplex's settings under PgBouncer's keys", async () => {
  await using console = await served.client("pgplex");
  const config = new Map((await shown(console, "SHOW CONFIG")).map((row) => [row["key"]!, row]));
  assert.deepEqual(config.get("max_client_conn"), {
    key: "max_client_conn",
    value: "10000",
    default: "10000",
    changeable: "yes",
  });
  assert.deepEqual(
    [
      "query_wait_timeout",
      "pool_mode",
      "listen_port",
      "admin_users",
      "max_user_connections",
      "client_tls_sslmode",
    ]
      .map((key) => config.get(key)!["value"]),
    ["120", "transaction", String(served.pgplex.port), "postgres", "0", ""],
  );
  assert.equal(config.get("listen_port")!["changeable"], "no");
  const keys = [...config.keys()];
  assert.deepEqual(keys, keys.toSorted());
});

Deno.test("SHOW STATE of a session shows its settings, and how its server connection's differ", async () => {
  await using console = await served.client("pgplex");
  await using client = await served.client("app", { application_name: "stateful" });
  await one(client, "SET work_mem = '7MB'");
  await one(client, "PREPARE p AS SELECT 1");
  await waitFor(
    async () =>
      (await shownRow(console, "SHOW CLIENTS", "application_name", "stateful"))["prepared_statements"] ===
        "1",
    { what: "the statement to be known" },
  );
  const { id } = await shownRow(console, "SHOW CLIENTS", "application_name", "stateful");
  const find = async (name: string) => await shownRow(console, `SHOW STATE ${id}`, "name", name);
  await waitFor(async () => (await find("state"))["session"] === "idle", { what: "the lease to end" });
  const setting = await find("work_mem");
  assert.deepEqual(
    [setting["kind"], setting["session"], setting["server"], setting["differs"]],
    ["setting", "7MB", null, null],
  );
  await one(client, "BEGIN");
  const held = await find("work_mem");
  assert.deepEqual([held["server"], held["differs"]], ["7MB", "f"]);
  assert.equal((await find("state"))["server"], "in transaction");
  assert.equal((await find("prepared_statements"))["session"], "1");
  const row = async (kind: string) =>
    (await shown(console, `SHOW STATE ${id}`)).filter((row) => row["kind"] === kind).map((row) =>
      [row["name"], row["session"], row["differs"]].join()
    );
  assert.deepEqual(await row("statement"), ["p,PREPARE,f"]);
  await client.send(frontend.parse("SELECT 2", { name: "q" }), frontend.sync());
  await client.readUntil("Z");
  assert.deepEqual((await row("statement")).sort(), ["p,PREPARE,f", "q,Parse,f"]);
  await one(client, "ROLLBACK");
  assert.deepEqual((await row("statement")).sort(), ["p,PREPARE,", "q,Parse,"]);
  await one(client, "LISTEN news");
  await waitFor(async () => (await row("channel")).join() === "news,LISTEN,", { what: "the channel" });
  assert.match(await failure(console, "SHOW STATE 999999"), /^42704 session 999999 does not exist/);
});

Deno.test("SHOW PROBES shows statements without their literals, and what pgplex holds of them", async () => {
  await using console = await served.client("pgplex");
  await using client = await served.client("app");
  const probe = async (pattern: RegExp) =>
    (await shown(console, "SHOW PROBES")).find(({ text }) => pattern.test(text!));
  const probed = (pattern: RegExp, times: number) =>
    waitFor(async () => Number((await probe(pattern))?.["probes"]) >= times, { what: "the probe" });
  for (let i = 0; i < 6; i++) {
    await one(client, `SELECT ${i} + 4711 AS a_secret_number, 'a-secret-text'`);
    await probed(/a_secret_number/, Math.min(i + 1, 3));
  }
  assert.equal((await probe(/a_secret_number/))!["state"], "trusted");
  for (let i = 1; i <= 2; i++) {
    await one(client, "SET maintenance_work_mem = '9MB'");
    await probed(/^SET maintenance/, i);
  }
  const trusted = (await probe(/a_secret_number/))!;
  assert.deepEqual(
    [trusted["runs"], trusted["hits"], trusted["database"], trusted["text"]],
    ["6", "0", "postgres", "SELECT ? + ? AS a_secret_number, ?"],
  );
  await waitFor(async () => Number((await probe(/^SET maintenance/))?.["probes"]) === 2, {
    what: "the probes",
  });
  assert.deepEqual(
    [(await probe(/^SET maintenance/))!["state"], (await probe(/^SET maintenance/))!["hits"]],
    [
      "stateful",
      "1",
    ],
  );
  const all = JSON.stringify(await shown(console, "SHOW PROBES"));
  assert.doesNotMatch(all, /4711|a-secret-text|9MB/);
});

Deno.test("A session that speaks a replication protocol is a client and a server of its own", async () => {
  await using console = await served.client("pgplex");
  const walker = await served.client("app", { replication: "true", application_name: "walker" });
  const client = await shownRow(console, "SHOW CLIENTS", "application_name", "walker");
  assert.deepEqual([client["replication"], client["database"]], ["physical", "app"]);
  const server = await shownRow(console, "SHOW SERVERS", "ptr", client["link"]!);
  assert.deepEqual([server["link"], server["replication"]], [client["ptr"], "physical"]);
  await succeed(console, `KILL_CLIENT ${client["id"]}`);
  await walker.closed();
  await walker.close();
});

Deno.test("SHOW LISTENERS shows a channel with its sessions and the connection that listens, until nobody does", async () => {
  await using console = await served.client("pgplex");
  await using first = await served.client("app");
  await using second = await served.client("app");
  for (const client of [first, second]) await one(client, 'LISTEN "a channel"');
  const rows = async () => rowsOf(await succeed(console, "SHOW LISTENERS"));
  await waitFor(async () => (await rows())[0]?.[4] === "2", { what: "both sessions to be handed over" });
  const [[channel, cluster, database, user, , node, encoding, state, pid]] = await rows() as [string[]];
  assert.deepEqual([channel, cluster, database, user, node, encoding, state], [
    "a channel",
    "main",
    "postgres",
    "postgres",
    "main-1",
    "UTF8",
    "up",
  ]);
  assert.match(pid!, /^\d+$/);
  for (const client of [first, second]) await one(client, "UNLISTEN *");
  await waitFor(async () => (await rows()).length === 0, { what: "the channel to go" });
});
