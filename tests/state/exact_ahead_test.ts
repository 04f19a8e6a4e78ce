import assert from "node:assert/strict";
import { type Compared, comparedTests } from "../harness/compared.ts";
import { frontend, rowsOf } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, describe, execute, parse, query, sync } = frontend;

const SETUP = `CREATE EXTENSION pg_trgm; CREATE TABLE t (v text); CREATE SEQUENCE s;
  CREATE FUNCTION setter(v text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.a', v, false) $$;
  CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES ('c'); COMMIT; END $$;`;
const POOLS = {
  one: { default_pool_size: 1 },
  two: { default_pool_size: 2 },
  fresh: { default_pool_size: 1 },
  pipelined: { default_pool_size: 1 },
};

/**
 * Sessions whose custom settings alone differ: what makes a connection the session's goes in front of its first message, in the
 * same write. Whatever that message is, it finds, and answers, what it would on a connection of one's own.
 */
const served = new Served({ major: 18, setup: SETUP, pools: POOLS });
const older = new Served({ major: 14, setup: SETUP, pools: POOLS });

/** Behind a RESET, of whomever, nothing is an empty text in place of NULL. */
const SHOW = "SELECT nullif(current_setting('app.a', true), ''), nullif(current_setting('app.b', true), '')";
const SET_B = { b: "SET app.a = 'of b'" };
const SHOW_B = { b: SHOW };

/** Each of these is the first message of a lease of the connection that the other one had. */
const FIRST: readonly [what: string, ...steps: (string | Uint8Array | Uint8Array[])[]][] = [
  ["a SELECT", "SELECT 1"],
  ["a SET of the same setting", "SET app.a = 'anew'"],
  ["a SET of the same setting to what it is", "SET app.a = 'of a'"],
  ["a SET of another setting", "SET app.b = '2'"],
  ["a SET to another type", "SET app.a = 5"],
  ["a RESET", "RESET app.a"],
  ["a SET to the default", "SET app.a TO DEFAULT"],
  ["RESET ALL", "RESET ALL"],
  ["DISCARD ALL", "DISCARD ALL"],
  ["SET LOCAL outside of a transaction", "SET LOCAL app.a = 'local'"],
  ["a SET of what others are reported of", "SET TimeZone = 'Asia/Tokyo'", "SHOW TimeZone"],
  [
    "a SET of a part",
    "SET datestyle = 'German'",
    "SHOW datestyle",
    "SET datestyle = 'ISO'",
    "SHOW datestyle",
  ],
  ["a SET of search_path", "SET search_path = pg_catalog", "SHOW search_path"],
  ["a SET of work_mem", "SET work_mem = '5MB'", "SHOW work_mem"],
  ["a SET of statement_timeout", "SET statement_timeout = '33s'", "SHOW statement_timeout"],
  ["a SET of client_encoding", "SET client_encoding = 'LATIN1'", "SHOW client_encoding"],
  ["a SET of an option", "SET pgplex.query_timeout = '5s'"],
  ["set_config", "SELECT set_config('app.a', 'by a function', false)"],
  ["a function that sets", "SELECT setter('by setter')"],
  ["several statements", "SELECT 1; SET app.a = 'third'; SELECT 2"],
  ["a transaction in one query", "BEGIN; SET app.a = 'in vain'; ROLLBACK"],
  ["BEGIN", "BEGIN", "SET app.a = 'taken back'", "ROLLBACK"],
  ["BEGIN, and COMMIT", "BEGIN", "SET app.a = 'kept'", "COMMIT"],
  ["BEGIN SERIALIZABLE", "BEGIN ISOLATION LEVEL SERIALIZABLE", "SHOW transaction_isolation", "COMMIT"],
  ["COMMIT alone", "COMMIT"],
  ["ROLLBACK alone", "ROLLBACK"],
  ["VACUUM", "VACUUM t"],
  ["a CALL that commits", "CALL commits()"],
  ["an INSERT", "INSERT INTO t VALUES (current_setting('app.a')) RETURNING v"],
  ["COPY to the client", "COPY (SELECT current_setting('app.a')) TO STDOUT"],
  ["nothing at all", ""],
  ["currval", "SELECT nextval('s') > 0", "SELECT currval('s') > 0", "DISCARD SEQUENCES"],
  ["PREPARE and EXECUTE", "PREPARE p AS SELECT current_setting('app.a')", "EXECUTE p", "DEALLOCATE p"],
  [
    "a cursor of a transaction",
    "BEGIN; DECLARE c CURSOR FOR SELECT current_setting('app.a')",
    "FETCH c",
    "COMMIT",
  ],
  ["an unnamed statement", [
    parse("SELECT current_setting('app.a'), $1::text"),
    bind({ values: ["x"] }),
    describe("P", ""),
    execute(),
  ]],
  ["a SET by the extended protocol", [parse("SET app.a = 'extended'"), bind(), execute()]],
  ["two statements in one batch", [
    ...[parse("SET app.a = 'first'"), bind(), execute()],
    ...[parse("SELECT current_setting('app.a')"), bind(), execute()],
  ]],
  [
    "a named statement, and its Bind alone",
    [
      parse("SELECT current_setting('app.a')", { name: "n" }),
      describe("S", "n"),
    ],
    [bind({ statement: "n" }), execute()],
    [describe("S", "n")],
  ],
  ["BEGIN by the extended protocol", [parse("BEGIN"), bind(), execute()], SHOW, "COMMIT"],
];

