import assert from "node:assert/strict";
import { errorOf, frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";
import { type StateScript, stateTests } from "../harness/state_play.ts";

const { bind, close, describe, execute, extendedQuery, parse, sync } = frontend;

/** PREPARE and Parse share one namespace, whichever server connection a lease brings. */
const served = new Served({
  major: 18,
  setup: `
    CREATE ROLE intruder;
    CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 5) i;
    CREATE FUNCTION prepare_it() RETURNS void LANGUAGE plpgsql AS
      $$ BEGIN EXECUTE 'PREPARE inside(int) AS SELECT v FROM t WHERE id = $1'; END $$;
  `,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** The session's own statements, and whether SQL made them. */
const LIST = "SELECT name, statement, from_sql, parameter_types FROM pg_prepared_statements ORDER BY name";
const NAMES = "SELECT name, from_sql FROM pg_prepared_statements ORDER BY name";

/** One statement of a batch. */
function extended(sql: string): Uint8Array[] {
  return [parse(sql), bind(), execute()];
}

const SCRIPTS: StateScript[] = [
  {
    name: "PREPARE, EXECUTE and DEALLOCATE work over leases",
    steps: [
      "PREPARE s(int) AS SELECT v FROM t WHERE id = $1",
      "EXECUTE s(1)",
      "EXECUTE s(2)",
      "PREPARE s AS SELECT 'twice'",
      'PREPARE "Odd ""name" AS SELECT \';\', $tag$ PREPARE x $tag$ /* ; */ -- it',
      'EXECUTE "Odd ""name"',
      "PREPARE a AS SELECT 'a'; PREPARE b AS SELECT 'b; c'; SELECT 3",
      "EXECUTE b",
      "EXECUTE a",
      "DEALLOCATE s",
      "EXECUTE s(1)",
      "DEALLOCATE s",
      "DEALLOCATE PREPARE a",
      "EXECUTE a",
      "EXECUTE b",
      "DEALLOCATE ALL",
      "EXECUTE b",
      "PREPARE s(text) AS SELECT $1 || '!'",
      "EXECUTE s('new')",
      "DISCARD ALL",
      "EXECUTE s('new')",
    ],
  },
  {
    name: "PREPARE stays when its transaction is rolled back, and is refused in an aborted one",
    steps: [
      "BEGIN; PREPARE kept AS SELECT 'kept'",
      "ROLLBACK",
      "EXECUTE kept",
      "BEGIN; SELECT 1/0",
      "PREPARE refused AS SELECT 1",
      "EXECUTE kept",
      "DEALLOCATE kept",
      "ROLLBACK",
      "EXECUTE refused",
      "EXECUTE kept",
      "BEGIN; DEALLOCATE kept",
      "ROLLBACK",
      "EXECUTE kept",
    ],
  },
  {
    name: "PREPARE in a query of several statements with an error behind it is kept, as a server keeps it",
    steps: [
      "PREPARE s AS SELECT 's'; SELECT 1/0",
      "EXECUTE s",
      "DEALLOCATE s; SELECT 1/0",
      "EXECUTE s",
      "PREPARE s AS SELECT 'first'; PREPARE s AS SELECT 'refused'",
      "EXECUTE s",
      "DEALLOCATE s; PREPARE s AS SELECT 'second'; DEALLOCATE ALL; PREPARE s AS SELECT 'third'",
      "EXECUTE s",
    ],
  },
  {
    name: "A name with Unicode escapes is the name that they stand for",
    steps: [
      'PREPARE U&"\\0061b" AS SELECT 1',
      "EXECUTE ab",
      `EXECUTE u&"!0061b" UESCAPE '!'`,
      `DEALLOCATE U&"?+000061b" UESCAPE '?'`,
      "EXECUTE ab",
      `PREPARE U&"!0061b" UESCAPE '!' AS SELECT 2`,
      "EXECUTE ab",
      'PREPARE U&"\\00e9" AS SELECT 3',
      "EXECUTE é",
      [...extended('EXECUTE U&"\\00e9"')],
      NAMES,
    ],
  },
  {
    name: "A DISCARD ALL that fails among other statements leaves what was prepared before it",
    steps: [
      "PREPARE s AS SELECT 'old'",
      "DEALLOCATE ALL; PREPARE s AS SELECT 's'; SET LOCAL work_mem = '5MB'; DISCARD ALL",
      "EXECUTE s",
      "DEALLOCATE s",
      NAMES,
    ],
  },
  {
    name: "A Close that is skipped behind DEALLOCATE ALL brings nothing back",
    steps: [
      "PREPARE s AS SELECT 's'",
      [
        ...extended("DEALLOCATE ALL"),
        ...extended("ROLLBACK TO a"),
        parse("SELECT 1", { name: "s" }),
        close("S", "s"),
      ],
      NAMES,
      "EXECUTE s",
    ],
  },
  {
    name: "PREPARE inside a function and by EXECUTE in a DO block is kept",
    steps: [
      "SELECT prepare_it()",
      "EXECUTE inside(3)",
      "DO $$ BEGIN EXECUTE 'PREPARE done AS SELECT ''done'''; END $$",
      "EXECUTE done",
      "DEALLOCATE done",
      "EXECUTE done",
    ],
  },
  {
    name: "EXECUTE of a statement that came by Parse",
    steps: [
      [parse("SELECT v FROM t WHERE id = $1", { name: "s" })],
      "EXECUTE s(2)",
      "EXECUTE s(3)",
      [bind({ statement: "s", values: ["4"] }), execute()],
      "BEGIN",
      "EXECUTE s(5)",
      [bind({ statement: "s", values: ["1"] }), execute()],
      "COMMIT",
      extendedQuery("EXECUTE s(2)"),
      [parse("EXECUTE s(2)"), describe("S"), bind(), execute()],
      [parse("EXECUTE s(1)", { name: "by_execute" }), describe("S", "by_execute")],
      [bind({ statement: "by_execute" }), execute()],
      "PREPARE s AS SELECT 'duplicate'",
      [parse("SELECT 'duplicate'", { name: "s" })],
      "EXECUTE s(3)",
    ],
  },
  {
    name: "Bind, Describe and Close of a statement that came by PREPARE",
    steps: [
      "PREPARE s(int) AS SELECT v FROM t WHERE id = $1",
      [bind({ statement: "s", values: ["2"] }), execute()],
      [describe("S", "s")],
      [bind({ statement: "s", values: ["3"] }), describe("P"), execute()],
      [parse("SELECT 'duplicate'", { name: "s" })],
      [close("S", "s")],
      [bind({ statement: "s", values: ["3"] }), execute()],
      "EXECUTE s(1)",
      [parse("SELECT 'by Parse'", { name: "s" })],
      "EXECUTE s",
    ],
  },
  {
    name: "DEALLOCATE of a statement that came by Parse",
    steps: [
      [parse("SELECT 'a'", { name: "a" }), parse("SELECT 'b'", { name: "b" })],
      "DEALLOCATE a",
      [bind({ statement: "a" }), execute()],
      [bind({ statement: "b" }), execute()],
      [parse("SELECT 'a again'", { name: "a" }), bind({ statement: "a" }), execute()],
      "DEALLOCATE ALL",
      [bind({ statement: "a" }), execute()],
      [parse("SELECT 'third'", { name: "a" }), bind({ statement: "a" }), execute()],
      extendedQuery("DEALLOCATE a"),
      [bind({ statement: "a" }), execute()],
    ],
  },
  {
    name: "Parse of a name that SQL deallocated in the same transaction",
    steps: [
      [parse("SELECT 'a'", { name: "a" })],
      "BEGIN",
      "DEALLOCATE a",
      [parse("SELECT 'b'", { name: "a" })],
      [bind({ statement: "a" }), execute()],
      "EXECUTE a",
      "COMMIT",
      [bind({ statement: "a" }), execute()],
      "EXECUTE a",
      "BEGIN",
      "DEALLOCATE a",
      "SAVEPOINT s",
      [parse("SELECT nonsense", { name: "a" })],
      "ROLLBACK TO s",
      [bind({ statement: "a" }), execute()],
      "ROLLBACK",
      [bind({ statement: "a" }), execute()],
      "BEGIN; PREPARE a AS SELECT 1; DEALLOCATE a",
      [parse("SELECT 'c'", { name: "a" })],
      [describe("S", "a"), bind({ statement: "a" }), execute()],
      "COMMIT",
      [bind({ statement: "a" }), execute()],
      NAMES,
    ],
  },
  {
    name: "A batch of DEALLOCATE, Parse and Bind of one name, and of DEALLOCATE ALL",
    steps: [
      [parse("SELECT 'a'", { name: "a" }), parse("SELECT 'z'", { name: "z" })],
      [
        ...extended("DEALLOCATE a"),
        parse("SELECT 'b'", { name: "a" }),
        ...[bind({ statement: "a" }), execute()],
        ...extended("DEALLOCATE a"),
        parse("SELECT 'c'", { name: "a" }),
        ...[bind({ statement: "a" }), execute()],
      ],
      [bind({ statement: "a" }), execute()],
      [...extended("DEALLOCATE a"), parse("SELECT 'd'", { name: "a" }), ...extended("SELECT 1/0")],
      [bind({ statement: "a" }), execute()],
      [parse("SELECT 'a'", { name: "a" })],
      [
        ...extended("DEALLOCATE ALL"),
        parse("SELECT 'e'", { name: "a" }),
        bind({ statement: "a" }),
        execute(),
      ],
      [parse("SELECT 'twice'", { name: "a" })],
      [...extended("DEALLOCATE ALL"), bind({ statement: "a" }), execute()],
      [bind({ statement: "a" }), execute()],
      [parse("SELECT 'f'", { name: "a" })],
      [...extended("DEALLOCATE ALL"), parse("SELECT 'g'", { name: "a" }), ...extended("SELECT 1/0")],
      NAMES,
    ],
  },
  {
    name: "Bind of a name that SQL deallocated, replaced or described in the same transaction",
    steps: [
      [parse("SELECT 'a'", { name: "a" })],
      "BEGIN",
      "DEALLOCATE a",
      [bind({ statement: "a" }), execute()],
      "ROLLBACK",
      [bind({ statement: "a" }), execute()],
      [parse("SELECT 'b'", { name: "a" })],
      "BEGIN",
      "DEALLOCATE a; PREPARE a AS SELECT 'by SQL'",
      [describe("S", "a"), bind({ statement: "a" }), execute()],
      [parse("SELECT 'twice'", { name: "a" })],
      "COMMIT",
      [bind({ statement: "a" }), execute()],
      NAMES,
    ],
  },
  {
    name: "Close of a name that SQL mentioned in the same transaction ends it for SQL too",
    steps: [
      [parse("SELECT 'a'", { name: "a" })],
      "BEGIN",
      "EXECUTE a",
      [close("S", "a")],
      "SAVEPOINT s",
      "EXECUTE a",
      "ROLLBACK TO s",
      [parse("SELECT 'again'", { name: "a" })],
      "EXECUTE a",
      "COMMIT",
      "EXECUTE a",
      "BEGIN",
      "EXECUTE a",
      [parse("SELECT 'twice'", { name: "a" })],
      "ROLLBACK",
      [bind({ statement: "a" }), execute()],
    ],
  },
  {
    name: "Names are cut at 63 bytes, and folded as servers fold them",
    steps: [
      `PREPARE ${"n".repeat(70)} AS SELECT 'long'`,
      `EXECUTE ${"n".repeat(70)}`,
      `EXECUTE ${"n".repeat(63)}`,
      [bind({ statement: "n".repeat(70) }), execute()],
      [parse("SELECT 'by Parse'", { name: "m".repeat(70) })],
      `EXECUTE ${"m".repeat(66)}`,
      `PREPARE "${"n".repeat(62)}\u00e9" AS SELECT 'cut before a character'`,
      `EXECUTE "${"n".repeat(62)}"`,
      "PREPARE \u00c9T\u00c9 AS SELECT '\u00e9t\u00e9'",
      "EXECUTE \u00c9T\u00c9",
      "EXECUTE \u00c9t\u00c9",
      'DEALLOCATE "\u00c9t\u00c9"',
      NAMES,
    ],
  },
  {
    name: "An error in a statement that was prepared in a query of several is at the same position",
    before: "DROP TABLE IF EXISTS moved; CREATE TABLE moved (a int)",
    steps: [
      "SELECT '☃'; PREPARE p AS SELECT a FROM moved;\nSELECT 3",
      "EXECUTE p",
      "ALTER TABLE moved RENAME a TO b",
      "EXECUTE p",
      "SELECT 1;\n\nPREPARE q AS SELECT a FROM moved; PREPARE r (int) AS SELECT 10 / $1, b FROM moved",
      "PREPARE r (int) AS SELECT 10 / $1, b FROM moved",
      "ALTER TABLE moved RENAME b TO a",
      "EXECUTE r(1)",
    ],
  },
  {
    name: "pg_prepared_statements shows the session's own names, and no others",
    steps: [
      LIST,
      [parse("SELECT v FROM t WHERE id = $1", { name: "by_parse" })],
      "PREPARE by_sql AS SELECT 2",
      LIST,
      LIST,
      [parse(NAMES), bind(), execute()],
      "BEGIN",
      LIST,
      "DEALLOCATE by_parse",
      LIST,
      "COMMIT",
      LIST,
      [bind({ statement: "by_parse", values: ["1"] }), execute()],
      [parse("SELECT 3", { name: "third" }), bind({ statement: "third" }), execute()],
      LIST,
    ],
  },
  {
    name: "pg_prepared_statements shows a prepared statement that reads it under its own name",
    steps: [
      [parse(NAMES, { name: "mine" }), bind({ statement: "mine" }), describe("P"), execute()],
      [bind({ statement: "mine" }), execute()],
      [parse("SELECT 1", { name: "other" }), bind({ statement: "other" }), execute()],
      [bind({ statement: "mine" }), describe("P"), execute(), bind({ statement: "other" }), execute()],
      "BEGIN",
      [bind({ statement: "mine" }), execute(), bind({ statement: "mine" }), execute()],
      [close("S", "other"), bind({ statement: "mine" }), execute()],
      "COMMIT",
      [bind({ statement: "other" }), execute()],
      [describe("S", "mine"), bind({ statement: "mine" }), execute()],
    ],
  },
  {
    name: "DDL that changes a statement's result type",
    before: "DROP TABLE IF EXISTS shape; CREATE TABLE shape (a int); INSERT INTO shape VALUES (1)",
    steps: [
      "PREPARE s AS SELECT * FROM shape",
      "EXECUTE s",
      "ALTER TABLE shape ADD COLUMN b text DEFAULT 'b'",
      "DEALLOCATE s",
      "PREPARE s AS SELECT * FROM shape",
      "EXECUTE s",
      "DROP TABLE shape",
      "EXECUTE s",
      "CREATE TABLE shape (a int, b text)",
      "EXECUTE s",
      "ALTER TABLE shape ALTER COLUMN a TYPE bigint",
      "DEALLOCATE s",
    ],
  },
  {
    name: "A prepared SET and a prepared set_config change the session",
    steps: [
      [parse("SET work_mem = '5MB'", { name: "set" }), bind({ statement: "set" }), execute()],
      "SHOW work_mem",
      "SET work_mem = '6MB'",
      [bind({ statement: "set" }), execute()],
      "SHOW work_mem",
      "PREPARE sc(text, text) AS SELECT set_config($1, $2, false)",
      "EXECUTE sc('work_mem', '7MB')",
      "SHOW work_mem",
      "EXECUTE sc('myapp.tenant', 'by execute')",
      "SELECT current_setting('myapp.tenant')",
    ],
  },
  {
    name: "The unnamed statement, and a portal over several Executes",
    steps: [
      [parse("SELECT v FROM t ORDER BY id")],
      [bind(), execute({ rowsMax: 2 }), execute({ rowsMax: 2 })],
      [describe("S")],
      [parse("BEGIN"), bind(), execute()],
      [parse("SELECT v FROM t ORDER BY id"), bind({ portal: "p" }), execute({ portal: "p", rowsMax: 2 })],
      [execute({ portal: "p", rowsMax: 2 })],
      "COMMIT",
      [execute({ portal: "p", rowsMax: 2 })],
    ],
  },
  {
    name: "The unnamed statement stays when a Parse or Close of it is skipped, and goes when its Parse fails",
    steps: [
      [parse("SELECT 'first'")],
      [bind({ statement: "none" }), close("S", "")],
      [bind(), execute()],
      [
        bind({ statement: "none" }),
        parse("SELECT 'skipped'"),
        close("S", ""),
        parse("SELECT 'too'"),
        bind(),
        execute(),
      ],
      [bind(), execute()],
      [parse("SELECT 'second'"), bind({ statement: "none" }), parse("SELECT 'skipped'")],
      [bind(), execute()],
      [bind(), execute(), parse("SELECT none"), parse("SELECT 'skipped'")],
      [bind(), execute()],
      [parse("SELECT 'third'")],
      [close("S", ""), bind({ statement: "none" }), parse("SELECT 'skipped'")],
      [bind(), execute()],
    ],
  },
  {
    name: "A cursor without HOLD ends with its transaction",
    steps: [
      "BEGIN; DECLARE c CURSOR FOR SELECT v FROM t ORDER BY id",
      "FETCH 2 FROM c",
      "COMMIT",
      "FETCH 1 FROM c",
      "SELECT count(*) FROM pg_cursors",
    ],
  },
];

stateTests(served, SCRIPTS);

Deno.test("A name that could not be lent in a transaction which fails meanwhile is lent behind its ROLLBACK", async () => {
  await using client = await served.client("two");
  await client.send(parse("SELECT 97", { name: "s" }), sync());
  await client.readUntil("Z");
  await client.query("BEGIN");
  const texts = ["SELECT 1/0", NAMES, "ROLLBACK", "EXECUTE s"];
  await client.send(...texts.map((sql) => frontend.query(sql)));
  const answers: string[] = [];
  for (const _ of texts) {
    answers.push(
      (await client.readUntil("Z")).map(({ values, tag, fields }) => values ?? tag ?? fields?.["C"]).join(" ")
        .trim(),
    );
  }
  assert.deepEqual(answers, ["22012", "25P02", "ROLLBACK", "97 SELECT 1"]);
});

Deno.test("pg_prepared_statements read often leaves no name behind for others", async () => {
  await using client = await served.client("one");
  await using other = await served.client("one");
  await client.send(parse("SELECT 'of the client'", { name: "lent" }), sync());
  await client.readUntil("Z");
  for (let round = 0; round < 8; round++) await client.query(NAMES);
  assert.equal(errorOf(await other.query("EXECUTE lent"))?.["C"], "26000");
  await other.send(bind({ statement: "lent" }), execute(), sync());
  assert.equal(errorOf(await other.readUntil("Z"))?.["C"], "26000");
});
