import { CROWD_SETUP } from "../harness/crowd.ts";
import { type Leak, type LeakStep, leakTests, lookFor, SECRET } from "../harness/leaks.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, describe, execute, int16, int8, message, parse } = frontend;

/** What nobody else gets of what a client sets, whether or not pgplex can know the setting's name. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP}
    CREATE ROLE alice;
    CREATE TABLE plain (v int); INSERT INTO plain VALUES (1); GRANT ALL ON plain TO PUBLIC;
    CREATE FUNCTION take_role() RETURNS text LANGUAGE sql AS $$ SELECT set_config('role', 'alice', false) $$;
    CREATE FUNCTION from_json(v json) RETURNS bigint LANGUAGE sql AS
      $$ SELECT count(set_config(key, value, false)) FROM json_each_text(v) $$;
    CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM set_config(concat('ddl', '.', 'tenant'), '${SECRET}', false); END $$;
    CREATE EVENT TRIGGER on_ddl ON ddl_command_start WHEN TAG IN ('SELECT INTO') EXECUTE FUNCTION on_ddl();
  `,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** A setting that only its owner may see, by a computed name. */
const secret = (steps: (name: string, space: string) => LeakStep[]): Leak["play"] => (unique) => {
  const space = `s${unique}`;
  return { steps: steps(`${space}.tenant`, space), own: lookFor(space, "tenant") };
};

const padding = (length: number) => `/*${"p".repeat(length)}*/`;
const filled = (sql: string, length: number) => padding(length - sql.length - 4) + sql;

const LONG: readonly Leak[] = [
  ...[16_383, 16_384, 16_385, 16_400, 70_000, 1_000_000].map((length): Leak => ({
    name: `A SET at the end of ${length} bytes is the client's own`,
    keeps: true,
    play: secret((name) => [filled(`SET ${name} = '${SECRET}'`, length)]),
  })),
  {
    name: "A SET behind a comment of 16,384 bytes is the client's own",
    keeps: true,
    play: secret((name) => [`${padding(16_384)}SET ${name}='${SECRET}'`]),
  },
  {
    name: "A SET before a comment of 20,000 bytes is the client's own",
    keeps: true,
    play: secret((name) => [`SET ${name}='${SECRET}' ${padding(20_000)}`]),
  },
  {
    name: "A SET between other statements of 20,000 bytes each is the client's own",
    keeps: true,
    play: secret((name) => [
      `SELECT '${"x".repeat(20_000)}'; SET ${name} = '${SECRET}'; SELECT '${"x".repeat(20_000)}'`,
    ]),
  },
  {
    name: "A value of 20,000 bytes is the client's own",
    keeps: true,
    play: secret((name) => [`SET ${name} = '${SECRET}${"x".repeat(20_000)}'`]),
  },
  {
    name: "set_config in a text of 20,000 bytes sets what is the client's own",
    keeps: true,
    play: secret((name) => [`SELECT set_config('${name}', '${SECRET}', false), '${"x".repeat(20_000)}'`]),
  },
  {
    name: "A SET that is parsed as a text of 20,000 bytes is the client's own",
    keeps: true,
    play: secret((name) => [[parse(filled(`SET ${name} = '${SECRET}'`, 20_000)), bind(), execute()]]),
  },
  {
    name: "A named statement of 20,000 bytes that sets is the client's own, each time it runs",
    keeps: true,
    play: secret((name) => [
      [parse(`SELECT set_config('${name}', $1, false), '${"x".repeat(20_000)}'`, { name: "s" })],
      [bind({ statement: "s", values: ["other"] }), execute()],
      [bind({ statement: "s", values: [SECRET] }), execute()],
    ]),
  },
  {
    name: "A Bind of 20,000 bytes that gives a value sets what is the client's own",
    keeps: true,
    play: secret((name) => [[
      parse("SELECT set_config($1, $2, false) IS NULL"),
      bind({ values: [name, SECRET + "x".repeat(20_000)] }),
      describe("P"),
      execute(),
    ]]),
  },
  {
    name: "A Bind whose name comes behind 20,000 bytes sets what is the client's own",
    keeps: true,
    play: secret((name) => [[
      parse("SELECT length($1::text), set_config($2, $3, false)"),
      bind({ values: ["x".repeat(20_000), name, SECRET] }),
      execute(),
    ]]),
  },
  {
    name: "A DO block of 20,000 bytes sets what is the client's own",
    keeps: true,
    play: secret((name) => [`DO $$ BEGIN ${padding(20_000)} SET ${name} = '${SECRET}'; END $$`]),
  },
  {
    name: "EXECUTE of a prepared statement with an argument of 20,000 bytes sets what is the client's own",
    keeps: true,
    play: secret((name) => [
      `PREPARE p(text, text) AS SELECT set_config('${name}', $1, false) IS NULL, length($2)`,
      `EXECUTE p('${SECRET}', '${"x".repeat(20_000)}')`,
    ]),
  },
];