const FAILING: readonly [what: string, sqlstate: string, step: string | Uint8Array[]][] = [
  ["a syntax error", "42601", "SELEC 1"],
  ["an error of a statement", "22012", "SELECT 1 / 0"],
  ["a SET that is refused", "22023", "SET work_mem = 'x'"],
  ["a SET of no setting", "42704", "SET nothing_such = 1"],
  ["a SET of a name that is none", "42602", `SET "app.1 a" = 'x'`],
  ["several statements, the last one fails", "22012", "SET app.a = 'in vain'; SELECT 1 / 0"],
  ["an error in a batch", "22012", [
    ...[parse("SET app.a = 'in vain'"), bind(), execute()],
    ...[parse("SELECT 1 / 0"), bind(), execute()],
  ]],
  ["a portal that is none", "34000", [execute()]],
  ["a portal that is none, described", "34000", [describe("P", "")]],
  ["a statement that is none", "26000", [bind({ statement: "nosuch" })]],
];

const scripts: Compared[] = [
  ...FIRST.map(([what, ...steps]): Compared => ({
    name: `Behind another one's setting: ${what}`,
    alone: true,
    steps: ["SET app.a = 'of a'", SET_B, ...steps, SHOW, SHOW_B, SHOW, SHOW_B],
  })),
  ...FAILING.map(([what, sqlstate, step]): Compared => ({
    name: `Behind another one's setting: ${what}`,
    alone: true,
    steps: ["SET app.a = 'of a'", SET_B, step, SHOW, SHOW_B, step, SHOW, SHOW_B],
    errors: [sqlstate, sqlstate],
  })),
  {
    name: "Of two sessions each has its own, and neither what the other one has beside",
    alone: true,
    steps: [
      ...["SET app.a = '1'", { b: "SET app.b = '2'" }, SHOW, SHOW_B, "SET app.b = 'b of a'", SHOW_B, SHOW],
      ...[{ b: "RESET app.b" }, SHOW, SHOW_B, { b: "SELECT setter('x')" }, SHOW, SHOW_B],
    ],
  },
];

comparedTests(served, scripts);
comparedTests(older, scripts.filter((_, index) => index % 3 === 0));

const TRIGRAM = "SELECT similarity('a', 'a'), current_setting('pg_trgm.similarity_threshold')";
comparedTests(served, [
  {
    name: "A SET that fails leaves a session with its own, and nobody with what it stood on",
    alone: true,
    steps: [
      ...[TRIGRAM, { b: TRIGRAM }],
      "SET pg_trgm.similarity_threshold = '0.4'",
      { b: "SET pg_trgm.similarity_threshold = '0.5'" },
      "SET pg_trgm.similarity_threshold = 'x'",
      ...[TRIGRAM, { b: TRIGRAM }],
      [parse("SET pg_trgm.similarity_threshold = '7'"), bind(), execute()],
      ...["SELECT 1", TRIGRAM, { b: TRIGRAM }],
      { b: "SET pg_trgm.similarity_threshold = '0.50'" },
      ...[{ b: TRIGRAM }, TRIGRAM],
    ],
    errors: ["22023", "22023"],
  },
]);

Deno.test("What stands behind a SET of a setting that another one left waits until it is done, or has failed", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  const show = query("SELECT current_setting('pg_trgm.similarity_threshold', true)");
  await one(a, "SELECT similarity('a', 'a')");
  await one(a, "SET pg_trgm.similarity_threshold = '0.4'");
  for (let i = 0; i < 20; i++) {
    // A failure ends the connection: on another one nothing is refused before pg_trgm is loaded.
    await one(b, "SELECT similarity('a', 'a')");
    await one(b, `SET pg_trgm.similarity_threshold = '0.${500 + i}'`);
    const fails = i % 2 === 0;
    const value = fails ? "x" : `0.${700 + i}`;
    const set = query(`SET pg_trgm.similarity_threshold = '${value}'`);
    // In one write, or in two, which may be read as one.
    if (i % 4 < 2) await a.send(set, show);
    else {
      await a.send(set);
      await a.send(show);
    }
    const [first] = await a.readUntil("Z");
    assert.equal(first!.name, fails ? "ErrorResponse" : "CommandComplete");
    const own = i === 0 ? 0.4 : (700 + i - (fails ? 1 : 0)) / 1000;
    assert.equal(Number(rowsOf(await a.readUntil("Z"))[0]![0]), own);
    const others = await one(b, "SELECT current_setting('pg_trgm.similarity_threshold')");
    assert.equal(Number(others), (500 + i) / 1000);
  }
});

