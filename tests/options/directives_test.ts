import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import { OPTIONS } from "../../src/config/mod.ts";
import {
  errorOf,
  frontend,
  pgOptions,
  postgresOptions,
  psql,
  rowsOf,
  typesOf,
  type WireMessage,
} from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, describe, execute, extendedQuery, parse, query, sync } = frontend;

const served = new Served({
  settings: { log_statement: "all" },
  pools: {
    warn: { default_pool_size: 2 },
    strict: { default_pool_size: 2, directives: "strict" },
    off: { default_pool_size: 2, directives: "off" },
    session: { default_pool_size: 4, pool_mode: "session" },
    forbidden: { default_pool_size: 2, options_allowed: ["tag"] },
  },
});

const noticesOf = (messages: WireMessage[]) =>
  messages.filter(({ type }) => type === "N").map(({ fields }) => fields as Record<string, string>);

Deno.test("A bad directive gets a WARNING with its place, and the statement runs", async () => {
  for (const alias of ["warn", "session"]) {
    await using client = await served.client(alias);
    const sql = "/* é */ --!pgplex intnt=read\nSELECT 1";
    for (const message of [query(sql), extendedQuery(sql)]) {
      await client.send(message);
      const messages = await client.readUntil("Z");
      assert.deepEqual(rowsOf(messages), [["1"]]);
      const [notice, ...more] = noticesOf(messages);
      assert.deepEqual(more, []);
      assert.deepEqual([notice!["S"], notice!["C"], notice!["M"], notice!["P"], notice!["H"]], [
        "WARNING",
        "01000",
        'unrecognized argument "intnt" of a directive',
        "19",
        'Perhaps you meant "intent".',
      ]);
    }
  }
});

Deno.test("directives: strict makes it an ERROR, which aborts a transaction and skips a batch", async () => {
  await using client = await served.client("strict");
  const sql = "--!pgplex pool_mode=session\nCREATE TABLE never (n int)";
  let error = errorOf(await client.query(sql))!;
  assert.deepEqual([error["C"], error["M"], error["P"]], [
    "42601",
    'option "pool_mode" cannot be set for one statement',
    "11",
  ]);
  await client.send(extendedQuery(sql), extendedQuery("SELECT 1"));
  error = errorOf(await client.readUntil("Z"))!;
  assert.equal(error["C"], "42601");
  assert.deepEqual(rowsOf(await client.readUntil("Z")), [["1"]]);
  await one(client, "BEGIN");
  assert.equal((await client.query(sql)).at(-1)!.status, "E");
  await one(client, "ROLLBACK");
  assert.equal(await one(client, "SELECT to_regclass('never')"), null);
  assert.equal(await one(client, "--!pgplex intent=read\nSELECT 2"), "2");
});

Deno.test("directives: off reads none", async () => {
  await using client = await served.client("off");
  const messages = await client.query("--!pgplex nonsense\nSELECT 1");
  assert.equal(typesOf(messages), "TDCZ");
  assert.equal(typesOf(await client.query("--!pgplex show session")), "IZ");
  await one(client, "--!pgplex session tag=x\nSELECT 1");
  assert.equal(await one(client, "SHOW pgplex.tag"), "");
});

Deno.test("A directive for an option that is forbidden gets a WARNING and is not followed", async () => {
  await using client = await served.client("forbidden");
  const [notice] = noticesOf(await client.query("--!pgplex session pool_mode=session\nSELECT 1"));
  assert.equal(notice!["M"], 'permission denied to set parameter "pgplex.pool_mode"');
  assert.equal(await one(client, "SHOW pgplex.pool_mode"), "transaction");
});

Deno.test("A directive alone acts, and is answered as the empty statement that it is", async () => {
  await using client = await served.client("warn");
  assert.equal(typesOf(await client.query("--!pgplex session tag=alone")), "IZ");
  assert.equal(await one(client, "SHOW pgplex.tag"), "alone");
  await client.send(extendedQuery("--!pgplex session tag=extended"));
  assert.match(typesOf(await client.readUntil("Z")), /^12nIZ$|^12IZ$/);
  assert.equal(await one(client, "SHOW pgplex.tag"), "extended");
});

Deno.test("A directive for the session follows its transaction, as SET does", async () => {
  await using client = await served.client("warn");
  await one(client, "BEGIN");
  await one(client, "--!pgplex session tag=inside\nSELECT 1");
  assert.equal(await one(client, "SHOW pgplex.tag"), "inside");
  await one(client, "ROLLBACK");
  assert.equal(await one(client, "SHOW pgplex.tag"), "");
});