/** Sets it by a name that stands nowhere. */
const byComputedName = (space: string) =>
  `DO $$ BEGIN PERFORM set_config(concat('${space}', '.', 'tenant'), '${SECRET}', false); END $$`;

const warmed = (sql: string): LeakStep[] => Array.from({ length: 6 }, () => ({ b: sql }));

const NAMES: readonly Leak[] = [
  {
    name: "A name that stands nowhere",
    keeps: false,
    play: secret((_, space) => [byComputedName(space)]),
  },
  {
    name: "A name that stands in current_setting of a fingerprint that is known, and is then computed",
    keeps: true,
    play: secret((name, space) => [
      ...warmed("SELECT current_setting('warm.w', true)"),
      `SELECT current_setting('${name}', true)`,
      byComputedName(space),
    ]),
  },
  {
    name: "A name that is bound to current_setting, and is then computed",
    keeps: true,
    play: secret((name, space) => [
      ...warmed("SELECT current_setting('warm.w', true)"),
      [parse("SELECT current_setting($1, true)"), bind({ values: [name] }), execute()],
      byComputedName(space),
    ]),
  },
  {
    name: "A name that stands in SHOW, and is then computed",
    keeps: true,
    play: secret((name, space) => [...warmed("SHOW work_mem"), `SHOW ${name}`, byComputedName(space)]),
  },
  {
    name: "A name that stands in a WHERE clause, and is then computed",
    keeps: true,
    play: secret((name, space) => [
      ...warmed("SELECT v FROM plain WHERE v::text = current_setting('warm.w', true)"),
      `SELECT v FROM plain WHERE v::text = current_setting('${name}', true)`,
      byComputedName(space),
    ]),
  },
  {
    name: "A name that stands only in a policy made past pgplex, and is then computed",
    keeps: false,
    play: secret((name, space) => [
      {
        beside: `CREATE TABLE ${space} (v text); ALTER TABLE ${space} ENABLE ROW LEVEL SECURITY;
          CREATE POLICY p ON ${space} USING (v = current_setting('${name}', true)); GRANT ALL ON ${space} TO PUBLIC`,
      },
      `SELECT count(*) FROM ${space}`,
      byComputedName(space),
      `SELECT count(*) FROM ${space}`,
    ]),
  },
  {
    name: "A name that only a function made past pgplex sets",
    keeps: false,
    play: secret((name, space) => [
      {
        beside: `CREATE FUNCTION ${space}() RETURNS text LANGUAGE sql AS
          $$ SELECT set_config('${name}', '${SECRET}', false) $$`,
      },
      `SELECT ${space}()`,
    ]),
  },
  {
    name: "A name of a SET that is put together in EXECUTE",
    keeps: false,
    play: secret((_, space) => [
      `DO $$ BEGIN EXECUTE format('SET %I.%I = %L', '${space}', 'ten' || 'ant', '${SECRET}'); END $$`,
    ]),
  },
  {
    name: "A name of which half is bound",
    keeps: false,
    play: secret((_, space) => [[
      parse("SELECT set_config($1 || '.tenant', $2, false)"),
      bind({ values: [space, SECRET] }),
      execute(),
    ]]),
  },
  {
    name: "A name that is written with Unicode escapes",
    keeps: false,
    play: secret((_, space) => [`SET U&"${space}\\002etenant" = '${SECRET}'`]),
  },
  {
    name: "A name that is written with escapes in a string",
    keeps: false,
    play: secret((_, space) => [`SELECT set_config(E'${space}\\x2etenant', '${SECRET}', false)`]),
  },
  ...([
    [
      "stands in JSON",
      (name) => `SELECT set_config(key, value, false) FROM json_each_text('{"${name}": "${SECRET}"}')`,
    ],
    ["stands in the JSON of a function", (name) => `SELECT from_json('{"${name}": "${SECRET}"}')`],
    [
      "stands in an array",
      (name) => `SELECT set_config(n, '${SECRET}', false) FROM unnest('{${name}}'::text[]) n`,
    ],
    ["is written in dollars", (name) => `SELECT set_config($$${name}$$, '${SECRET}', false)`],
  ] as readonly [string, (name: string) => string][]).map(([what, sql]): Leak => ({
    name: `A name that ${what}`,
    keeps: true,
    play: secret((name) => [sql("warm.w"), sql("warm.v"), sql(name)]),
  })),
  {
    name: "A name that is written in capitals, and quoted",
    keeps: true,
    play: secret((_, space) => [`SET ${space.toUpperCase()}."TENANT" = '${SECRET}'`]),
  },
  {
    name: "A name of three parts",
    keeps: true,
    play: (unique) => ({
      steps: [`SET s${unique}.a.b = '${SECRET}'`],
      own: lookFor(`s${unique}`, "a.b"),
    }),
  },
  {
    name: "A name that was computed in a transaction that another one follows in the same query",
    keeps: false,
    play: secret((
      _,
      space,
    ) => [`BEGIN; ${byComputedName(space)}; COMMIT; SELECT 1; BEGIN; SELECT 2; COMMIT`]),
  },
];

