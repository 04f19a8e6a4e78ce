import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  type PgplexProcess,
  type PostgresNode,
  startPgplex,
  startPostgres,
  tagsOf,
  waitFor,
  WireClient,
} from "../harness/mod.ts";
import { one } from "../harness/served.ts";

/** What PgBouncer's users know of their pooler, and its own tests ask for. */

const PID = "SELECT pg_backend_pid()";

let node: PostgresNode;
Deno.test.beforeAll(async () => {
  node = await startPostgres({ major: 18, auth: "trust" });
});
Deno.test.afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
});

/** A configuration with one cluster of one node, `app` its database, and the console for user postgres. */
function configOf(
  { cluster = {}, app = {}, ...more }: {
    readonly cluster?: Record<string, unknown>;
    readonly app?: Record<string, unknown>;
    readonly [key: string]: unknown;
  } = {},
): Record<string, unknown> {
  return {
    auth: { type: "trust" },
    routing: { databases: { app: { cluster: "main", database: "postgres", ...app } } },
    clusters: { main: { nodes: [{ name: "main-1", host: node.host, port: node.port }], ...cluster } },
    console: { admin_users: ["postgres"] },
    ...more,
  };
}

const connect = (pgplex: PgplexProcess, database = "app", user = "postgres") =>
  WireClient.connect(pgplex, { user, database });

/** Puts a configuration in force. */
async function reload(pgplex: PgplexProcess, config: Record<string, unknown>): Promise<void> {
  const reloads = () => pgplex.log.split("configuration reloaded").length;
  await waitFor(() => pgplex.log.includes("pgplex is ready"), { what: "the first reading" }); // who listens takes no signals yet
  const before = reloads();
  await pgplex.reload(config);
  await waitFor(() => reloads() > before, { what: "the reload" });
}

Deno.test("A reload that changes anything about TLS to servers replaces their connections", async () => {
  const tls = (tls: Record<string, unknown>) => configOf({ cluster: { tls } });
  await using pgplex = await startPgplex({ config: tls({ mode: "prefer" }) });
  await using client = await connect(pgplex);
  let pid = await one(client, PID);
  for (
    const other of [{ mode: "allow" }, { mode: "allow", protocols: ["TLSv1"] }, {
      mode: "allow",
      protocols: ["TLSv1.2", "TLSv1.3"],
    }, { mode: "disable" }]
  ) {
    await reload(pgplex, tls(other));
    const now = await one(client, PID);
    assert.notEqual(now, pid, JSON.stringify(other));
    pid = now;
  }
});

Deno.test("query_timeout ends a statement that waits for a server connection, and one that has waited earlier", async () => {
  const pool = { default_pool_size: 1, query_timeout: "2s" };
  await using pgplex = await startPgplex({ config: configOf({ pool }) });
  await using holder = await connect(pgplex);
  await using client = await connect(pgplex);
  await one(holder, "BEGIN");
  const refused = errorOf(await client.query("SELECT 1"))!;
  assert.deepEqual([refused["S"], refused["C"], refused["M"]], [
    "ERROR",
    "57014",
    "canceling statement due to query_timeout",
  ]);
  const sinceMs = performance.now();
  await client.send(frontend.query("SELECT pg_sleep(60)"));
  await client.quiet(1000);
  await one(holder, "COMMIT");
  assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
  const tookMs = performance.now() - sinceMs;
  assert.ok(tookMs >= 2000, `${tookMs} ms`);
  assert.equal(await one(client, "SELECT 1"), "1");
  assert.match(pgplex.log, /pooler error .*canceling statement due to query_timeout/);
});

Deno.test("query_timeout ends a login that waits for its first server connection", async () => {
  const pool = { query_timeout: "1s" };
  await using pgplex = await startPgplex({ config: configOf({ pool }) });
  await node.kill("SIGSTOP");
  try {
    await assert.rejects(connect(pgplex), /57014.*query_timeout/s);
  } finally {
    await node.kill("SIGCONT");
  }
  await using client = await connect(pgplex);
  assert.equal(await one(client, "SELECT 1"), "1");
});

