import { frontend } from "./harness/mod.ts";
import { Served } from "./served.ts";
import { type StateScript, stateTests } from "./state_play.ts";

const { bind, close, describe, execute, extendedQuery, parse } = frontend;

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
    steps: ["PREPARE s AS SELECT 's'; SELECT 1/0", "EXECUTE s", "DEALLOCATE s; SELECT 1/0", "EXECUTE s"],
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
