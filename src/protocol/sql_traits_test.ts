import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import {
  assignedIn,
  customSettingsIn,
  customSettingsInParameters,
  literalsLikeSettings,
  OPAQUE_TRAITS,
  prepareIn,
  type SqlTraits,
  sqlTraits,
} from "./sql_traits.ts";

const PLAIN = {
  neutral: false,
  stateful: false,
  resetsName: false,
  setsByFunction: false,
  makesTempSchema: false,
  sticky: [],
  sequences: null,
  statements: [],
  listsStatements: false,
  listens: null,
  notifies: false,
  listsChannels: false,
  rollsBack: false,
  altersDefaults: false,
};
const stateful = true;

/** What of its traits a text has that a plain SELECT has not. */
const TRAITS: readonly (readonly [sql: string, traits: Partial<SqlTraits>])[] = [
  ["SELECT 1", {}],
  ["INSERT INTO t VALUES ('SET ROLE x')", {}],
  ["SELECT 'x' AS set", {}],
  ['SELECT "set_config" FROM t', {}],
  ["WITH a AS (SELECT 1) SELECT * FROM a", {}],
  ["BEGIN", { neutral: true }],
  ["start transaction; SAVEPOINT a; RELEASE a; ROLLBACK TO a; END; abort", {
    neutral: true,
    rollsBack: true,
  }],
  ["COMMIT; SELECT 1", {}],
  ["BEGIN; SET x = 1", { stateful }],
  ["SET work_mem = 1", { stateful }],
  ["set session work_mem to 1", { stateful }],
  ["/* c */ SET ROLE x", { stateful }],
  ["/* a /* nested */ still */ SET ROLE x", { stateful }],
  ["-- c\nSET ROLE x", { stateful }],
  ["SELECT 1; SET ROLE x", { stateful }],
  ["-- it's a quote that ends this: '\nSET ROLE x", { stateful }],
  ["SET LOCAL work_mem = 1", {}],
  ["SET TRANSACTION READ ONLY", {}],
  ["SET CONSTRAINTS ALL DEFERRED", {}],
  ["SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", { stateful }],
  ["RESET work_mem", { stateful }],
  ["RESET application_name", { stateful, resetsName: true }],
  ["SET SESSION application_name TO DEFAULT", { stateful, resetsName: true }],
  ["SET application_name = 'default'", { stateful }],
  ["EXECUTE \xc3\x89T\xc3\xa9", { stateful, statements: ["\xc3\x89t\xc3\xa9"] }],
  [`EXECUTE ${"n".repeat(64)}`, { stateful, statements: ["n".repeat(63)] }],
  [`EXECUTE "${"n".repeat(62)}\xc3\xa9"`, { stateful, statements: ["n".repeat(62)] }],
  ['PREPARE U&"d\\0061t\\+000061" AS SELECT 1', { stateful, statements: ["data"] }],
  ['EXECUTE u&"\\00e9"', { stateful, statements: ["\xc3\xa9"] }],
  [`EXECUTE U&"d!0061ta!!" UESCAPE '!'`, { stateful, setsByFunction: true, statements: ["data!"] }],
  [`SELECT U&"x" UESCAPE '!' ('role')`, { stateful, setsByFunction: true }],
  ["UPDATE pg_settings SET setting = $1 WHERE name = $2", { stateful, setsByFunction: true }],
  [`UPDATE pg_catalog."pg_settings" SET setting = '1'`, { stateful, setsByFunction: true }],
  ["SELECT * FROM a JOIN b ON set_it(a.x)", { setsByFunction: true }],
  ["INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET (a, b) = (1, 2)", {}],
  ["DISCARD ALL", { stateful, resetsName: true, sequences: "discard" }],
  ["SELECT 1; reset all", { stateful, resetsName: true }],
  ["SELECT set_config('a.b', 'x', false)", { stateful, setsByFunction: true }],
  ["SELECT pg_catalog.SET_CONFIG($1, $2, $3)", { stateful, setsByFunction: true }],
  ["SELECT set_config('a.b', 'x', true)", {}],
  ["SELECT pg_catalog.set_config($1, current_setting('a.c'), TRUE)", { setsByFunction: true }],
  ["SELECT set_config('a.b', 'x', $1), set_config('a.b', 'x', true)", { stateful, setsByFunction: true }],
  [`SELECT "set_config"('a.b', 'x', false)`, { stateful, setsByFunction: true }],
  [`SELECT "set_config"('a.b', 'x', true)`, {}],
  ["SELECT s.set_config('a.b', 'x', true)", { setsByFunction: true }],
  ["PREPARE s AS SELECT 1", { stateful, statements: ["s"] }],
  ['PREPARE "Odd ""name" (int) AS SELECT $1', { stateful, setsByFunction: true, statements: ['Odd "name'] }],
  ["EXECUTE S(1)", { stateful, setsByFunction: true, statements: ["s"] }],
  ["CREATE TABLE c AS EXECUTE s", { stateful, statements: ["s"] }],
  ["EXPLAIN EXECUTE s", { stateful, statements: ["s"] }],
  ["DEALLOCATE PREPARE s; DEALLOCATE t", { stateful, statements: ["s", "t"] }],
  ["PREPARE TRANSACTION 'x'", {}],
  ["GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA s TO x", {}],
  ["DECLARE c CURSOR WITH HOLD FOR SELECT 1", { stateful }],
  ["CLOSE c", { stateful }],
  ["LISTEN a", { stateful, listens: "listen" }],
  ["UNLISTEN *", { stateful, listens: "unlisten" }],
  ["SELECT 1; unlisten b", { stateful, listens: "unlisten" }],
  ["NOTIFY a", { notifies: true }],
  ["BEGIN; NOTIFY a, 'b'; COMMIT", { notifies: true }],
  ["SELECT pg_catalog.PG_NOTIFY($1, 'x')", { notifies: true }],
  ["SELECT 'pg_notify', notify FROM listen", {}],
  ["SELECT pg_listening_channels()", { listsChannels: true }],
  ["LOAD 'x'", { stateful, sticky: ["load"] }],
  ["SELECT currval('s'), nextval('s')", { stateful, sequences: "read" }],
  ["SELECT nextval('s')", { sequences: "advance" }],
  [`SELECT pg_catalog."currval"('s'), "x"`, { stateful, sequences: "read" }],
  ["DISCARD SEQUENCES; SELECT nextval('s')", { stateful, sequences: "advance" }],
  ["DISCARD SEQUENCES", { stateful, sequences: "discard" }],
  ["SELECT setseed(0.5)", { stateful, sticky: ["setseed"] }],
  ["SET seed = 0.5", { stateful, sticky: ["setseed"] }],
  ["SELECT dblink_connect('a', 'b')", { setsByFunction: true, sticky: ["dblink"] }],
  ["SELECT dblink_connect_u('a')", { setsByFunction: true, sticky: ["dblink"] }],
  ["CREATE TEMP TABLE t (a int)", { stateful }],
  ["SELECT 1 INTO TEMPORARY t", { stateful }],
  ["CREATE TEMP TABLE t (a int) ON COMMIT DROP", { makesTempSchema: true }],
  ["BEGIN; create temporary table if not exists t (a int) on commit drop; COMMIT", { makesTempSchema: true }],
  ["CREATE TEMP TABLE t ON COMMIT DROP AS SELECT f(1)", { makesTempSchema: true, setsByFunction: true }],
  ["CREATE TEMP TABLE t ON COMMIT DROP AS SELECT * FROM pg_temp.u", { stateful, makesTempSchema: true }],
  ["CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS", { stateful }],
  ["CREATE TEMP SEQUENCE s", { stateful }],
  ["CREATE TEMP TABLE t (a int); CREATE TEMP TABLE u (a int) ON COMMIT DROP", {
    stateful,
    makesTempSchema: true,
  }],
  ["CREATE TEMP TABLE t (a int) ON COMMIT DROP; CREATE TEMP TABLE u (a int)", {
    stateful,
    makesTempSchema: true,
  }],
  ["CREATE TABLE t (a int) ON COMMIT DROP", { stateful }],
  ["SELECT 1 AS v INTO t", { stateful }],
  ["WITH q AS (SELECT 1 AS v) SELECT v INTO t FROM q", { stateful }],
  ["EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", { stateful }],
  ["SELECT pg_temp.f()", { stateful, setsByFunction: true }],
  ["SELECT pg_temp_3.f()", { stateful, setsByFunction: true }],
  ["SELECT pg_try_advisory_lock_shared(1)", { stateful }],
  ["SELECT pg_advisory_xact_lock(1), pg_catalog.pg_try_advisory_xact_lock_shared(1, 2)", {}],
  ["SELECT pg_advisory_xact_lock(1), pg_advisory_lock(1)", { stateful }],
  ["SELECT s.pg_advisory_xact_lock(1)", { setsByFunction: true }],
  ["DO $$ BEGIN END $$", { stateful }],
  ["CALL p()", { setsByFunction: true }],
  ["CREATE INDEX ON t (a)", { stateful }],
  ["ALTER ROLE a SET b = 1", { stateful, altersDefaults: true }],
  ["ALTER DATABASE a SET b = 1", { stateful, altersDefaults: true }],
  ["alter system set b = 1", { stateful, altersDefaults: true }],
  ["ALTER TABLE a ADD b int", { stateful }],
  ["SELECT * FROM pg_prepared_statements", { listsStatements: true }],
  ["", { neutral: true }],
  [" ; ", { neutral: true }],
];

