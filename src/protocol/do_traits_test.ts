import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { doTraits } from "./do_traits.ts";
import { type SqlTraits, sqlTraits } from "./sql_traits.ts";

/** What is known of this DO, and of no other. */
function traits(sql: string, backslashes = false): SqlTraits {
  return doTraits(sql, sqlTraits(sql, backslashes), backslashes);
}

/** A DO with this between BEGIN and END. */
const block = (body: string) => `DO $$ BEGIN ${body} END $$`;

const HARMLESS: readonly string[] = [
  block(""),
  block("NULL;"),
  block("UPDATE t SET a = 1; SELECT count(*) INTO n FROM t;"),
  block("SET LOCAL work_mem = 1; SET CONSTRAINTS ALL DEFERRED;"),
  block("PERFORM pg_advisory_xact_lock(1), set_config('a.b', 'x', true);"),
  block("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING; COMMIT;"),
  block("RAISE NOTICE 'SET ROLE x'; -- SET ROLE x"),
  "DO $$ DECLARE c CURSOR FOR SELECT 1; BEGIN OPEN c; CLOSE c; END $$",
  "do $body$ BEGIN PERFORM $$; SET ROLE x$$; END $body$;",
  "/* SET ROLE x */ DO 'BEGIN PERFORM ''; SET ROLE x''; END' -- c",
];

/** By their own words. */
const STATEFUL: readonly string[] = [
  block("SET ROLE x;"),
  block("IF true THEN SET work_mem = 1; END IF;"),
  block("RESET ALL;"),
  block("EXECUTE 'SET ROLE ' || a;"),
  block("CREATE TABLE t (a int);"),
  block("CREATE TEMP TABLE t (a int);"),
  block("LISTEN a;"),
  block("PERFORM set_config('a.b', 'x', false);"),
  block("PERFORM pg_advisory_lock(1);"),
  block("PERFORM query_to_xml('SELECT 1', true, true, '');"),
  block("PERFORM nextval('s');"),
  block(`PERFORM U&"x" UESCAPE '!' (1);`),
  block("RETURN 'a\\'; SET ROLE x; --';"),
  "DO 'BEGIN PERFORM ''x''; SET ROLE y; END'",
  "DO $a$ BEGIN PERFORM $$x$$; SET ROLE y; END $a$",
];

/** Whose body is not read as it stands here. */
const NOT_READ: readonly string[] = [
  "DO LANGUAGE plpgsql $$ BEGIN NULL; END $$",
  "DO $$ BEGIN NULL; END $$ LANGUAGE plpythonu",
  "DO E'BEGIN NULL; END'",
  "DO e'BEGIN \\x53ET ROLE x; END'",
  "DO 'BEGIN \\ NULL; END'",
  "DO U&'BEGIN !0053ET ROLE x; END' UESCAPE '!'",
  "DO U&'BEGIN \\0053ET ROLE x; END'",
  "DO 'BEGIN NULL;'\n' SET ROLE x; END'",
  "DO $$ BEGIN NULL; END",
  "DO",
];

Deno.test("doTraits: a DO sets temp_buffers by SET, or by set_config", () => {
  for (
    const [sql, sets] of [
      ["DO $$ BEGIN SET temp_buffers = 100; END $$", true],
      ["DO $$ BEGIN PERFORM set_config('temp_buffers', '100', false); END $$", true],
      ["DO $$ BEGIN RAISE NOTICE 'x'; END $$", false],
    ] as const
  ) equal(traits(sql).setsTempBuffers, sets, sql);
});

Deno.test("doTraits lets pass a body that changes nothing by its words, and calls nothing", () => {
  for (const sql of HARMLESS) {
    const { stateful, anything, calls, setsByFunction, setsPath, sticky, reach: { defines } } = traits(sql);
    deepEqual(
      { stateful, anything, calls, setsByFunction, setsPath, sticky, defines },
      {
        stateful: false,
        anything: false,
        calls: [],
        setsByFunction: false,
        setsPath: false,
        sticky: [],
        defines: false,
      },
      sql,
    );
  }
});

Deno.test("doTraits takes a body that may change state for one that may change anything", () => {
  for (const sql of STATEFUL) {
    const { stateful, anything, setsByFunction, setsPath, reach: { defines } } = traits(sql);
    deepEqual([stateful, anything, setsByFunction, setsPath, defines], Array(5).fill(true), sql);
  }
});

Deno.test("doTraits reads no body in another language, and none that would have to be unescaped: it may do anything", () => {
  for (const sql of NOT_READ) {
    const generic = sqlTraits(sql);
    deepEqual(traits(sql), { ...generic, hasBody: false }, sql);
    deepEqual([generic.stateful, generic.anything], [true, true], sql);
  }
  equal(traits("DO 'BEGIN \\'; SET ROLE x; --'; END'", true).anything, true);
});

Deno.test("doTraits names what a body calls, for the catalogue to say what that does", () => {
  const { stateful, anything, calls, setsByFunction, setsPath, namesSettings } = traits(
    block("PERFORM app.f(g(1)), lower('x'); CALL p();"),
  );
  deepEqual([stateful, anything, calls], [false, false, ["f", "g", "p"]]);
  deepEqual([setsByFunction, setsPath, namesSettings], [true, true, true]);
});

Deno.test("doTraits tells what of a body no probe sees, and what it does with sequences", () => {
  deepEqual(traits(block("x := dblink_connect('a');")).sticky, ["dblink"]);
  deepEqual(traits(block("PERFORM setseed(0.5); LOAD 'x';")).sticky, ["setseed", "load"]);
  deepEqual(traits(block("EXECUTE 'SELECT setseed(0.5)';")).sticky, ["setseed"]);
  deepEqual(traits(`DO LANGUAGE plperl 'spi_exec_query("SELECT setseed(0.5)")'`).sticky, ["setseed"]);
  equal(traits(block("PERFORM nextval('s');")).sequences, "advance");
  equal(traits(block("PERFORM nextval('s'), currval('s');")).sequences, "read");
  equal(traits(block("NULL;")).sequences, null);
});

Deno.test("doTraits tells a body that writes, and one that may roll back, from others", () => {
  deepEqual([block("UPDATE t SET a = 1;"), block("NULL;")].map((sql) => traits(sql).reach.writes), [
    true,
    false,
  ]);
  deepEqual([block("ROLLBACK;"), block("NULL;")].map((sql) => traits(sql).rollsBack), [true, false]);
});

Deno.test("doTraits is shown as any other DO, and is its own: it has no body that is still to be read", () => {
  const { text, hasBody, neutral } = traits(block("NULL;"));
  deepEqual([text, hasBody, neutral], ["DO ?", false, false]);
});
