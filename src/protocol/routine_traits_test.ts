import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type RoutineLanguage, routineTraits } from "./routine_traits.ts";

/** Sources that change session state by their own words. */
const STATEFUL: readonly (readonly [language: RoutineLanguage, source: string])[] = [
  ["plpgsql", "BEGIN SET ROLE x; END"],
  ["plpgsql", "BEGIN IF NEW.a = 1 THEN set session authorization x; END IF; END"],
  ["plpgsql", "BEGIN LOOP RESET ALL; END LOOP; END"],
  ["plpgsql", "BEGIN CASE 1 WHEN 1 THEN NULL; ELSE DISCARD ALL; END CASE; END"],
  ["plpgsql", "<<outer>> SET a = 1; BEGIN END"],
  ["plpgsql", "BEGIN NULL; EXCEPTION WHEN others THEN LISTEN a; END"],
  ["plpgsql", "BEGIN EXECUTE 'SET ROLE ' || a; END"],
  ["plpgsql", "BEGIN FOR r IN EXECUTE 'x' LOOP NULL; END LOOP; END"],
  ["plpgsql", "BEGIN CREATE TABLE t (a int); END"],
  ["plpgsql", "BEGIN CREATE TEMP TABLE t (a int); END"],
  ["plpgsql", "BEGIN INSERT INTO pg_temp.t VALUES (1); END"],
  ["plpgsql", 'BEGIN RETURN U&"\\0061"(); END'],
  ["plpgsql", "BEGIN RETURN 'a\\'; SET ROLE x; --'; END"],
  ["plpgsql", "BEGIN RETURN '\\'; RETURN '; SET ROLE x; --'; END"],
  ["plpgsql", "BEGIN UPDATE pg_settings SET setting = v WHERE name = n; END"],
  ["sql", "SET ROLE x"],
  ["sql", "SELECT 1; /* c */ PREPARE s AS SELECT 1"],
  ["sql", "DECLARE c CURSOR WITH HOLD FOR SELECT 1"],
  ["sql", "SELECT 1 AS a INTO t"],
  ["sql", "WITH q AS (SELECT 1 AS a) SELECT a INTO t FROM q"],
  ["plpgsql", "BEGIN FOR r IN EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1 LOOP NULL; END LOOP; END"],
  ["body", "CREATE OR REPLACE FUNCTION f()\n BEGIN ATOMIC\n CREATE TABLE t (a int); END"],
];

const HARMLESS: readonly (readonly [language: RoutineLanguage, source: string])[] = [
  ["plpgsql", "DECLARE n int; BEGIN NEW.at := now(); SELECT 1 INTO n; UPDATE t SET a = 1; RETURN NEW; END"],
  ["plpgsql", "BEGIN INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1; END"],
  ["plpgsql", "BEGIN SET LOCAL ROLE x; SET CONSTRAINTS ALL DEFERRED; CLOSE c; CALL p(); END"],
  ["plpgsql", "BEGIN RAISE NOTICE 'SET ROLE x'; -- SET ROLE x\n RETURN $q$; SET ROLE x$q$; END"],
  ["plpgsql", "DECLARE load int; BEGIN load := 1; reset = 2; prepare[1] := 3; set.a := 4; END"],
  ["plpgsql", "BEGIN MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET a = 1; END"],
  ["sql", "INSERT INTO t SELECT 1; SELECT 2"],
  ["sql", "INSERT INTO t SELECT setting FROM pg_settings"],
  ["body", "CREATE OR REPLACE FUNCTION f()\n SET search_path TO 'x'\n BEGIN ATOMIC\n SELECT 1;\nEND"],
  ["body", "CREATE OR REPLACE FUNCTION f()\n LANGUAGE sql\nRETURN lower(a)"],
];

Deno.test("routineTraits finds what changes session state wherever a statement can begin", () => {
  for (const [language, source] of STATEFUL) equal(routineTraits(source, language).stateful, true, source);
});

Deno.test("routineTraits lets pass what ends with the transaction, the SET of an UPDATE, and what is only quoted", () => {
  for (const [language, source] of HARMLESS) equal(routineTraits(source, language).stateful, false, source);
});

Deno.test("routineTraits names what may be called: before a parenthesis, and behind a point", () => {
  const { calls } = routineTraits('BEGIN RETURN s."F"(NEW.a) + G (1) + h; END', "plpgsql");
  deepEqual([...calls].sort(), ["F", "a", "g"]);
});

Deno.test("routineTraits tells who writes from who reads", () => {
  const writes = (source: string) => routineTraits(source, "plpgsql").writes;
  equal(writes("BEGIN SELECT 1 FROM t FOR NO KEY UPDATE; PERFORM 1; END"), false);
  equal(writes("BEGIN GRANT SELECT ON t TO a; END"), true);
  equal(writes("BEGIN IF a THEN COMMENT ON TABLE t IS 'x'; END IF; END"), true);
  equal(writes("BEGIN comment := 'x'; security.a = 1; RETURN grant; END"), false);
  equal(writes("BEGIN WITH q AS (UPDATE t SET a = 1 RETURNING a) SELECT a INTO b FROM q; END"), true);
});

Deno.test("routineTraits says that a source names temp_buffers, in words or in a literal", () => {
  for (
    const source of ["BEGIN SET temp_buffers = '2MB'; END", "SELECT set_config('temp_buffers', '2MB', false)"]
  ) {
    equal(routineTraits(source, "plpgsql").sticky.includes("temp buffers"), true, source);
  }
  equal(routineTraits("SELECT set_config('work_mem', '2MB', false)", "sql").sticky.length, 0);
});

Deno.test("routineTraits reads strings of what runs any SQL, and other languages, for what no probe sees", () => {
  const sticky = (source: string, language: RoutineLanguage) => routineTraits(source, language).sticky;
  deepEqual(sticky("BEGIN EXECUTE 'SELECT setseed(1)'; END", "plpgsql"), ["setseed"]);
  deepEqual(sticky("BEGIN RAISE 'no setseed(1)'; END", "plpgsql"), []);
  deepEqual(sticky(`spi_exec_query("SELECT setseed(1)")`, "other"), ["setseed"]);
  deepEqual([routineTraits("return 1", "other").stateful, sticky("return 1", "other")], [true, []]);
});

Deno.test("routineTraits says that what a source calls may be planned by settings that hold for a while", () => {
  const cases: readonly [string, boolean][] = [
    ["BEGIN SET LOCAL TimeZone = 'UTC'; RETURN at(); END", true],
    ["BEGIN PERFORM set_config('extra_float_digits', '0', true); RETURN at(); END", true],
    ["BEGIN PERFORM set_config(a, b, true); RETURN at(); END", true],
    ["BEGIN SET LOCAL work_mem = '5MB'; RETURN at() AT TIME ZONE 'UTC'; END", false],
  ];
  for (const [source, is] of cases) {
    equal(routineTraits(source, "plpgsql").sticky.includes("plans"), is, source);
  }
});
