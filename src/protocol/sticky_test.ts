import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { sqlWords } from "./sql_tokens.ts";
import { setsSeed, type Sticky, stickyIn, stickyWithin } from "./sticky.ts";

const STICKY: readonly (readonly [sql: string, sticky: readonly Sticky[]])[] = [
  ["LOAD 'x'", ["load"]],
  ["SELECT 1; load 'x'", ["load"]],
  ["BEGIN IF a THEN LOAD 'x'; END IF; END", ["load"]],
  ["SET seed = 0.5", ["setseed"]],
  ["SET SESSION seed TO 0.5", ["setseed"]],
  ['SET LOCAL "Seed" TO 0.5', ["setseed"]],
  ["BEGIN IF a THEN SET seed = 0.5; END IF; END", ["setseed"]],
  ["SELECT pg_catalog.SETSEED(0.5)", ["setseed"]],
  ['SELECT "setseed"(0.5)', ["setseed"]],
  ["SELECT dblink_connect('a')", ["dblink"]],
  ["SELECT (0.5::float8).setseed, ('a'::text).\"dblink_connect\"", ["setseed", "dblink"]],
  ["SELECT ext.dblink_connect_u('a', 'b')", ["dblink"]],
  ["SELECT isn_weak(true)", ["extension"]],
  ["SELECT accept_weak_input(true)", ["extension"]],
  ["SELECT pg_replication_origin_session_setup('o')", ["origin"]],
  ["SELECT pg_replication_origin_xact_setup('0/1', now())", ["origin"]],
  ["SELECT pg_replication_origin_session_reset()", ["origin over"]],
  ["SELECT pg_backup_start('x')", ["backup"]],
  ["SELECT pg_start_backup('x', false, false)", ["backup"]],
  ["SELECT * FROM pg_backup_stop()", ["backup over"]],
  ["SELECT pg_stop_backup(false)", ["backup over"]],
  ["SELECT setseed(0.1), setseed(0.2), dblink_connect('a')", ["setseed", "dblink"]],
];

const NOT_STICKY: readonly string[] = [
  "",
  "SELECT 1",
  "SELECT load FROM t",
  "SELECT a.load(1)",
  "SET work_mem = 1",
  "UPDATE t SET seed_value = 1",
  "UPDATE t SET seed = 1",
  "UPDATE t SET a = seed, seed = 1",
  "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET seed = 1",
  "SET a TO seed",
  "SELECT setseed FROM t",
  "SELECT 'setseed(0.5)'",
  "SELECT dblink('a', 'SELECT 1')",
  "SELECT dblink_disconnect('a')",
  "SELECT set_config('a', 'b', false), pg_advisory_lock(1)",
];

Deno.test("stickyIn finds what no probe sees and nothing takes back, once, in the order of the words", () => {
  for (const [sql, sticky] of STICKY) deepEqual(stickyIn(sqlWords(sql)), sticky, sql);
});

Deno.test("stickyIn finds nothing in what only mentions it, or what a probe sees", () => {
  for (const sql of NOT_STICKY) deepEqual(stickyIn(sqlWords(sql)), [], sql);
});

Deno.test("stickyWithin finds the same in strings of any language, and in no UPDATE and no call of another load", () => {
  for (
    const [source, sticky] of [
      [`BEGIN EXECUTE 'SELECT setseed(0.5)'; EXECUTE 'LOAD ''x'''; END`, ["setseed", "load"]],
      [`spi_exec_query("SET LOCAL seed TO 0.5"); spi_exec_query(q{load 'x'});`, ["setseed", "load"]],
      ["plpy.execute('''SELECT dblink_connect('a')''')", ["dblink"]],
      ["BEGIN EXECUTE 'LOAD $$auto_explain$$'; END", ["load"]],
      ["BEGIN EXECUTE 'LOAD $x$auto_explain$x$'; END", ["load"]],
      ["BEGIN EXECUTE $q$LOAD E'auto_explain'$q$; EXECUTE $q$ LOAD U&'auto_explain'$q$; END", ["load"]],
      ["BEGIN EXECUTE format('LOAD %L', a); EXECUTE format('LOAD %1$L', a); END", ["load"]],
      ["BEGIN EXECUTE 'LOAD/**/''auto_explain'''; END", ["load"]],
      ['plpy.execute(f"LOAD {library}")', ["load"]],
      ["BEGIN EXECUTE a; load := 1; load.x := 2; load[1] := 3; END", []],
      ["BEGIN EXECUTE a; RAISE NOTICE 'load %', load; a := load % 2; END", []],
      [`x = "UPDATE t SET seed = 1"; json.load(f); f("load it")`, []],
      ["", []],
    ] as const
  ) deepEqual(stickyWithin(source), sticky, source);
});

Deno.test("setsSeed finds the seed's name in quotes and in dollars, where set_config may take it", () => {
  const texts = [
    "SELECT set_config('Seed', '1', true)",
    "SELECT set_config($$seed$$, '1', true)",
    "SELECT 'seed'",
  ];
  deepEqual(texts.map(setsSeed), [true, true, false]);
});
