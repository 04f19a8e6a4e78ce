import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  psql,
  rowsOf,
  tagsOf,
  typesOf,
  waitFor,
  type WireClient,
  type WireMessage,
} from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, describe, execute, extendedQuery, parse, query, sync } = frontend;

const served = new Served({
  pools: {
    one: { default_pool_size: 1 },
    two: { default_pool_size: 2 },
    session: { default_pool_size: 4, pool_mode: "session" },
    forbidden: { default_pool_size: 1, options_allowed: ["tag"] },
    refuse: { default_pool_size: 2, pin_policy: "refuse" },
  },
});

const codeOf = (messages: WireMessage[]) => errorOf(messages)?.["C"] ?? null;
const show = (client: WireClient, name: string) => one(client, `SHOW pgplex.${name}`);

/** Whether another client of the same pool of one gets a server connection while `client` is idle. */
async function keepsItsConnection(client: WireClient, alias: "one"): Promise<boolean> {
  await one(client, "SELECT 1");
  await using other = await served.client(alias, { "pgplex.query_wait_timeout": "300ms" });
  return codeOf(await other.query("SELECT 1")) === "53300";
}

for (const alias of ["one", "session"]) {
  Deno.test(`SET, SHOW and RESET of an option hold, and follow the transaction, in a pool like ${alias}`, async () => {
    await using client = await served.client(alias);
    assert.equal(await show(client, "query_timeout"), "0s");
    assert.equal(await show(client, "intent"), "write");
    assert.deepEqual(tagsOf(await client.query("SET pgplex.query_timeout = '5s'")), ["SET"]);
    assert.equal(await show(client, "query_timeout"), "5s");
    await one(client, "BEGIN");
    await one(client, "SET pgplex.query_timeout TO '7s'");
    assert.equal(await show(client, "query_timeout"), "7s");
    await one(client, "SAVEPOINT s");
    await one(client, "SET pgplex.query_timeout TO '8s'");
    await one(client, "ROLLBACK TO s");
    assert.equal(await show(client, "query_timeout"), "7s");
    await one(client, "ROLLBACK");
    assert.equal(await show(client, "query_timeout"), "5s");
    await one(client, "BEGIN; SET LOCAL pgplex.query_timeout TO '9s'");
    await one(client, "COMMIT");
    assert.equal(await show(client, "query_timeout"), "5s");
    await one(client, "BEGIN; SET pgplex.query_timeout TO '6s'; COMMIT");
    assert.equal(await show(client, "query_timeout"), "6s");
    await one(client, "RESET pgplex.query_timeout");
    assert.equal(await show(client, "query_timeout"), "0s");
    await one(client, `set session "pgplex"."intent" to READ;`);
    assert.equal(await show(client, "intent"), "read");
    await one(client, "SET pgplex.intent TO DEFAULT");
    assert.equal(await show(client, "intent"), "write");
    await one(client, "SET pgplex.tag = 'it''s a tag'");
    assert.equal(await show(client, "tag"), "it's a tag");
    await one(client, "RESET ALL");
    assert.equal(await show(client, "tag"), "");
  });
}

Deno.test("SHOW of an option works by the extended protocol, prepared, and the column has the option's name", async () => {
  await using client = await served.client("two");
  for (const name of ["", "named"]) {
    await client.send(
      parse("SHOW pgplex.pool_mode", { name }),
      describe("S", name),
      bind({ statement: name }),
      execute(),
      sync(),
    );
    const messages = await client.readUntil("Z");
    assert.equal(typesOf(messages), "1tT2DCZ");
    assert.deepEqual(rowsOf(messages), [["transaction"]]);
  }
  await one(client, "SET pgplex.pool_mode = session");
  await client.send(bind({ statement: "named" }), execute(), sync());
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["session"]]);
  const { stdout } = await psql(["-c", "SHOW pgplex.state_check"], { connection: served.connection("two") });
  assert.match(stdout, /^ pgplex\.state_check \n-+\n learn\n\(1 row\)/);
});

