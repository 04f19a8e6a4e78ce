import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { SessionEffect } from "./server_functions.ts";
import { isTakenForHarmless, setsLocally, sqlCalls } from "./sql_calls.ts";
import { sqlWords } from "./sql_tokens.ts";
import { sqlTraits } from "./sql_traits.ts";

/** What a text calls by name, of which the catalogue must tell. */
const CALLS: readonly (readonly [sql: string, names: readonly string[]])[] = [
  ["SELECT f()", ["f"]],
  ["SELECT f(g(1)), F (2), app.f(3)", ["f", "g"]],
  ["SELECT my.count(*) FROM t", ["count"]],
  ["select * from t where check_it(a)", ["check_it"]],
  ["INSERT INTO t (a) VALUES (f(1))", ["f"]],
  ['SELECT "Odd"(1)', ["Odd"]],
  ["WITH q AS (SELECT g(x) FROM t) SELECT count(*) FROM q", ["g"]],
  ["SELECT * FROM a JOIN b ON set_it(a.x)", ["set_it"]],
  ["SELECT treat(a AS t)", ["treat"]],
  ["CALL app.p(1)", ["p"]],
  ["SELECT my.set_config('a', 'b', true)", ["set_config"]],
  ["SELECT my.pg_advisory_xact_lock(1)", ["pg_advisory_xact_lock"]],
  ["SELECT pg_catalog.not_there(1)", ["not_there"]],
];

/** What the server's own functions may leave behind. */
const EFFECTS: readonly (readonly [sql: string, effects: readonly SessionEffect[]])[] = [
  ["SELECT query_to_xml('SELECT 1', true, true, '')", ["runs sql"]],
  ["SELECT pg_catalog.table_to_xml('t', true, true, '')", ["runs sql"]],
  ["SELECT * FROM pg_create_physical_replication_slot('s', true, true)", ["slot"]],
  ["SELECT pg_backup_start('x')", ["backup"]],
  ["SELECT coalesce(a, set_config('a', 'b', false), set_config('a', 'b', true)) FROM t", ["setting"]],
  ["SELECT pg_catalog.PG_ADVISORY_LOCK(1), setseed(0.5)", ["lock", "seed"]],
  ["SELECT nextval('s'), currval('s')", ["sequence advance", "sequence read"]],
];

const NO_CALLS: readonly string[] = [
  "SELECT abalance FROM pgbench_accounts WHERE aid = 1",
  "INSERT INTO pgbench_history (tid, bid) VALUES (1, 2)",
  "INSERT INTO s.t (a, b) SELECT a, count(*) FROM u GROUP BY a",
  "SELECT pg_catalog.lower(a), coalesce(b, now()), a IN (1, 2) FROM t WHERE (a = 1) AND (b = 2)",
  "COPY t (a, b) FROM STDIN",
  "WITH q (a) AS (VALUES (1)) SELECT sum(a) OVER (PARTITION BY a) FROM q",
  "SELECT pg_size_pretty(pg_database_size('d')), int4pl(1, 2), pg_catalog.pg_stat_clear_snapshot()",
  "SELECT current_timestamp(3), xmltable('/a' PASSING b COLUMNS c int), json_value(a, '$.b') FROM t TABLESAMPLE system (1)",
  "SELECT pg_advisory_xact_lock(1), pg_catalog.set_config('a', lower(b), true) FROM t",
  "SELECT a::numeric(10, 2), CAST(b AS varchar(3)) FROM t JOIN u USING (a)",
];

/** Effects and names, each as a list. */
function calls(sql: string) {
  const { effects, names } = sqlCalls(sqlWords(sql));
  return { effects: [...effects], names };
}

Deno.test("sqlCalls names what is not the server's own, once, for the catalogue to say what it does", () => {
  for (const [sql, names] of CALLS) {
    deepEqual(calls(sql), { effects: [], names }, sql);
    const { stateful, anything, setsByFunction, calls: named } = sqlTraits(sql);
    deepEqual([stateful, anything, setsByFunction, named], [false, false, true, names], sql);
  }
});

Deno.test("sqlCalls tells what the server's own functions may leave behind, which makes a text stateful but for sequences", () => {
  for (const [sql, effects] of EFFECTS) {
    deepEqual(calls(sql), { effects, names: [] }, sql);
    equal(sqlTraits(sql).stateful, true, sql);
  }
  equal(sqlTraits("SELECT nextval('s')").stateful, false);
});

Deno.test("A function that runs any SQL, or whose doings nobody knows, may leave anything behind", () => {
  for (const sql of ["SELECT query_to_xml($1, true, true, '')", "SELECT ts_stat('SELECT 1')"]) {
    equal(sqlTraits(sql).anything, true, sql);
  }
  equal(sqlTraits("SELECT plpgsql_validator(1)").anything, true);
  equal(sqlTraits("SELECT pg_advisory_lock(1)").anything, false);
});

Deno.test("Lists of columns, keywords, types and harmless functions of the catalogue are no reason to probe", () => {
  for (const sql of NO_CALLS) {
    deepEqual(calls(sql), { effects: [], names: [] }, sql);
    const { stateful, setsByFunction } = sqlTraits(sql);
    deepEqual([stateful, setsByFunction], [false, false], sql);
  }
});

Deno.test("isTakenForHarmless names all by which a text may call a database's own function without asking what it is", () => {
  const harmless = ["values", "lower", "coalesce", "uuidv7", "nextval", "int4pl"];
  for (const name of [...harmless, "set_config", "currval", "setseed", "query_to_xml"]) {
    equal(isTakenForHarmless(name), true, name);
  }
  for (const name of ["f", "Lower", "toString", "treat", "dblink_connect"]) {
    equal(isTakenForHarmless(name), false, name);
  }
});

Deno.test("setsLocally sees a third and last argument that is the word true", () => {
  const calls: readonly (readonly [sql: string, local: boolean])[] = [
    ["set_config('a', 'b', true)", true],
    ["SET_CONFIG($1, /* , */ f(x, ARRAY[1, 2]) || ')', TRUE )::text", true],
    ["set_config('a', 'b', false)", false],
    ["set_config('a', 'b', $1)", false],
    ["set_config('a', 'b', 'true')", false],
    ["set_config('a', 'b', not true)", false],
    ["set_config('a', 'b', is_local => true)", false],
    ["set_config('a', 'b', \"true\")", false],
    ["set_config('a', 'b', true or $1)", false],
    ["set_config('a', f(true, true, true))", false],
    ["set_config('a', 'b', 'c', true)", false],
    ["set_config('a', true)", false],
    ["set_config('a', 'b', true", false],
    [`set_config('a', ${"x || ".repeat(400)}'b', true)`, false],
    ["set_config", false],
  ];
  for (const [sql, local] of calls) equal(setsLocally(sqlWords(sql), 0), local, sql);
});

Deno.test("sqlCalls takes what stands behind ON for a table where an index is made, and for a condition elsewhere", () => {
  const named = (sql: string) => sqlCalls(sqlWords(sql)).names;
  deepEqual(named("CREATE UNIQUE INDEX i ON t (f(a)); SELECT 1 FROM a JOIN b ON g(a.x)"), ["f", "g"]);
  deepEqual(named("CREATE INDEX ON t (a)"), []);
  deepEqual(named("CREATE TABLE t AS SELECT 1 FROM a JOIN b ON g(a.x)"), ["g"]);
  deepEqual(named("CREATE TEMP TABLE t (a int) ON COMMIT DROP; SELECT 1 FROM a JOIN b ON g(a.x)"), ["g"]);
});