leakTests(served, LONG);
leakTests(served, NAMES.map((leak) => ({ ...leak, name: `${leak.name} leads nobody else to its value` })));

/** Settings that pg_settings shows to a superuser alone. */
const hidden = (name: string, value: string, steps: string[]): Leak => ({
  name: `${name} is nobody else's when it is set by a superuser who then is none: ${steps.join(", ")}`,
  keeps: true,
  play: () => ({
    steps: steps.map((sql) => sql.replace("?", value)),
    own: `SHOW ${name}`,
    ownBefore: "RESET SESSION AUTHORIZATION; RESET ROLE",
  }),
});

leakTests(served, [
  hidden("dynamic_library_path", `$libdir:/${SECRET}`, ["SET dynamic_library_path = '?'", "SET ROLE alice"]),
  hidden("dynamic_library_path", `$libdir:/${SECRET}`, ["SET dynamic_library_path = '?'; SET ROLE alice"]),
  hidden("dynamic_library_path", `$libdir:/${SECRET}`, [
    "SET dynamic_library_path = '?'; SET SESSION AUTHORIZATION alice",
  ]),
  hidden(
    "dynamic_library_path",
    `$libdir:/${SECRET}`,
    ["BEGIN", "SET dynamic_library_path = '?'"].concat([
      "SET LOCAL ROLE alice",
      "COMMIT",
      "SET ROLE alice",
    ]),
  ),
  hidden("extension_control_path", `$system:/${SECRET}`, [
    "SET extension_control_path = '?'; SET ROLE alice",
  ]),
]);

/** The role and settings that have a catalogue, by texts that are long. */
leakTests(
  served,
  ([
    ["A role", "SET ROLE alice", "SELECT replace(current_user, 'alice', 'A-secret')"],
    [
      "A session user",
      "SET SESSION AUTHORIZATION alice",
      "SELECT replace(session_user, 'alice', 'A-secret')",
    ],
    ["A search_path", `SET search_path = "${SECRET}"`, "SHOW search_path"],
    [
      "A time zone",
      "SET TimeZone = 'Asia/Tokyo'",
      "SELECT replace(current_setting('TimeZone'), 'Asia/Tokyo', 'A-secret')",
    ],
    [
      "A prepared statement",
      `PREPARE p AS SELECT '${SECRET}'`,
      "SELECT max(statement) FROM pg_prepared_statements",
    ],
  ] as const).map(([what, sql, own]): Leak => ({
    name: `${what} by a text of 20,000 bytes is the client's own`,
    keeps: true,
    play: () => ({ steps: [filled(sql, 20_000)], own }),
  })),
);