Deno.test("An option that does not exist, a value that it does not take, and one that is forbidden are errors at once", async () => {
  await using client = await served.client("two");
  let error = errorOf(await client.query("SET pgplex.pool_mod = session"))!;
  assert.deepEqual([error["C"], error["M"], error["H"]], [
    "42704",
    'unrecognized configuration parameter "pgplex.pool_mod"',
    'Perhaps you meant "pgplex.pool_mode".',
  ]);
  error = errorOf(await client.query("SET pgplex.query_timeout = 5"))!;
  assert.deepEqual([error["C"], error["M"]], [
    "22023",
    'invalid value for parameter "pgplex.query_timeout": "5"',
  ]);
  assert.equal(codeOf(await client.query("SHOW pgplex.nothing")), "42704");
  // In a transaction they abort it, as any error.
  await one(client, "BEGIN");
  assert.equal(codeOf(await client.query("SET pgplex.intent = maybe")), "22023");
  assert.equal(codeOf(await client.query("SELECT 1")), "25P02");
  await one(client, "ROLLBACK");
  // By the extended protocol the batch fails there.
  await client.send(extendedQuery("SET pgplex.intent = maybe"), extendedQuery("SELECT 1"));
  assert.equal(codeOf(await client.readUntil("Z")), "22023");
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["1"]]);

  await using forbidden = await served.client("forbidden");
  error = errorOf(await forbidden.query("SET pgplex.pool_mode = session"))!;
  assert.deepEqual([error["C"], error["M"]], [
    "42501",
    'permission denied to set parameter "pgplex.pool_mode"',
  ]);
  assert.equal(await show(forbidden, "pool_mode"), "transaction");
  await one(forbidden, "SET pgplex.tag = x");
});

Deno.test("Options in the connection string hold from the start, and are what RESET goes back to", async () => {
  for (
    const params of [
      { options: "-c pgplex.query_timeout=3s -c work_mem=5MB" },
      { options: "--pgplex.query-timeout=3s  -cwork_mem=5MB" },
      { "pgplex.query_timeout": "3s", options: "-c work_mem=5MB" },
    ] as Record<string, string>[]
  ) {
    await using client = await served.client("two", params);
    assert.equal(await show(client, "query_timeout"), "3s");
    assert.equal(await one(client, "SHOW work_mem"), "5MB");
    await one(client, "SET pgplex.query_timeout = '4s'");
    assert.equal(await show(client, "query_timeout"), "4s");
    await one(client, "RESET pgplex.query_timeout");
    assert.equal(await show(client, "query_timeout"), "3s");
    // The server hears nothing of them, so sessions with different ones share connections.
    assert.equal(await one(client, "SELECT current_setting('pgplex.intent', true)"), null);
  }
  for (
    const [params, code] of [
      [{ options: "-c pgplex.nothing=1" }, "42704"],
      [{ "pgplex.pool_mode": "sometimes" }, "22023"],
    ] as [Record<string, string>, string][]
  ) {
    await assert.rejects(served.client("two", params), (error: Error) => error.message.includes(code));
  }
  await assert.rejects(
    served.client("forbidden", { "pgplex.pool_mode": "session" }),
    (error: Error) => error.message.includes("42501"),
  );
});

Deno.test("pgplex.pool_mode=session keeps the server connection, by connection string, SET and directive", async () => {
  {
    await using client = await served.client("one", { "pgplex.pool_mode": "session" });
    assert.equal(await show(client, "pool_mode"), "session");
    assert.equal(await keepsItsConnection(client, "one"), true);
    assert.equal(codeOf(await client.query("SET pgplex.pool_mode = transaction")), "55P02");
  }
  await using client = await served.client("one");
  assert.equal(await keepsItsConnection(client, "one"), false);
  await one(client, "SET pgplex.pool_mode = session");
  assert.equal(await keepsItsConnection(client, "one"), true);
  await one(client, "RESET pgplex.pool_mode");
  assert.equal(await keepsItsConnection(client, "one"), false);
  await one(client, "--!pgplex session pool_mode=session\nSELECT 1");
  assert.equal(await show(client, "pool_mode"), "session");
  assert.equal(await keepsItsConnection(client, "one"), true);
  await one(client, "--!pgplex session pool_mode=transaction\nSELECT 1");
  assert.equal(await keepsItsConnection(client, "one"), false);
});