Deno.test("sqlTraits tells a text that gives advisory locks back, which is not stateful for that", () => {
  const of = (text: string) => {
    const { unlocks, stateful, outlasts } = sqlTraits(text);
    return [unlocks, stateful, outlasts];
  };
  deepEqual(of("SELECT pg_advisory_unlock_all()"), [true, false, true]);
  deepEqual(of("SELECT pg_advisory_unlock(1), pg_advisory_lock(2)"), [true, true, true]);
  deepEqual(of("SELECT pg_advisory_xact_lock(1)"), [false, false, false]);
});

Deno.test("sqlTraits reads what a statement may do to session state", () => {
  for (const [sql, expected] of TRAITS) {
    const all: Readonly<Record<string, unknown>> = { ...sqlTraits(sql) };
    const traits = Object.fromEntries(Object.keys(PLAIN).map((name) => [name, all[name]]));
    deepEqual(traits, { ...PLAIN, ...expected }, sql);
  }
});

/** What may do more than any look finds, as nobody has read the name of what it sets; and what may not. */
const ANYTHING: readonly (readonly [sql: string, anything: boolean])[] = [
  ["LOAD 'x'", true],
  ["DO $$ BEGIN END $$", true],
  ["SELECT 1; DO ''", true],
  ["CREATE EXTENSION IF NOT EXISTS x", true],
  ["ALTER EXTENSION x UPDATE", true],
  ["EXECUTE s(1)", true],
  ["EXPLAIN EXECUTE s", true],
  ["PREPARE s AS SELECT 1", false],
  ["DEALLOCATE s", false],
  ["SELECT set_config('a.b', $1, false)", false],
  ["SELECT set_config($1, 'x', false)", true],
  ["SELECT set_config(/* 'a.b' */ $1, 'x', false)", true],
  ["SELECT set_config('a.' || b, 'x', false)", true],
  ["SELECT set_config(name, 'x', false) FROM t", true],
  ["SELECT set_config(setting_name => 'a.b', new_value => 'x', is_local => false)", true],
  ["SELECT set_config($1, 'x', true)", false],
  ["SELECT query_to_xml('SELECT 1', true, true, '')", true],
  [`SELECT U&"x" UESCAPE '!' ('role')`, true],
  ["SET ROLE x", false],
  ["SET a.b = 1", false],
  ["RESET ALL", false],
  ["CREATE TEMP TABLE t (a int)", false],
  ["SELECT f()", false],
];

