import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import { int32At } from "../../src/protocol/mod.ts";
import {
  errorOf,
  frontend,
  pgOptions,
  postgresOptions,
  psql,
  rowsOf,
  tagsOf,
  typesOf,
  type WireClient,
  type WireMessage,
} from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, close, concat, describe, execute, extendedQuery, flush, parse, query, sync } = frontend;

const served = new Served({
  pools: {
    one: { default_pool_size: 1 },
    session: { default_pool_size: 8, pool_mode: "session" },
    paused: { default_pool_size: 2 },
    scarce: { default_pool_size: 1, pool_mode: "session" },
    strict: { default_pool_size: 1, directives: "strict" },
    brief: { default_pool_size: 1, client_idle_timeout: "2s" },
  },
});

const codeOf = (messages: WireMessage[]) => errorOf(messages)?.["C"] ?? null;

/** The bytes of all replies, with the name of the setting taken for one. */
const bytesOf = (messages: WireMessage[]) =>
  messages.filter(({ type }) => type !== "E").map(({ type, body }) =>
    `${type} ${String.fromCharCode(...body).replace(/(myapp|pgplex)\.tag/, "tag")}`
  );

/** A SHOW of `setting` in the ways of the protocol, each one turn of the client. */
function turns(setting: string): Record<string, Uint8Array[]> {
  const show = `SHOW ${setting}`;
  const named = { name: "s" };
  const ofNamed = { statement: "s" };
  return {
    simple: [query(show)],
    "simple, with comments": [query(`/* a */ ${show} ; -- b`)],
    "simple, several messages": [query(show), query("SELECT 'between'"), query(show)],
    unnamed: [parse(show), describe("S"), bind(), describe("P"), execute(), sync()],
    "named, prepared and then run": [parse(show, named), describe("S", "s"), sync()],
    "named, run": [bind(ofNamed), describe("P"), execute(), sync(), bind(ofNamed), execute(), sync()],
    "named, described alone": [describe("S", "s"), sync()],
    binary: [bind({ ...ofNamed, resultFormats: [1] }), describe("P"), execute(), sync()],
    "two formats of one column": [bind({ ...ofNamed, resultFormats: [1, 0] }), execute(), sync()],
    "a named portal": [bind({ ...ofNamed, portal: "p" }), execute({ portal: "p" }), close("P", "p"), sync()],
    "a row limit": [
      bind(ofNamed),
      execute({ rowsMax: 1 }),
      execute({ rowsMax: 1 }),
      execute({ rowsMax: 2 }),
      execute(),
      bind(ofNamed),
      execute({ rowsMax: 2 }),
      sync(),
    ],
    "other statements around it": [
      extendedQuery("SELECT 'before'"),
      parse("SELECT $1::int"),
      bind({ values: ["1"] }),
      bind({ ...ofNamed, portal: "p" }),
      execute(),
      execute({ portal: "p" }),
      bind({ values: ["2"], portal: "q" }),
      execute({ portal: "q" }),
      sync(),
    ],
    "a name that is taken": [parse(show, named), bind(), execute(), sync()],
    "a value for a parameter that it has not": [bind({ ...ofNamed, values: ["1"] }), execute(), sync()],
    "types of parameters": [parse(show, { types: [23] }), describe("S"), sync()],
    "a portal that there is not": [bind(ofNamed), execute({ portal: "none" }), sync()],
    "closed, and another of its name": [
      close("S", "s"),
      parse("SELECT 'another'", named),
      bind(ofNamed),
      execute(),
      close("S", "s"),
      sync(),
    ],
    "behind an error": [
      extendedQuery("SELECT 1/0").subarray(0, -5),
      parse(show),
      bind(),
      execute(),
      sync(),
      query(show),
    ],
  };
}

/** How many ReadyForQuery come to these messages. */
function readiesOf(bytes: Uint8Array): number {
  let readies = 0;
  for (let at = 0; at < bytes.length; at += 1 + int32At(bytes, at + 1)) {
    if ("SQ".includes(String.fromCharCode(bytes[at]!))) readies++;
  }
  return readies;
}

/** What comes to each turn, up to as many ReadyForQuery as were asked for. */
async function answers(client: WireClient, setting: string): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  for (const [name, messages] of Object.entries(turns(setting))) {
    await client.send(...messages);
    const readies = readiesOf(concat(messages));
    const replies: WireMessage[] = [];
    for (let i = 0; i < readies; i++) replies.push(...await client.readUntil("Z"));
    const error = errorOf(replies);
    // A statement of the session's has another name on servers, and in what they say of it.
    seen[name] = [bytesOf(replies), error?.["C"], error?.["M"]?.replace(/"pgplex_\d+"/, '"s"')];
  }
  return seen;
}