/** So many names of one client that a list of any length may be full. */
const many = (space: string, count: number): LeakStep[] =>
  Array.from(
    { length: count / 50 },
    (_, batch) =>
      Array.from({ length: 50 }, (_, i) => `SET ${space}.n${batch * 50 + i} = '${SECRET}'`).join("; "),
  );
const howMany = (space: string, count: number) =>
  `SELECT nullif(repeat('${SECRET} ', count(*)::int), '') FROM generate_series(0, ${count - 1}) i ` +
  `WHERE current_setting(concat('${space}', '.n', i), true) = '${SECRET}' HAVING count(*) IN (0, ${count})`;

leakTests(served, [
  {
    name: "600 names by one client are its own, all of them",
    keeps: true,
    play: (unique) => ({ steps: many(`s${unique}`, 600), own: howMany(`s${unique}`, 600) }),
  },
  {
    name: "600 names by one client leave room for one of another",
    keeps: true,
    play: (unique) => ({
      steps: [
        ...Array.from({ length: 12 }, (_, batch) => ({
          b: Array.from({ length: 50 }, (_, i) => `SET b${unique}.n${batch * 50 + i} = 'x'`).join("; "),
        })),
        `SET s${unique}.tenant = '${SECRET}'`,
      ],
      own: lookFor(`s${unique}`, "tenant"),
    }),
  },
  {
    name: "600 names that are computed in one DO block lead nobody else to their values",
    keeps: false,
    play: (unique) => ({
      steps: [
        `DO $$ BEGIN FOR i IN 0..599 LOOP PERFORM set_config('s${unique}' || '.n' || i, '${SECRET}', false); END LOOP; END $$`,
      ],
      own: howMany(`s${unique}`, 600),
    }),
  },
]);

/** A batch of a statement whose characters are bytes. */
const inBytes = (sql: string): Uint8Array[] => [
  message("P", int8(0), Uint8Array.from(sql, (character) => character.charCodeAt(0)), int8(0), int16(0)),
  bind(),
  execute(),
];

/** In one batch: `sql` comes before pgplex is told how backslashes are read. */
const escaped = (sql: string): LeakStep[] => [
  "BEGIN",
  [
    ...[parse("SET LOCAL standard_conforming_strings = off"), bind(), execute()],
    ...[parse(sql), bind(), execute()],
  ],
  "COMMIT",
];

leakTests(served, [
  {
    name: "A role by a function that stands in a string to who does not know how backslashes are read",
    keeps: true,
    play: () => ({
      steps: [
        ...Array.from({ length: 5 }, () => escaped("SELECT 'a', 'b'")).flat(),
        ...escaped(String.raw`SELECT 'a\', ', take_role(), ''`),
      ],
      own: "SELECT replace(current_user, 'alice', 'A-secret')",
    }),
  },
  {
    name:
      "A role by a function that stands in a string to who takes the second byte of a character for a backslash",
    keeps: true,
    play: () => ({
      steps: [
        "SET client_encoding = 'SJIS'",
        ...Array.from({ length: 5 }, () => inBytes("SELECT E'a', 'b'")),
        inBytes("SELECT E'\x95\x5c', take_role(), ''"),
      ],
      own: "SELECT replace(current_user, 'alice', 'A-secret')",
    }),
  },
  {
    name: "What an event trigger sets behind SELECT INTO by a name that stands nowhere",
    keeps: false,
    play: (unique) => ({ steps: [`SELECT 1 AS a INTO ${unique}`], own: lookFor("ddl", "tenant") }),
  },
]);