Deno.test("sqlTraits tells what may set anything from what sets something by its name", () => {
  for (const [sql, anything] of ANYTHING) {
    const traits = sqlTraits(sql);
    equal(traits.anything, anything, sql);
    if (anything) equal(traits.stateful, true, sql);
  }
});

Deno.test("sqlTraits tells a text whose literals, which differ from run to run, must be read each time", () => {
  const names = (sql: string) => sqlTraits(sql).namesSettings;
  for (
    const sql of [
      "SHOW a.b",
      "SELECT current_setting($1)",
      "SELECT set_config('a.b', 'x', true)",
      "SET a.b = 1",
    ]
  ) {
    equal(names(sql), true, sql);
  }
  for (const sql of ["SELECT 1", "SELECT 'a.b'", "SELECT f('a.b')", "INSERT INTO t VALUES ('SHOW a.b')"]) {
    equal(names(sql), false, sql);
  }
  equal(sqlTraits("SELECT current_setting($1)").setsByFunction, true, "its name is in the parameters");
});

Deno.test("sqlTraits tells a DO, whose body is read apart, from what only holds one", () => {
  const has = (sql: string) => sqlTraits(sql).hasBody;
  for (const sql of ["DO ''", "do $$ BEGIN; END $$", "/* c */ DO LANGUAGE plpgsql '' ;"]) {
    equal(has(sql), true, sql);
  }
  for (
    const sql of [
      "SELECT 1",
      "SELECT 1; DO ''",
      "DO ''; SELECT 1",
      "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
    ]
  ) {
    equal(has(sql), false, sql);
  }
});