Deno.test("SHOW of an option is answered byte for byte as PostgreSQL answers SHOW of a custom setting", async () => {
  await using direct = await served.direct();
  await one(direct, "SET myapp.tag = 'shown'");
  for (const where of ["idle", "in a transaction", "aborted"] as const) {
    const enter = async (client: WireClient) => {
      if (where !== "idle") await one(client, "BEGIN");
      if (where === "aborted") await client.query("SELECT 1/0");
    };
    await enter(direct);
    const expected = await answers(direct, "myapp.tag");
    await direct.query("ROLLBACK");
    await direct.query("DEALLOCATE ALL");
    for (const alias of ["one", "session"]) {
      await using client = await served.client(alias, { "pgplex.tag": "shown" });
      await enter(client);
      assert.deepEqual(await answers(client, "pgplex.tag"), expected, `${alias}, ${where}`);
    }
    // Where a lease is held all the time.
    if (where === "idle") {
      await using pinned = await served.client("one", { "pgplex.tag": "shown" });
      await one(pinned, "--!pgplex pin\nSELECT 1");
      assert.deepEqual(await answers(pinned, "pgplex.tag"), expected, "pinned");
    }
  }
});

Deno.test("SHOW of an option outside a transaction needs no server connection, by either protocol", async () => {
  await using holder = await served.client("one");
  await one(holder, "BEGIN");
  await using client = await served.client("one", {
    "pgplex.tag": "free",
    "pgplex.query_wait_timeout": "1h",
  });
  assert.equal(await one(client, "SHOW pgplex.tag"), "free");
  assert.equal(await one(client, "SHOW pgplex.query_wait_timeout"), "1h");
  await client.send(parse("SHOW pgplex.tag", { name: "s" }), describe("S", "s"), flush());
  assert.equal(typesOf(await client.readUntil("T")), "1tT");
  await client.send(bind({ statement: "s" }), execute(), sync());
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["free"]]);
  // In whatever pieces it comes.
  const bytes = concat([
    parse("SHOW pgplex.tag"),
    bind(),
    describe("P"),
    execute(),
    close("P"),
    close("S", "s"),
    sync(),
  ]);
  for (let at = 1; at < bytes.length; at += 7) {
    await client.send(bytes.subarray(0, at));
    await client.send(bytes.subarray(at));
    assert.equal(typesOf(await client.readUntil("Z")), "12TDC33Z");
  }
  // A directive in front of it, its errors, and several batches in one message.
  assert.equal(await one(client, "--!pgplex transaction tag=told\nSHOW pgplex.tag"), "told");
  await client.send(
    extendedQuery("--!pgplex tag=told\nSHOW pgplex.tag"),
    extendedQuery("SHOW pgplex.tag"),
  );
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["told"]]);
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["free"]]);
  assert.equal(codeOf(await client.query("SHOW pgplex.nothing")), "42704");
  assert.equal(codeOf(await client.query("SET pgplex.intent = perhaps")), "22023");
  await client.send(extendedQuery("SHOW pgplex.nothing"), extendedQuery("SHOW pgplex.tag"));
  assert.equal(codeOf(await client.readUntil("Z")), "42704");
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["free"]]);
  // What was prepared without a server is there with one.
  await client.send(parse("SHOW pgplex.tag", { name: "t" }), parse("SHOW pgplex.tag"), sync());
  assert.equal(typesOf(await client.readUntil("Z")), "11Z");
  await one(holder, "COMMIT");
  await client.send(
    bind(),
    execute(),
    extendedQuery("SELECT 'x'").subarray(0, -5),
    bind({ statement: "t" }),
    execute(),
    sync(),
  );
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["free"], ["x"], ["free"]]);
});

Deno.test("SHOW of an option is answered while the database is paused, to drivers and psql too", async () => {
  await using console_ = await served.client("pgplex");
  await using client = await served.client("paused");
  await one(client, "SET pgplex.tag = 'kept'");
  const connection = served.connection("paused");
  const driver = new pg.Client(pgOptions(connection));
  await driver.connect();
  const sql = postgres({ ...postgresOptions(connection), max: 1, fetch_types: false });
  await sql`SELECT 1`;
  await one(console_, "PAUSE paused");
  try {
    assert.equal(await one(client, "SHOW pgplex.tag"), "kept");
    const { stdout } = await psql(["-c", "SHOW pgplex.pool_mode"], { connection });
    assert.match(stdout, /^ pgplex\.pool_mode \n-+\n transaction\n\(1 row\)/);
    const text = "SHOW pgplex.tag";
    for (const query of [{ text }, { text, values: [] }, { text, name: "s" }, { text, name: "s" }]) {
      const { command, rowCount, rows } = await driver.query(query);
      assert.deepEqual([command, rowCount, rows], ["SHOW", null, [{ "pgplex.tag": "" }]]);
    }
    for (let i = 0; i < 3; i++) {
      const result = await sql`SHOW pgplex.tag`;
      assert.deepEqual([result.command, [...result]], ["SHOW", [{ "pgplex.tag": "" }]]);
    }
  } finally {
    await one(console_, "RESUME paused");
    await driver.end();
    await sql.end();
  }
});