Deno.test("Custom settings are restored in the same write as the statement", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  await one(a, "SET app.a = 'of a'");
  await one(b, "SET app.a = 'of b'");
  for (let i = 0; i < 3; i++) {
    for (const [client, own] of [[a, "of a"], [b, "of b"]] as const) {
      assert.equal(await one(client, "SELECT current_setting('app.a')"), own);
      await client.send(query("SELECT current_setting('app.a')"), query("COMMIT"), sync());
      assert.deepEqual(rowsOf(await client.readUntil("Z")), [[own]]);
      await client.readUntil("Z");
      await client.readUntil("Z");
    }
  }
});

Deno.test("What has to wait for a restore in front of it waits no longer than that, each time", async () => {
  await using a = await served.client("one");
  await using b = await served.client("one");
  for (let i = 0; i < 4; i++) {
    for (const text of ["EXECUTE nosuch", "DEALLOCATE nosuch", "PREPARE p AS SELECT 1", "DEALLOCATE p"]) {
      await one(a, `SET app.a = 'of a ${i}'`);
      await one(b, `SET app.a = 'of b ${i}'`);
      await a.query(text);
      assert.equal(await one(a, "SELECT current_setting('app.a')"), `of a ${i}`, text);
      assert.equal(await one(b, "SELECT current_setting('app.a')"), `of b ${i}`, text);
    }
  }
});

Deno.test("A query behind a query in a batch that has failed is skipped, whatever goes in front of it", async () => {
  const text = "SELECT count(*) FROM pg_prepared_statements";
  for (const client of [await served.direct(), await served.client("one")]) {
    await client.send(parse("SELECT 2", { name: "n" }), sync());
    await client.readUntil("Z");
    await client.send(parse("SELECT 1 / 0"), bind(), execute(), query("SELECT 1"), query(text), sync());
    const names = (await client.readUntil("Z")).map(({ name }) => name);
    assert.deepEqual(names, ["ParseComplete", "ErrorResponse", "ReadyForQuery"]);
    assert.equal(await one(client, "SELECT 'in step'"), "in step");
    await client.close();
  }
});

Deno.test("A custom setting that the server does not take any more is lost, once, and the statement behind it is not run", async () => {
  await using a = await served.client("fresh");
  await using b = await served.client("fresh");
  await using direct = await served.direct();
  await direct.query("TRUNCATE t");
  await one(a, "SET app.a = 'of a'");
  await one(a, "SET pg_trgm.nonsense = 'x'");
  await one(b, "SET app.a = 'of b'");
  // From here on the backend has pg_trgm, which refuses what it does not know.
  await one(b, "SELECT similarity('a', 'b')");
  await a.send(query("INSERT INTO t VALUES ('was run') RETURNING v"));
  const answers = await a.readUntil("Z");
  assert.deepEqual(answers.map(({ name }) => name), ["ErrorResponse", "ReadyForQuery"]);
  assert.match(answers[0]!.fields!.M!, /pg_trgm\.nonsense cannot be restored/);
  assert.equal(a.status, "I");
  assert.equal(await one(direct, "SELECT count(*) FROM t"), "0");
  assert.equal(await one(a, "SELECT current_setting('app.a')"), "of a");
  assert.equal(await one(b, "SELECT current_setting('app.a')"), "of b");
  assert.equal(await one(a, "INSERT INTO t VALUES ('was run') RETURNING v"), "was run");
});

Deno.test("Nothing that was sent behind a Sync is run where the restore in front of that fails", async () => {
  await using direct = await served.direct();
  await using a = await served.client("pipelined");
  await using b = await served.client("pipelined");
  await using c = await served.client("pipelined");
  const insert = "INSERT INTO t VALUES (current_setting('app.a')) RETURNING v";
  const batch = (sql: string) => [parse(sql), bind(), execute(), sync()];
  // A COMMIT would end the transaction in which the restore has failed; what stands behind a BEGIN is not to be run without it.
  const pipelines = [
    [batch("SELECT 1"), [query("COMMIT")], [query(insert)]],
    [batch("BEGIN"), batch(insert), batch("COMMIT"), batch(insert)],
    [[query("SELECT 1")], batch("ROLLBACK"), batch(insert)],
  ];
  for (const pipeline of pipelines) {
    await direct.query("TRUNCATE t");
    await one(a, "SET app.a = 'of a'");
    await one(a, "SET pg_trgm.nonsense = 'x'");
    await one(b, "SELECT similarity('a', 'b')");
    await one(c, "SET app.a = 'of c'");
    // With nothing on the connection but that.
    await one(c, "SELECT 1");
    await a.send(...pipeline.flat());
    for (const _ of pipeline) {
      const answers = await a.readUntil("Z");
      assert.deepEqual(answers.map(({ name }) => name), ["ErrorResponse", "ReadyForQuery"]);
      assert.match(answers[0]!.fields!.M!, /pg_trgm\.nonsense cannot be restored/);
      assert.equal(a.status, "I");
    }
    assert.equal(await one(direct, "SELECT count(*) FROM t"), "0");
    assert.equal(await one(a, insert), "of a");
    assert.equal(await one(c, "SELECT current_setting('app.a')"), "of c");
  }
});