Deno.test("sqlTraits tells a CALL, by which a procedure may make routines and commit", () => {
  deepEqual(
    ["CALL p()", "call s.p(1)", "SELECT p()", "SELECT 'call'"].map((sql) => sqlTraits(sql).callsProcedure),
    [
      true,
      true,
      false,
      false,
    ],
  );
});

Deno.test("sqlTraits tells what may set the search_path, be it by its name, with all others, or as anything", () => {
  const PATHS: readonly (readonly [sql: string, sets: boolean])[] = [
    ["SET search_path = a", true],
    ["set session search_path to a", true],
    ["RESET search_path", true],
    ["RESET ALL", true],
    ["DISCARD ALL", true],
    ["SELECT set_config('search_path', 'a', false)", true],
    ["SELECT set_config($1, 'a', false)", true],
    ["LOAD 'x'", true],
    ["SET LOCAL search_path = a", false],
    ["SELECT 'search_path'", false],
    ["SET work_mem = 1", false],
    ["SET ROLE x", false],
    ["CREATE TABLE t (a int)", false],
    ["DROP TABLE t", false],
    ["LISTEN a", false],
    ["SELECT f()", false],
  ];
  for (const [sql, sets] of PATHS) equal(sqlTraits(sql).setsPath, sets, sql);
});

Deno.test("sqlTraits: a SET of temp_buffers is one wherever it stands in the text", () => {
  for (
    const text of [
      "SET temp_buffers = '2MB'",
      "set session temp_buffers to 100",
      "BEGIN; SET LOCAL temp_buffers = 100; COMMIT",
      "SELECT 1; SET temp_buffers = 100",
    ]
  ) equal(sqlTraits(text).setsTempBuffers, true, text);
  for (const text of ["SHOW temp_buffers", "SET a.b = 'temp_buffers'", "RESET temp_buffers"]) {
    equal(sqlTraits(text).setsTempBuffers, false, text);
  }
});

