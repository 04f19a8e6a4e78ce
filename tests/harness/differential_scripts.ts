import { frontend } from "./mod.ts";

const {
  bind,
  close,
  copyData,
  copyDone,
  copyFail,
  describe,
  execute,
  extendedQuery,
  flush,
  functionCall,
  parse,
  query,
  sync,
  terminate,
} = frontend;

/** What a client sends in one write, and up to which messages it reads then: "ZZ" is two ReadyForQuery, "." the end. */
export type Step = readonly [send: readonly Uint8Array[], until: string];

/** One conversation. Its sentence says what is the same on a server itself and through pgplex. */
export interface Script {
  readonly name: string;
  readonly steps: readonly Step[];
}

/** What every script finds; made again before each run. */
export const RESET = "ALTER TABLE t DISABLE TRIGGER USER; TRUNCATE t, log RESTART IDENTITY; " +
  "INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 5) i";

/** Made once. */
export const SETUP = `
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TABLE log (n serial, v text);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.03); RAISE EXCEPTION 'no copies today'; END $$;
CREATE TRIGGER early BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION refuse();
ALTER TABLE t DISABLE TRIGGER USER;
CREATE FUNCTION chatter(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN FOR i IN 1..n LOOP RAISE NOTICE 'note %', i; END LOOP; RAISE WARNING 'enough'; RETURN n; END $$;
`;

/** The oid of int4pl(int4, int4), and of a function that fails: int4div. */
const [INT4PL, INT4DIV] = [177, 154];

const q = (...statements: string[]): Step => [statements.map(query), "Z".repeat(statements.length)];
const portal = (sql: string, rowsMax = 0) => [parse(sql), bind(), describe("P"), execute({ rowsMax })];
const COPY_IN = "COPY t FROM STDIN";
const rows = [copyData("11\ta\n12\t"), copyData("b\n")];
const bad = [copyData("11\ta\n"), copyData("x\tnot a number\n")];

/** PostgreSQL fails it, and skips up to Sync. */
const MALFORMED_FLUSH = Uint8Array.of(0x48, 0, 0, 0, 8, 1, 2, 3, 4);