Deno.test("SHOW of an option says what a ROLLBACK has left, also where it is sent with it", async () => {
  for (const alias of ["one", "session"]) {
    await using client = await served.client(alias);
    await client.send(
      query("BEGIN"),
      query("SET pgplex.tag = 'a'"),
      query("SAVEPOINT s"),
      query("SELECT set_config('pgplex.tag', 'b', false)"),
      query("SHOW pgplex.tag"),
      query("ROLLBACK TO s"),
      query("SHOW pgplex.tag"),
      query("ROLLBACK"),
      query("SHOW pgplex.tag"),
    );
    const rows: unknown[] = [];
    const tags: unknown[] = [];
    for (let i = 0; i < 9; i++) {
      const messages = await client.readUntil("Z");
      rows.push(...rowsOf(messages));
      tags.push(...tagsOf(messages));
    }
    assert.deepEqual(rows, [["b"], ["b"], ["a"], [""]]);
    assert.deepEqual(tags, [
      "BEGIN",
      "SET",
      "SAVEPOINT",
      "SELECT 1",
      "SHOW",
      "ROLLBACK",
      "SHOW",
      "ROLLBACK",
      "SHOW",
    ]);
    // While a probe looks what became of it.
    for (let i = 0; i < 20; i++) {
      await client.send(query(`BEGIN; SET pgplex.tag = 'lost'; ROLLBACK`), query("SHOW pgplex.tag"));
      await client.readUntil("Z");
      assert.deepEqual(rowsOf(await client.readUntil("Z")), [[""]]);
      await client.send(query(`SELECT set_config('pgplex.tag', '${i}', false)`));
      await client.readUntil("Z");
      assert.equal(await one(client, "SHOW pgplex.tag"), String(i));
      await one(client, "RESET pgplex.tag");
    }
  }
});

Deno.test("An option in an aborted transaction is refused as anything else, whether there is one of the name or not", async () => {
  for (const alias of ["one", "session"]) {
    await using client = await served.client(alias);
    await one(client, "BEGIN");
    await client.query("SELECT 1/0");
    for (const text of ["SHOW pgplex.tag", "SHOW pgplex.nothing", "SET pgplex.intent = perhaps"]) {
      assert.equal(codeOf(await client.query(text)), "25P02", text);
      await client.send(extendedQuery(text));
      assert.equal(codeOf(await client.readUntil("Z")), "25P02", text);
    }
    await one(client, "ROLLBACK");
    assert.equal(await one(client, "SHOW pgplex.tag"), "");
  }
});

Deno.test("A session in session pooling that waits for its connection is told by a simple SHOW all the same", async () => {
  await using holder = await served.client("scarce");
  await one(holder, "SELECT 1");
  await using client = await served.client("scarce", { "pgplex.tag": "waits" });
  assert.equal(await one(client, "SHOW pgplex.tag"), "waits");
});

Deno.test("A statement keeps its own tag whose name a refused SHOW of an option asked for", async () => {
  for (const alias of ["one", "session"]) {
    await using client = await served.client(alias);
    const run = async () => {
      await client.send(bind({ statement: "s" }), execute(), sync());
      return tagsOf(await client.readUntil("Z"));
    };
    await client.send(parse("SELECT 1", { name: "s" }), sync());
    await client.readUntil("Z");
    await client.send(parse("SHOW pgplex.tag", { name: "s" }), sync(), parse("SHOW pgplex.tag"), sync());
    assert.equal(codeOf(await client.readUntil("Z")), "42P05");
    assert.equal(codeOf(await client.readUntil("Z")), null);
    assert.deepEqual(await run(), ["SELECT 1"]);
    // The other way round, and where the server skips what stands behind an error.
    await client.send(close("S", "s"), parse("SHOW pgplex.tag", { name: "s" }), sync());
    await client.readUntil("Z");
    await client.send(parse("SELECT 1", { name: "s" }), parse("SELECT 2", { name: "s" }), sync());
    assert.equal(codeOf(await client.readUntil("Z")), "42P05");
    assert.deepEqual(await run(), ["SHOW"]);
    await client.send(parse("nonsense"), parse("SELECT 1", { name: "s" }), close("S", "s"), sync());
    assert.equal(codeOf(await client.readUntil("Z")), "42601");
    assert.deepEqual(await run(), ["SHOW"]);
  }
});

Deno.test("A client that only asks for options is not idle", async () => {
  await using client = await served.client("brief");
  await one(client, "SELECT 1");
  for (let i = 0; i < 12; i++) {
    await client.quiet(300);
    assert.equal(await one(client, "SHOW pgplex.client_idle_timeout"), "2s");
  }
});

Deno.test("directives: strict refuses a bad directive before SHOW of an option without a server connection", async () => {
  await using holder = await served.client("strict");
  await one(holder, "BEGIN");
  await using client = await served.client("strict");
  const text = "--!pgplex intnt=read\nSHOW pgplex.tag";
  assert.equal(codeOf(await client.query(text)), "42601");
  await client.send(extendedQuery(text));
  assert.equal(codeOf(await client.readUntil("Z")), "42601");
});