Deno.test("sqlTraits: a custom setting may be one of local, session, transaction or constraints", () => {
  for (
    const [sql, name] of [
      ["SET local.a = 'x'", "local.a"],
      ["SET transaction.a TO 5", "transaction.a"],
      ["SET /**/ constraints . a = 'x'", "constraints.a"],
      ["SET session.a = 'x'", "session.a"],
      ["SET SESSION local.a = 'x'", "local.a"],
    ] as const
  ) {
    const { stateful, sets } = sqlTraits(sql);
    deepEqual([stateful, sets], [true, [name]], sql);
  }
  const { stateful, sets } = sqlTraits("SET LOCAL local.a = 'x'");
  deepEqual([stateful, sets], [false, ["local.a"]]);
});

Deno.test("sqlTraits tells what a SET assigns by white space that servers know, and where no server cuts its name", () => {
  const assigns = (sql: string) => sqlTraits(sql).assigns;
  for (const sql of ["SET a.b = 'x'", "\tset\nSESSION\fa.b TO\r'it''s' ; ", `SET a.b='${" ".repeat(200)}'`]) {
    equal(assigns(sql), "a.b", sql);
    equal(assignedIn(sql) === null, false, sql);
  }
  for (
    const sql of [
      "SET a.b\xa0= 'x'",
      "SET\va.b = 'x'",
      "SET a.b =\v'x'",
      "SET\xa0a.b = 'x'",
      "SET a.b = 'x'\xa0",
      "SET a.b = 'x';;",
      "SET a.b = 'x\\'",
    ]
  ) {
    deepEqual([assigns(sql), assignedIn(sql)], [null, null], sql);
  }
  const longest = "n".repeat(63);
  equal(assigns(`SET ${longest}.${longest} = 'x'`), `${longest}.${longest}`);
  equal(assigns(`SET a.${longest}n = 'x'`), null);
});

Deno.test("sqlTraits: transaction and prepare may be names of prepared statements", () => {
  for (const sql of ["PREPARE transaction AS SELECT 1", "PREPARE transaction (int) AS SELECT $1"]) {
    const { stateful, statements, control } = sqlTraits(sql);
    deepEqual([stateful, statements, control], [true, ["transaction"], 0], sql);
  }
  deepEqual(sqlTraits("EXECUTE transaction").statements, ["transaction"]);
  deepEqual(sqlTraits("DEALLOCATE transaction").statements, ["transaction"]);
  deepEqual(sqlTraits("DEALLOCATE prepare; SELECT 1").statements, ["prepare"]);
  deepEqual(sqlTraits("DEALLOCATE PREPARE prepare").statements, ["prepare"]);
  deepEqual(sqlTraits("PREPARE TRANSACTION 'x'").statements, []);
  equal(
    prepareIn("PREPARE prepare AS SELECT 1; DEALLOCATE prepare; PREPARE prepare AS SELECT 2", "prepare")
      ?.trim(),
    "PREPARE prepare AS SELECT 2",
  );
});

Deno.test("sqlTraits knows nothing of what is too long, and takes it for everything", () => {
  const { stateful, anything, namesSettings, setsPath, setsByFunction, rollsBack, reach, text } =
    OPAQUE_TRAITS;
  deepEqual([stateful, anything, namesSettings, setsPath, setsByFunction, rollsBack], Array(6).fill(true));
  deepEqual(reach, { nothing: false, writes: true, defines: true, members: null });
  equal(text, "(a long statement)");
});

Deno.test("sqlTraits shows no literal and no comment, and no more than 200 characters", () => {
  const sql = "SELECT 'secret', E'secret\\'', $$secret$$, 4711 -- secret\n, /* secret */ \"a b\" FROM t";
  equal(sqlTraits(sql).text, 'SELECT ?, ?, ?, ? , "a b" FROM t');
  equal(sqlTraits("SELECT " + "a, ".repeat(500)).text.length <= 200, true);
});