const table: Record<string, Step[]> = {
  "simple queries": [
    q("SELECT 1"),
    q("SELECT id, v FROM t ORDER BY id"),
    q("VALUES (NULL), ('ü')"),
    q("SELEC 1"),
    q("SELECT"),
  ],
  "empty queries": [q(""), q(" ; ;"), [[extendedQuery("")], "Z"], [[
    ...portal(""),
    ...portal("SELECT 1"),
    sync(),
  ], "Z"]],
  "several statements in one query": [
    q("SELECT 1; INSERT INTO t VALUES (6, 'six'); SELECT count(*) FROM t"),
    q("INSERT INTO t VALUES (7, 'seven'); SELECT 1/0; SELECT 3"),
    q("SELECT count(*) FROM t"),
    q("BEGIN; SELECT 1; COMMIT; SELECT 2"),
    q("BEGIN; SELECT 1"),
    q("SELECT 1; COMMIT; SELECT 1/0"),
  ],
  "several queries in one write": [
    q("SELECT 1", "SELECT 1/0", "SELECT 2", "BEGIN", "SELECT 1/0", "SELECT 3", "ROLLBACK", "SELECT 4"),
  ],
  "an extended query": [
    [[extendedQuery("SELECT $1::int + 1, $2::text", ["41", null])], "Z"],
    [[extendedQuery("SELECT $1::int", ["not a number"])], "Z"],
    [[extendedQuery("INSERT INTO t VALUES ($1, $2) RETURNING id", ["8", "eight"])], "Z"],
    [[extendedQuery("UPDATE t SET v = v")], "Z"],
    [[
      parse("SELECT $1::int4"),
      bind({ values: [Uint8Array.of(0, 0, 1, 0)], formats: [1], resultFormats: [1] }),
      execute(),
      sync(),
    ], "Z"],
  ],
  "a named statement over many batches": [
    [[parse("SELECT v FROM t WHERE id = $1", { name: "s" }), describe("S", "s"), sync()], "Z"],
    ...[1, 2, 99].map((
      id,
    ): Step => [[bind({ statement: "s", values: [String(id)] }), execute(), sync()], "Z"]),
    [[describe("S", "s"), close("S", "s"), describe("S", "s"), sync()], "Z"],
    [[bind({ statement: "s" }), sync()], "Z"],
  ],
  "a pipeline of many batches": [
    [Array.from({ length: 50 }, (_, i) => extendedQuery("SELECT $1::int", [String(i)])), "Z".repeat(50)],
    [
      Array.from({ length: 50 }, (_, i) => extendedQuery("SELECT 10 / $1::int", [String(i % 3)])),
      "Z".repeat(50),
    ],
  ],
  "a pipeline with errors in the middle": [
    [[
      ...portal("INSERT INTO t VALUES (20)"),
      ...portal("SELECT 1/0"),
      ...portal("INSERT INTO t VALUES (21)"),
      parse("SELECT 1", { name: "skipped" }),
      sync(),
      ...portal("SELECT count(*) FROM t"),
      sync(),
      bind({ statement: "skipped" }),
      sync(),
      parse("SELECT 'named'", { name: "n" }),
      sync(),
      bind({ statement: "n" }),
      execute(),
      sync(),
    ], "ZZZZZ"],
  ],
  "a mixture of simple and extended queries in one write": [
    [[
      query("BEGIN"),
      extendedQuery("INSERT INTO t VALUES (30)"),
      query("SELECT 1/0"),
      extendedQuery("SELECT 1"),
      query("ROLLBACK"),
      extendedQuery("SELECT count(*) FROM t"),
    ], "ZZZZZZ"],
  ],
  "Flush without Sync": [
    [[parse("SELECT id FROM t ORDER BY id", { name: "f" }), flush()], "1"],
    [[describe("S", "f"), flush()], "T"],
    [[bind({ statement: "f", portal: "p" }), flush()], "2"],
    [[execute({ portal: "p", rowsMax: 2 }), flush()], "s"],
    [[execute({ portal: "p", rowsMax: 2 }), flush()], "s"],
    [[execute({ portal: "p", rowsMax: 2 }), flush()], "C"],
    [[close("P", "p"), flush()], "3"],
    [[bind({ statement: "gone" }), flush()], "E"],
    [[bind({ statement: "f" }), execute(), flush(), sync()], "Z"],
    [[flush(), sync(), flush()], "Z"],
  ],
  "Sync alone": [[[sync()], "Z"], [[sync(), sync(), sync()], "ZZZ"]],
  "Execute with a limit": [
    [[
      ...portal("SELECT generate_series(1, 5)", 2),
      execute({ rowsMax: 2 }),
      execute({ rowsMax: 2 }),
      execute(),
      sync(),
    ], "Z"],
    [[...portal("SELECT generate_series(1, 5)", 5), sync()], "Z"],
    [[execute(), sync()], "Z"],
    q("BEGIN"),
    [[
      parse("SELECT generate_series(1, 5)"),
      bind({ portal: "c" }),
      execute({ portal: "c", rowsMax: 3 }),
      sync(),
    ], "Z"],
    [[execute({ portal: "c", rowsMax: 1 }), sync()], "Z"],
    [[describe("P", "c"), execute({ portal: "c" }), close("P", "c"), execute({ portal: "c" }), sync()], "Z"],
    q("ROLLBACK"),
  ],
  "portals and cursors": [
    q("BEGIN", "DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id", "FETCH 2 FROM c"),
    [[describe("P", "c"), execute({ portal: "c", rowsMax: 1 }), close("P", "c"), sync()], "Z"],
    q("FETCH 1 FROM c"),
    q("COMMIT"),
  ],
  "statements prepared by SQL in one transaction": [
    q(
      "BEGIN",
      "PREPARE byhand AS SELECT v FROM t WHERE id = 1",
      "EXECUTE byhand",
      "DEALLOCATE byhand",
      "COMMIT",
    ),
  ],
  "transactions and savepoints": [
    q("BEGIN", "INSERT INTO t VALUES (40)", "SAVEPOINT a"),
    q("SELECT 1/0"),
    q("SELECT 1"),
    q("ROLLBACK TO a"),
    q("INSERT INTO t VALUES (41)", "RELEASE a", "COMMIT"),
    q("BEGIN", "SELECT 1/0", "COMMIT"),
    q("COMMIT"),
    q("START TRANSACTION READ ONLY", "INSERT INTO t VALUES (42)", "END"),
    q("BEGIN", "COMMIT AND CHAIN", "ROLLBACK"),
    q("SELECT count(*) FROM t"),
  ],
  "an error at commit": [
    q("BEGIN", "INSERT INTO child VALUES (1)", "COMMIT"),
    [[extendedQuery("INSERT INTO child VALUES (2)")], "Z"],
    [[...portal("INSERT INTO child VALUES (3)"), parse("SELECT 1", { name: "kept" }), sync()], "Z"],
    [[bind({ statement: "kept" }), execute(), sync()], "Z"],
  ],
  "an explicit transaction inside a pipeline": [
    [[
      ...portal("BEGIN"),
      ...portal("INSERT INTO t VALUES (50)"),
      sync(),
      ...portal("SELECT 1/0"),
      ...portal("SELECT 1"),
      sync(),
      ...portal("COMMIT"),
      sync(),
      ...portal("SELECT count(*) FROM t"),
      sync(),
    ], "ZZZZ"],
  ],
  "notices": [
    q("SELECT chatter(3)"),
    [[extendedQuery("SELECT chatter(2)")], "Z"],
    q("SET client_min_messages = error", "SELECT chatter(2)", "RESET client_min_messages"),
    q("COMMIT", "DROP TABLE IF EXISTS nothing"),
  ],
  "settings that the server reports": [
    q("SET application_name = 'diff'", "SET TimeZone = 'Asia/Tokyo'"),
    q("SELECT '2020-01-01 00:00+00'::timestamptz"),
    q("BEGIN", "SET LOCAL DateStyle = 'German'", "SELECT '2020-02-01'::date", "COMMIT"),
    q("SELECT '2020-02-01'::date"),
    q("BEGIN", "SET IntervalStyle = 'iso_8601'", "ROLLBACK"),
    q("SET client_encoding = latin1", "SELECT chr(252)"),
    q("SHOW application_name", "SHOW TimeZone", "SHOW client_encoding"),
    q("SET standard_conforming_strings = off", "SELECT 'a\\tb'"),
    q("SELECT set_config('search_path', 'pg_catalog, public', false)", "SHOW search_path"),
    q(
      "RESET TimeZone",
      "RESET client_encoding",
      "RESET application_name",
      "RESET standard_conforming_strings",
    ),
    q("SET TimeZone = 'Mars'", "SET client_encoding = 'x'"),
    q("RESET ALL", "SHOW TimeZone"),
  ],
  "a notification to oneself in a transaction": [
    q("BEGIN", "LISTEN ch", "NOTIFY ch, 'hello'", "NOTIFY ch, 'again'", "COMMIT"),
    q("BEGIN", "UNLISTEN *", "NOTIFY ch, 'nobody'", "COMMIT"),
  ],
  "FunctionCall": [
    [[functionCall(INT4PL, ["2", "3"])], "Z"],
    [[functionCall(INT4DIV, ["2", "0"])], "Z"],
    [[functionCall(INT4PL, ["2", null])], "Z"],
    [[functionCall(999_999)], "Z"],
    [[
      query("BEGIN"),
      functionCall(INT4PL, ["1", "1"]),
      functionCall(INT4DIV, ["2", "0"]),
      functionCall(INT4PL, ["1", "1"]),
      query("ROLLBACK"),
    ], "ZZZZZ"],
  ],
  "COPY out": [
    q(
      "COPY t TO STDOUT",
      "COPY (SELECT 1/0) TO STDOUT",
      "COPY (SELECT 10 / (3 - i) FROM generate_series(1, 5) i) TO STDOUT",
    ),
    [[extendedQuery("COPY t TO STDOUT (FORMAT binary)")], "Z"],
    q("COPY (SELECT) TO STDOUT; SELECT 1; COPY (VALUES (1)) TO STDOUT"),
    [[
      ...portal("COPY t TO STDOUT"),
      ...portal("SELECT 1"),
      sync(),
      ...portal("COPY (SELECT 1/0) TO STDOUT"),
      ...portal("SELECT 2"),
      sync(),
    ], "ZZ"],
  ],
  "COPY in, as simple query": [
    [[query(COPY_IN)], "G"],
    [[...rows, copyDone()], "Z"],
    [[query(`${COPY_IN}; SELECT count(*) FROM t; COPY log (v) FROM STDIN; SELECT count(*) FROM log`)], "G"],
    [[copyData("13\tc\n"), copyDone()], "G"],
    [[copyData("entry\n"), copyDone()], "Z"],
    [[query(COPY_IN), copyData("14\td\n"), copyDone(), query("SELECT count(*) FROM t")], "GZZ"],
    [[query(COPY_IN)], "G"],
    [[flush(), sync(), copyData("15\te\n"), flush(), sync(), copyDone()], "Z"],
    q("SELECT count(*) FROM t"),
  ],
  "COPY in that fails, as simple query": [
    [[query(COPY_IN)], "G"],
    [[copyFail("changed my mind")], "Z"],
    [[query(COPY_IN)], "G"],
    [[...bad, ...rows, copyDone()], "Z"],
    [[query(COPY_IN), ...bad, copyFail("too late"), query("SELECT count(*) FROM t")], "GZZ"],
    [[query("COPY missing FROM STDIN"), ...rows, copyDone(), query("SELECT 1")], "ZZ"],
    q("BEGIN", "ALTER TABLE t ENABLE TRIGGER early"),
    [[query(COPY_IN), ...rows, copyDone(), query("ROLLBACK")], "GZZ"],
    [[copyData("stray"), copyDone(), copyFail("stray"), query("SELECT count(*) FROM t")], "Z"],
  ],
  "COPY in, as extended query": [
    [[parse(COPY_IN), bind(), describe("P"), execute(), flush()], "G"],
    [[...rows, copyDone(), sync()], "Z"],
    [[...portal(COPY_IN), copyData("13\tc\n"), copyDone(), ...portal("SELECT count(*) FROM t"), sync()], "Z"],
    [[parse(COPY_IN, { name: "load" }), sync()], "Z"],
    [[bind({ statement: "load" }), execute(), flush()], "G"],
    [[copyData("14\td\n"), copyDone(), sync()], "Z"],
    q("SELECT count(*) FROM t"),
  ],
  "COPY in with Sync sent behind its Execute, as libpq does": [
    [[...portal(COPY_IN), sync()], "G"],
    [[...rows], ""],
    [[copyDone(), sync()], "Z"],
    [
      [...portal(COPY_IN), sync(), copyData("13\tc\n"), copyDone(), sync(), query("SELECT count(*) FROM t")],
      "ZZ",
    ],
    [[...portal(COPY_IN), sync()], "G"],
    [[copyFail("no"), sync()], "Z"],
    [[...portal(COPY_IN), sync()], "G"],
    [[...bad], "E"],
    [[copyDone(), sync()], "Z"],
    [[...portal(COPY_IN), sync()], "G"],
    [[...bad, ...rows, copyDone(), sync(), query("SELECT count(*) FROM t")], "ZZ"],
    [[...portal("COPY missing FROM STDIN"), sync()], "Z"],
  ],
  "COPY in that fails, as extended query": [
    [[...portal(COPY_IN), flush()], "G"],
    [[copyFail("changed my mind"), ...portal("SELECT 1"), sync()], "Z"],
    [[
      ...portal(COPY_IN),
      ...bad,
      copyDone(),
      ...portal("SELECT 1"),
      sync(),
      ...portal("SELECT count(*) FROM t"),
      sync(),
    ], "ZZ"],
    [[...portal(COPY_IN), ...bad, copyFail("late"), sync()], "Z"],
    [[
      parse("SELECT 1", { name: "n" }),
      ...portal(COPY_IN),
      ...bad,
      copyDone(),
      parse("SELECT 2", { name: "m" }),
      sync(),
    ], "Z"],
    [[bind({ statement: "n" }), execute(), sync(), bind({ statement: "m" }), execute(), sync()], "ZZ"],
  ],
  "COPY in that fails before it reads the Sync behind its Execute": [
    q("BEGIN", "ALTER TABLE t ENABLE TRIGGER early"),
    [[...portal(COPY_IN), sync()], "Z"],
    [[...rows, copyDone(), sync()], "Z"],
    q("ROLLBACK"),
  ],
  "a query where COPY data is due": [
    [[query(COPY_IN)], "G"],
    [[query("SELECT 'not data'")], "."],
  ],
  "DISCARD, DEALLOCATE and RESET": [
    [[parse("SELECT 1", { name: "d" }), sync()], "Z"],
    q("DEALLOCATE ALL"),
    [[bind({ statement: "d" }), sync()], "Z"],
    [[parse("SELECT 1", { name: "d" }), sync()], "Z"],
    q("SET TimeZone = 'Asia/Tokyo'", "DISCARD ALL", "SHOW TimeZone"),
    [[bind({ statement: "d" }), sync()], "Z"],
    q("DISCARD PLANS; DISCARD SEQUENCES", "BEGIN", "DISCARD ALL", "ROLLBACK"),
  ],
  "DEALLOCATE ALL that is parsed and described, and not run": [
    [[parse("SELECT 5", { name: "kept" }), sync()], "Z"],
    [[
      parse("DEALLOCATE ALL", { name: "all" }),
      describe("S", "all"),
      bind({ statement: "kept" }),
      execute(),
      sync(),
    ], "Z"],
    [[bind({ statement: "all" }), execute(), sync(), bind({ statement: "kept" }), sync()], "ZZ"],
  ],
  "a name that SQL prepared, taken anew behind DEALLOCATE ALL in one batch": [
    q("PREPARE taken AS SELECT 28"),
    [[
      ...portal("DEALLOCATE ALL"),
      parse("SELECT 'anew'", { name: "taken" }),
      bind({ statement: "taken" }),
      execute(),
      sync(),
    ], "Z"],
    q("EXECUTE taken"),
  ],
  "a simple query behind a batch without Sync": [
    q("PREPARE sql AS SELECT 7", "LISTEN news"),
    [[parse("SELECT 8", { name: "named" }), sync()], "Z"],
    ...["EXECUTE sql", "EXECUTE named", "UNLISTEN news", "SELECT name FROM pg_prepared_statements ORDER BY 1"]
      .flatMap(
        (sql): Step[] => [
          [[...portal("INSERT INTO t VALUES (70)"), query(`${sql}; SELECT 1/0`), sync()], "ZZ"],
          [[execute({ portal: "none" }), query(`INSERT INTO t VALUES (71); ${sql}`), sync()], "Z"],
          q("SELECT id FROM t WHERE id >= 70"),
        ],
      ),
  ],
  "a Sync right behind COPY data that are bad, and another batch": [
    [
      [...portal(COPY_IN), ...bad, sync(), parse("SELECT 4", { name: "behind" }), sync(), query("SELECT 1")],
      "ZZZ",
    ],
    [[
      ...portal(COPY_IN),
      ...bad,
      sync(),
      bind({ statement: "nobody" }),
      execute(),
      sync(),
      query("SELECT 2"),
    ], "ZZZ"],
    [[query(COPY_IN), ...bad, sync(), query("SELECT 3")], "ZZZ"],
  ],
  "a Flush with a body": [
    [[MALFORMED_FLUSH, parse("SELECT 1"), sync()], "Z"],
    [[...portal("SELECT 2"), MALFORMED_FLUSH, ...portal("SELECT 3"), sync(), query("SELECT 4")], "ZZ"],
    q("BEGIN"),
    [[MALFORMED_FLUSH, query("SELECT 5"), sync()], "Z"],
    q("ROLLBACK"),
    [[query(COPY_IN), MALFORMED_FLUSH, ...rows, copyDone()], "Z"],
  ],
  "the prepared statements behind the end of an aborted transaction": [
    q("BEGIN", "SELEC", "COMMIT; SELECT name, statement FROM pg_prepared_statements"),
  ],
  "large rows and large parameters": [
    q("SELECT repeat('x', 300000), i FROM generate_series(1, 5) i"),
    [[extendedQuery("SELECT length($1), $1", ["y".repeat(500_000)])], "Z"],
    q(`SELECT length('${"z".repeat(300_000)}')`),
    q("SELECT i, repeat('r', i % 50) FROM generate_series(1, 20000) i"),
  ],
  "long error messages": [
    q("DO $$ BEGIN RAISE EXCEPTION '%', repeat('long ', 20000) USING DETAIL = repeat('d', 50000); END $$"),
    q("DO $$ BEGIN RAISE EXCEPTION 'custom' USING ERRCODE = 'ZZ001', HINT = 'none', TABLE = 't'; END $$"),
  ],
  "the end by Terminate behind a query": [
    [[query("INSERT INTO t VALUES (60); SELECT count(*) FROM t, pg_sleep(0.05)"), terminate()], "."],
  ],
  "the end by Terminate behind a batch without Sync": [
    [[parse("INSERT INTO t VALUES (61)"), bind(), execute(), terminate()], "."],
  ],
  "the end by the server, for its own limit of time": [
    q("SET idle_in_transaction_session_timeout = '50ms'"),
    q("BEGIN"),
    [[], "."],
  ],
};

/** The table of conversations. */
export const SCRIPTS: readonly Script[] = Object.entries(table).map(([name, steps]) => ({ name, steps }));