Deno.test("show session and show options answer by either protocol, also inside a transaction", async () => {
  for (const alias of ["warn", "session"]) {
    await using client = await served.client(alias, { application_name: "shown", "pgplex.tag": "it's" });
    const read = async () =>
      new Map(rowsOf(await client.query("--!pgplex show session")) as [string, string][]);
    const session = await read();
    assert.equal(session.get("user"), "postgres");
    assert.equal(session.get("database"), alias);
    assert.equal(session.get("cluster"), "main");
    assert.equal(session.get("application_name"), "shown");
    assert.equal(session.get("pool_mode"), alias === "session" ? "session" : "transaction");
    await one(client, "BEGIN");
    assert.equal((await read()).get("id"), session.get("id"));
    await one(client, "COMMIT");
    await client.send(parse("--!pgplex show options"), describe("S"), bind(), execute(), sync());
    const options = rowsOf(await client.readUntil("Z"));
    assert.deepEqual(options.map(([name]) => name), OPTIONS.map(({ name }) => name));
    assert.deepEqual(options.find(([name]) => name === "tag")!.slice(0, 3), ["tag", "it's", "client"]);
    const [notice] = noticesOf(await client.query("--!pgplex show session\nSELECT 1"));
    assert.equal(notice!["M"], '"show session" must stand alone');
  }
});

Deno.test("The comment reaches the server's log", async () => {
  await using client = await served.client("warn");
  await one(client, "--!pgplex tag=logged_directive\nSELECT 'a statement'");
  assert.match(await served.node.log(), /--!pgplex tag=logged_directive/);
});

Deno.test("psql sends a directive in -c and from a script, and a block comment in any version", async () => {
  const connection = served.connection("warn");
  const run = async (args: string[], input?: string) =>
    (await psql(["-At", ...args], input === undefined ? { connection } : { connection, stdin: input })).stdout
      .trim();
  assert.equal(await run(["-c", "--!pgplex session tag=one\nSELECT 1", "-c", "SHOW pgplex.tag"]), "1\none");
  assert.equal(await run([], "/*!pgplex session tag=two*/ SELECT 2;\nSHOW pgplex.tag;\n"), "2\ntwo");
  // Its line comments at the head of a statement do not leave psql, but in -c.
  assert.equal(await run([], "--!pgplex session tag=three\nSELECT 3;\nSHOW pgplex.tag;\n"), "3");
});

Deno.test("node-postgres and postgres.js send directives as they stand", async () => {
  const client = new pg.Client(pgOptions(served.connection("warn")));
  await client.connect();
  await client.query("--!pgplex session tag=pg\nSELECT 1");
  assert.equal((await client.query("SHOW pgplex.tag")).rows[0]["pgplex.tag"], "pg");
  await client.query({ text: "--!pgplex session tag=parameters\nSELECT $1::int", values: [1] });
  assert.equal((await client.query("SHOW pgplex.tag")).rows[0]["pgplex.tag"], "parameters");
  await client.query({ name: "named", text: "--!pgplex timeout=100ms\nSELECT pg_sleep($1)", values: [0] });
  await assert.rejects(
    client.query({ name: "named", text: "--!pgplex timeout=100ms\nSELECT pg_sleep($1)", values: [30] }),
    /query_timeout/,
  );
  await client.end();

  const sql = postgres({
    ...postgresOptions(served.connection("warn")),
    max: 1,
    connection: { "pgplex.tag": "js" } as never,
  });
  assert.equal((await sql`SHOW pgplex.tag`)[0]!["pgplex.tag"], "js");
  await sql`--!pgplex session tag=tagged
    SELECT ${1}::int`;
  assert.equal((await sql`SHOW pgplex.tag`)[0]!["pgplex.tag"], "tagged");
  await assert.rejects(
    sql`--!pgplex timeout=100ms
    SELECT pg_sleep(${30})`,
    /query_timeout/,
  );
  await sql.end();
});

Deno.test("The table of options in docs/DIRECTIVES.md is the one that pgplex follows", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/DIRECTIVES.md", import.meta.url));
  const rows = text.split("\n").filter((line) => /^\| `.*\|.*\|.*\|.*\|.*\|/.test(line)).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim())
  );
  const expected = OPTIONS.map(({ name, short, scopes, initial, type, doc }) => [
    `\`${name}\`` + (short === null ? "" : `, \`${short}\``),
    type.kind === "choice" ? type.values.join(", ") : type.kind === "duration" ? "duration" : "text",
    initial === null ? "the pool's" : initial === "" ? "empty" : initial,
    scopes.join(", "),
    doc,
  ]);
  assert.deepEqual(rows, expected);
});