Deno.test("sqlTraits never throws, and keeps what a statement says whatever stands before it", () => {
  const anything = fc.oneof(
    fc.string({ maxLength: 80, unit: "binary" }),
    fc.array(
      fc.constantFrom("'", '"', "$", "$$", "--", "/*", "*/", "\\", "E'", ";", " ", "\n", "set", "\xff"),
    )
      .map((parts) => parts.join("")),
  );
  fc.assert(fc.property(anything, (text) => {
    equal(typeof sqlTraits(text).stateful, "boolean");
    customSettingsIn(text);
    customSettingsInParameters(text);
    prepareIn(text, "s");
  }));
  const before = fc.constantFrom(
    "",
    "/* a */",
    "-- a\n",
    "/* /* b */ */",
    "SELECT 'a;';",
    "SELECT $x$;$x$ ;",
    "BEGIN;\n\t",
  );
  const statement = fc.constantFrom(
    "SET a.b = 1",
    "reset all",
    "DISCARD PLANS",
    "Do $$ $$",
    "LOAD 'a'",
  );
  fc.assert(fc.property(before, statement, (before, statement) => {
    equal(sqlTraits(before + statement).stateful, true, before + statement);
    deepEqual(sqlTraits(`${before}CALL p()`).calls, ["p"], before);
  }));
});

Deno.test("sqlTraits takes time in proportion to a text's length, whatever is open in it", () => {
  const worst = [
    "/*".repeat(32_000),
    Array.from({ length: 9000 }, (_, i) => `$a${i}$`).join(" "),
    "'a".repeat(32_001),
    "E'\\'".repeat(16_001),
    '"a'.repeat(32_001),
    "set a.".repeat(10_000),
    "set_config(".repeat(6000),
    `SET a.b = 'x'${" ".repeat(60_000)}x`,
    `SET a.b${" ".repeat(60_000)}x`,
    `SET a.b = '${"''".repeat(30_000)}`,
    `SET a.${"b".repeat(60_000)}`,
    "a".repeat(60_000),
    "\xc3\xa9".repeat(30_000),
    "1a".repeat(30_000),
  ];
  for (const text of worst) {
    const startMs = performance.now();
    sqlTraits(text);
    assignedIn(text);
    customSettingsIn(text);
    customSettingsInParameters(text);
    equal(performance.now() - startMs < 1000, true, text.slice(0, 20));
  }
});

Deno.test("customSettingsIn finds names in SET, SHOW and set_config, in lower case and without quotes", () => {
  const table: readonly (readonly [string, readonly string[]])[] = [
    ["SET myapp.user = 1", ["myapp.user"]],
    ["SET SESSION myapp.user TO 1", ["myapp.user"]],
    ["SET local MyApp.User='1'", ["myapp.user"]],
    ['SET "MyApp".User = 1', ["myapp.user"]],
    ['SET "MyApp"."User" = 1', ["myapp.user"]],
    ["SET a . b . c = 1", ["a.b.c"]],
    ["ALTER FUNCTION f() SET a.b = 'x'", ["a.b"]],
    ["SELECT set_config('A.b', 'c', false), set_config($1, 'd.e', true)", ["a.b", "d.e"]],
    ["SELECT current_setting('a.b', true)", ["a.b"]],
    ["SHOW MyApp.User", ["myapp.user"]],
    ['show "A" . "B"; SHOW c.d', ["a.b", "c.d"]],
    ["SHOW work_mem; SHOW ALL", []],
    ["SET a.b = 1; SHOW c.d", ["a.b", "c.d"]],
    ["SELECT 'a.b'", []],
    ["SET work_mem = 1", []],
    ["UPDATE t SET a = b.c", []],
  ];
  for (const [sql, names] of table) deepEqual(customSettingsIn(sql), names, sql);
});

Deno.test("literalsLikeSettings finds what may be a name in literals of any kind, whatever they are handed to", () => {
  deepEqual(literalsLikeSettings(`SELECT f('My.Name', 'no name', x.y, '{"a.b": 1.5}')`), [
    "my.name",
    "a.b",
  ]);
  deepEqual(literalsLikeSettings("SELECT f($$d.e$$, $q$ 'g.h' $q$, x.y, $1)"), ["d.e", "g.h", "x.y"]);
});