Deno.test("server_fast_close ends sessions in session pooling when their server connection is replaced, behind a transaction", async () => {
  const config = (app: Record<string, unknown>) =>
    configOf({ app: { pool_mode: "session", server_fast_close: true, ...app } });
  await using pgplex = await startPgplex({ config: config({}) });
  await using console = await connect(pgplex, "pgplex");
  const ends: [why: string, replaces: () => Promise<unknown>][] = [
    ["RECONNECT", () => console.query("RECONNECT app")],
    ["a reload", () => reload(pgplex, config({ connect_query: "SET work_mem = '7MB'" }))],
  ];
  for (const [why, replaces] of ends) {
    await using idle = await connect(pgplex);
    await using busy = await connect(pgplex);
    await one(idle, "SELECT 1");
    await one(busy, "BEGIN");
    await replaces();
    const said = errorOf(await idle.closed())!;
    assert.deepEqual([said["S"], said["C"]], ["FATAL", "57P01"], why);
    assert.equal(await one(busy, "SELECT 1"), "1");
    assert.deepEqual(tagsOf(await busy.query("COMMIT")), ["COMMIT"]);
    assert.equal(errorOf(await busy.closed())!["C"], "57P01", why);
  }
  await reload(pgplex, config({ server_fast_close: false }));
  await using stays = await connect(pgplex);
  const pid = await one(stays, PID);
  await console.query("RECONNECT app");
  assert.equal(await one(stays, PID), pid);
});

Deno.test("min_pool_size is kept for an alias with one user for all, from the start on and without a client", async () => {
  await node.sql("CREATE ROLE kept LOGIN; CREATE ROLE other LOGIN");
  const pids = async (user: string) => {
    const rows = await node.sql(`SELECT pid FROM pg_stat_activity WHERE usename = '${user}'`);
    return rows.map(({ pid }) => Number(pid));
  };
  const config = (kept: Record<string, unknown>) => ({
    ...configOf({ app: kept }),
    pool: { min_pool_size: 3, server_idle_timeout: "100ms" },
  });
  await using pgplex = await startPgplex({ config: config({}) });
  await reload(pgplex, config({ user: "kept" }));
  const filled = () => waitFor(async () => (await pids("kept")).length === 3, { what: "three connections" });
  await filled();
  const [first] = await pids("kept");
  await node.sql(`SELECT pg_terminate_backend(${first})`);
  await waitFor(async () => !(await pids("kept")).includes(first!), { what: "its end" });
  await filled();
  await reload(pgplex, config({ user: "other" }));
  await waitFor(async () => (await pids("other")).length === 3, { what: "connections of the other user" });
  await waitFor(async () => (await pids("kept")).length === 0, { what: "the end of those before" });
  await pgplex.stop();
  await using again = await startPgplex({ config: config({ user: "kept" }) });
  await filled();
  await using client = await connect(again);
  assert.ok((await pids("kept")).includes(Number(await one(client, PID))));
});

Deno.test("Statement pooling ends a session behind a transaction that it leaves open, and lends its connection clean", async () => {
  const config = configOf({ app: { pool_mode: "statement", default_pool_size: 1 } });
  await using pgplex = await startPgplex({ config });
  await using client = await connect(pgplex);
  await client.query("CREATE TABLE blocks (n int)");
  assert.deepEqual(tagsOf(await client.query("BEGIN; INSERT INTO blocks VALUES (1); COMMIT")), [
    "BEGIN",
    "INSERT 0 1",
    "COMMIT",
  ]);
  const { parse, bind, execute, sync } = frontend;
  const prepared = (sql: string) => frontend.concat([parse(sql), bind(), execute(), sync()]);
  for (
    const sent of [
      frontend.query("BEGIN"),
      frontend.query("BEGIN; INSERT INTO blocks VALUES (2)"),
      prepared("BEGIN"),
    ]
  ) {
    await using ends = await connect(pgplex);
    await ends.send(sent);
    await ends.send(frontend.query("INSERT INTO blocks VALUES (3)"));
    const messages = await ends.closed();
    const said = errorOf(messages)!;
    assert.deepEqual([said["S"], said["C"], said["M"]], [
      "FATAL",
      "08P01",
      "transaction blocks not allowed in statement pooling mode",
    ]);
    assert.ok(!messages.some(({ type }) => type === "Z"), "it is not told that it may go on");
    assert.equal(await one(client, "SELECT pg_current_xact_id_if_assigned()"), null);
  }
  assert.equal(await one(client, "SELECT string_agg(n::text, ',') FROM blocks"), "1");
  await client.query("DROP TABLE blocks");
});