Deno.test("pin keeps the server connection until unpin", async () => {
  await using client = await served.client("one");
  await one(client, "--!pgplex pin\nSELECT 1");
  assert.equal(await keepsItsConnection(client, "one"), true);
  const session = new Map(rowsOf(await client.query("--!pgplex show session")) as [string, string][]);
  assert.equal(session.get("pins"), "directive");
  assert.equal(typesOf(await client.query("/* mine */ --!pgplex unpin")), "IZ");
  assert.equal(await keepsItsConnection(client, "one"), false);
});

Deno.test("timeout cancels one statement, and neither the next one nor the session", async () => {
  for (const alias of ["two", "session"]) {
    await using client = await served.client(alias);
    const error = errorOf(await client.query("--!pgplex timeout=200ms\nSELECT pg_sleep(30)"))!;
    assert.deepEqual([error["S"], error["C"], error["M"]], [
      "ERROR",
      "57014",
      "canceling statement due to query_timeout",
    ]);
    await one(client, "SELECT pg_sleep(0.4)");
    await one(client, "--!pgplex timeout=30s\nSELECT 1");
    // A prepared statement's directive holds each time that it runs.
    await client.send(parse("/*!pgplex query_timeout=200ms*/ SELECT pg_sleep($1)", { name: "s" }), sync());
    await client.readUntil("Z");
    if (alias === "session") continue;
    for (const [seconds, code] of [["30", "57014"], ["0", null], ["30", "57014"]] as const) {
      await client.send(bind({ statement: "s", values: [seconds] }), execute(), sync());
      assert.equal(codeOf(await client.readUntil("Z")), code);
    }
  }
});

Deno.test("query_timeout for the transaction and for the session holds for each statement", async () => {
  await using client = await served.client("two");
  await one(client, "BEGIN");
  assert.equal(
    codeOf(await client.query("--!pgplex transaction timeout=200ms\nSELECT pg_sleep(30)")),
    "57014",
  );
  await one(client, "ROLLBACK");
  await one(client, "SET pgplex.query_timeout = '1s'");
  assert.equal(codeOf(await client.query("SELECT pg_sleep(30)")), "57014");
  // Idle in a transaction is no statement.
  await one(client, "BEGIN");
  await client.quiet(2500);
  assert.equal(await one(client, "SELECT 'still here'"), "still here");
  await one(client, "COMMIT");
});

Deno.test("query_wait_timeout of a statement holds while it waits", async () => {
  await using holder = await served.client("one");
  await using client = await served.client("one");
  await one(holder, "BEGIN");
  const error = errorOf(await client.query("--!pgplex query_wait_timeout=100ms\nSELECT 1"))!;
  assert.deepEqual([error["C"], error["D"]], ["53300", "The limit is 100 ms."]);
  await client.send(extendedQuery("--!pgplex query_wait_timeout=100ms\nSELECT 1"));
  assert.equal(codeOf(await client.readUntil("Z")), "53300");
  await client.send(query("SELECT 'waited longer'"));
  await client.quiet(300);
  await one(holder, "COMMIT");
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["waited longer"]]);
});

Deno.test("pin_policy refuse ends the session that would have to be pinned, and nobody else", async () => {
  await using other = await served.client("refuse");
  await using client = await served.client("refuse");
  assert.deepEqual(tagsOf(await client.query("CREATE TEMP TABLE t (n int)")), ["CREATE TABLE"]);
  const error = errorOf(await client.closed())!;
  assert.equal(error["S"], "FATAL");
  assert.match(error["M"]!, /temporary object/);
  assert.equal(await one(other, "SELECT to_regclass('pg_temp.t') IS NULL"), "t");
  // A pin that the client asks for is its own decision.
  await one(other, "--!pgplex pin\nSELECT 1");
  assert.equal(await one(other, "SELECT 1"), "1");
});

Deno.test("An option that is set out of sight is read at the transaction's end, and one that is nonsense gets a WARNING", async () => {
  await using client = await served.client("two");
  await one(client, "SELECT set_config('pgplex.tag', 'from a function', false)");
  assert.equal(await show(client, "tag"), "from a function");
  await one(client, "SELECT set_config('pgplex.intent', 'perhaps', false)");
  const notices: string[] = [];
  await waitFor(async () => {
    const messages = await client.query("SELECT 1");
    for (const { type, fields } of messages) if (type === "N") notices.push(fields!["M"]!);
    return notices.length > 0;
  }, { what: "a warning" });
  assert.deepEqual(notices, ['invalid value for parameter "pgplex.intent"']);
});