Deno.test("customSettingsInParameters finds anything that may be a name among a Bind's bytes", () => {
  deepEqual(customSettingsInParameters("\0\0\0\0\x08MyApp.id\0\0\0\x01x"), ["myapp.id"]);
  deepEqual(customSettingsInParameters("\0\0no name\0"), []);
  deepEqual(customSettingsInParameters("x a.1b.c, 2d.e f..g"), ["b.c", "d.e"]);
  const long = `app.${"n".repeat(70)}`;
  const lengthAndName = `\0\0\0${String.fromCharCode(long.length)}${long}\0\0\0\x01x`;
  equal(customSettingsInParameters(lengthAndName).includes(long), true, "its length looks like a letter");
});

Deno.test("prepareIn takes one PREPARE out of a query of several statements", () => {
  const table: readonly (readonly [query: string, name: string, sql: string | null])[] = [
    ["PREPARE a AS SELECT 1", "a", "PREPARE a AS SELECT 1"],
    ["SELECT 1; PREPARE a AS SELECT ';' ; SELECT 2", "a", "          PREPARE a AS SELECT ';' ;"],
    ["prepare A as select 1; PREPARE b AS SELECT 2;", "b", `${" ".repeat(23)}PREPARE b AS SELECT 2;`],
    ["prepare A as select 1", "a", "prepare A as select 1"],
    ['PREPARE "Odd ""name" AS SELECT 1', 'Odd "name', 'PREPARE "Odd ""name" AS SELECT 1'],
    ["/* x; y */ PREPARE a AS SELECT $$;$$", "a", "/* x; y */ PREPARE a AS SELECT $$;$$"],
    ["DO $$ BEGIN EXECUTE 'PREPARE a AS SELECT 1'; END $$", "a", null],
    ["PREPARE b AS SELECT 1", "a", null],
    ['PREPARE "A" AS SELECT 1', "a", null],
    ["PREPARE a AS SELECT 1;PREPARE a AS SELECT 2", "a", "PREPARE a AS SELECT 1;"],
    ["PREPARE a AS SELECT 1; SELECT 1/0; DEALLOCATE a", "a", "PREPARE a AS SELECT 1;"],
    [
      "PREPARE a AS SELECT 1;DEALLOCATE PREPARE a;PREPARE a AS SELECT 2",
      "a",
      `${" ".repeat(43)}PREPARE a AS SELECT 2`,
    ],
    ["SELECT '\xe2\x98\x83\n';PREPARE a AS SELECT 2", "a", "         \n  PREPARE a AS SELECT 2"],
    [`SELECT '${"x".repeat(10_000)}';PREPARE a AS SELECT 2`, "a", "PREPARE a AS SELECT 2"],
    ["PREPARE a AS SELECT 1;DISCARD ALL;PREPARE a AS SELECT 2", "a", "PREPARE a AS SELECT 1;"],
    [
      `PREPARE ${"n".repeat(70)} AS SELECT 1; SELECT 2`,
      "n".repeat(63),
      `PREPARE ${"n".repeat(70)} AS SELECT 1;`,
    ],
  ];
  for (const [query, name, sql] of table) equal(prepareIn(query, name), sql, query);
});

Deno.test("sqlTraits knows what no ROLLBACK takes back", () => {
  const outlasts = [
    "PREPARE p AS SELECT 1",
    "BEGIN; SELECT pg_advisory_lock(7)",
    "SELECT pg_try_advisory_lock(7)",
    "SELECT nextval('s')",
    "LOAD 'x'",
    "SELECT setseed(0.1)",
  ];
  const ends = [
    "SET work_mem = 1",
    "LISTEN a",
    "SELECT pg_advisory_xact_lock(7)",
    "EXECUTE p",
    "CREATE TEMP TABLE t ()",
  ];
  for (const sql of outlasts) equal(sqlTraits(sql).outlasts, true, sql);
  for (const sql of ends) equal(sqlTraits(sql).outlasts, false, sql);
});
