import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, describe, execute, parse } = frontend;

const SETTINGS = { wal_level: "logical", max_replication_slots: "10", track_commit_timestamp: "on" };
const POOLS = { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } };
const SETUP = `${CROWD_SETUP}
  CREATE TABLE written (v int); CREATE TABLE games AS SELECT 1 AS seed; CREATE EXTENSION pg_trgm; CREATE EXTENSION dblink;
  CREATE TABLE triggered (v int); SELECT pg_replication_origin_create('o');
  CREATE FUNCTION drop_all() RETURNS void LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN
    FOR r IN SELECT name FROM pg_prepared_statements LOOP EXECUTE 'DEALLOCATE ' || quote_ident(r.name); END LOOP; END $$;
  CREATE FUNCTION drop_those(what text) RETURNS void LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN
    FOR r IN SELECT name FROM pg_prepared_statements WHERE strpos(statement, what) > 0 AND NOT from_sql
    LOOP EXECUTE 'DEALLOCATE ' || quote_ident(r.name); END LOOP; END $$;
  CREATE FUNCTION lower(text, int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM drop_all(); RETURN $1; END $$;
  CREATE FUNCTION on_triggered() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.v = 1 THEN PERFORM drop_all(); END IF; RETURN NEW; END $$;
  CREATE TRIGGER t BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION on_triggered();
  CREATE FUNCTION seed_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM setseed(0.5); END $$;
  CREATE FUNCTION name_seed() RETURNS text LANGUAGE sql AS $$ SELECT set_config('seed', '0.5', false) $$;
  CREATE FUNCTION load_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LOAD 'auto_explain'; END $$;
  CREATE FUNCTION here() RETURNS text LANGUAGE sql AS
    $$ SELECT 'host=127.0.0.1 user=postgres dbname=postgres port=' || current_setting('port') $$;
  SELECT setseed(0.5); CREATE TABLE seeded AS SELECT random() AS v FROM generate_series(1, 100);
`;

/** Kinds of session state that a server keeps beside its settings, and that nobody else may get nor lose. */
const served = new Served({ major: 18, settings: SETTINGS, setup: SETUP, pools: POOLS });
const older = new Served({ major: 14, settings: SETTINGS, setup: SETUP, pools: POOLS });

const SLOTS_GONE = "SELECT count(*) = 0 FROM pg_replication_slots";
const SLOT = "SELECT slot_name, temporary, active FROM pg_replication_slots";
const ORIGIN = "SELECT pg_replication_origin_session_is_setup()";
const LAST_ORIGIN = "SELECT roident > 0 FROM pg_last_committed_xact()";
const SEEDED = "SELECT random() IN (SELECT v FROM seeded)";
const LOADED = "SELECT current_setting('auto_explain.log_analyze', true) IS NOT NULL";

/** A backup in two transactions, by the names of this major. */
const backups = (start: (label: string) => string, stop: string): Compared[] => [
  {
    name: "A backup that one transaction starts is stopped by another",
    pins: true,
    steps: [
      `SELECT ${start("of a")} IS NOT NULL`,
      { b: "SELECT 1" },
      "SELECT 1",
      `SELECT labelfile LIKE '%LABEL: of a%' FROM ${stop}`,
      `SELECT labelfile LIKE '%LABEL: of a%' FROM ${stop}`,
    ],
    errors: ["55000"],
  },
  {
    name: "A backup that another client started cannot be stopped",
    pins: true,
    steps: [
      `SELECT ${start("of a")} IS NOT NULL`,
      { b: `SELECT labelfile LIKE '%LABEL: of a%' FROM ${stop}` },
      `SELECT labelfile LIKE '%LABEL: of a%' FROM ${stop}`,
    ],
    errors: ["55000"],
    pools: ["two"],
  },
  {
    name: "A backup that a DO block starts is stopped by another transaction, and another's beside it",
    pins: true,
    steps: [
      `DO $$ BEGIN PERFORM ${start("of a")}; END $$`,
      { b: `SELECT ${start("of b")} IS NOT NULL` },
      `SELECT labelfile LIKE '%LABEL: of a%' FROM ${stop}`,
      { b: `SELECT labelfile LIKE '%LABEL: of b%' FROM ${stop}` },
      { b: "SELECT 1" },
    ],
    pools: ["two"],
    alone: true, // both of the pool's connections are theirs
  },
  {
    name: "A backup whose client leaves is in nobody else's way",
    pins: true,
    steps: [
      `SELECT ${start("of a")} IS NOT NULL`,
      { leaves: "SELECT true" },
      { everywhere: `SELECT ${start("of b")} IS NOT NULL` },
    ],
  },
];

const KINDS: Compared[] = [
  {
    name: "A replication origin that a DO block sets up is kept, and ends with its session",
    pins: true,
    steps: [
      "DO $$ BEGIN PERFORM pg_replication_origin_session_setup('o'); END $$",
      ORIGIN,
      "INSERT INTO written VALUES (1)",
      LAST_ORIGIN,
      { leaves: "SELECT true" },
      { everywhere: ORIGIN },
      { b: "INSERT INTO written VALUES (1)" },
      { b: LAST_ORIGIN },
    ],
  },
  {
    name: "A temporary logical slot is the session's alone, and ends with it",
    pins: true,
    steps: [
      "SELECT slot_name FROM pg_create_logical_replication_slot('s', 'pgoutput', true)",
      SLOT,
      { b: "SELECT pg_drop_replication_slot('s')" },
      "SELECT count(*) >= 0 FROM pg_logical_slot_get_binary_changes('s', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')",
      SLOT,
      { leaves: SLOTS_GONE },
      { everywhere: SLOT },
    ],
    errors: ["55006"],
    pools: ["two"],
  },
  {
    name: "A temporary physical slot is there until it is dropped",
    pins: true,
    steps: [
      "SELECT slot_name FROM pg_create_physical_replication_slot('s', false, true)",
      SLOT,
      "SELECT 1",
      "SELECT pg_drop_replication_slot('s')",
      SLOT,
      "DO $$ BEGIN PERFORM pg_create_physical_replication_slot('d', false, true); END $$",
      SLOT,
      { leaves: SLOTS_GONE },
      { everywhere: SLOT },
    ],
  },
  ...([
    ["a DO block", "DO $$ BEGIN PERFORM setseed(0.5); END $$"],
    ["a function", "SELECT seed_it()"],
    ["a DO block that sets seed", "DO $$ BEGIN SET seed = 0.5; END $$"],
    ["SET", "SET seed = 0.5"],
    ["SET of a name in quotes", 'SET LOCAL "Seed" = 0.5'],
    ["set_config", "SELECT set_config('seed', '0.5', false)"],
    ["set_config for a transaction", "SELECT set_config('Seed', '0.5', true)"],
    ["set_config with parameters", [
      parse("SELECT set_config($1, $2, false)"),
      bind({ values: ["seed", "0.5"] }),
      execute(),
    ]],
    ["a function that calls set_config", "SELECT name_seed()"],
    ["a name behind a point", "SELECT (0.5::float8).setseed"],
  ] as const).map(([what, seed]) => [what, seed as string | Uint8Array[]] as const).map((
    [what, seed],
  ): Compared => ({
    name: `Numbers of a seed by ${what} come to its session alone`,
    pins: true,
    steps: [
      seed,
      { everywhere: SEEDED },
      { b: SEEDED },
      SEEDED,
      { b: SEEDED },
      SEEDED,
      "SELECT count(*) FROM (SELECT random() AS r FROM generate_series(1, 10)) x WHERE r IN (SELECT v FROM seeded)",
      { leaves: "SELECT true" },
      { everywhere: SEEDED },
      { b: SEEDED },
    ],
    pools: what.startsWith("SET") ? ["one"] : ["one", "two"],
  })),
  ...([
    ["a DO block", "DO $$ BEGIN LOAD 'auto_explain'; END $$"],
    ["a function", "SELECT load_it()"],
  ] as const).map(([what, load]): Compared => ({
    name: `A library that ${what} loads is loaded for its session alone`,
    pins: true,
    steps: [
      load,
      { everywhere: LOADED },
      LOADED,
      "SHOW auto_explain.log_analyze",
      { b: LOADED },
      "SET auto_explain.log_analyze = on",
      "SHOW auto_explain.log_analyze",
      { leaves: "SELECT true" },
      { everywhere: LOADED },
    ],
  })),
  ...([
    ["set_limit of pg_trgm", "SELECT set_limit(0.75)", "SELECT show_limit()"],
    ["set_limit in a DO block", "DO $$ BEGIN PERFORM set_limit(0.75); END $$", "SELECT show_limit()"],
    [
      "dblink_connect in a DO block",
      "DO $$ BEGIN PERFORM dblink_connect('mine', here()); END $$",
      "SELECT dblink_get_connections()",
    ],
  ] as const).map(([what, sql, look]): Compared => ({
    name: `What ${what} leaves is its session's alone`,
    pins: true,
    steps: [
      { everywhere: look },
      sql,
      { everywhere: look },
      look,
      { b: look },
      look,
      { leaves: "SELECT true" },
      { everywhere: look },
    ],
  })),
];

/** Another's statements, by both protocols. */
const V_PREPARES = [
  { b: [parse("SELECT 'of b'", { name: "s" }), bind({ statement: "s" }), execute()] },
  { b: "PREPARE q AS SELECT 'q of b'" },
];
const V_RUNS = [
  { b: [bind({ statement: "s" }), execute()] },
  { b: [parse("SELECT 1"), bind(), execute(), describe("S", "s"), bind({ statement: "s" }), execute()] },
  { b: "EXECUTE q" },
];

const DROPPING = [
  ["a function that finds them", "SELECT drop_all()"],
  ["a computed DEALLOCATE ALL", "DO $$ BEGIN EXECUTE 'deall' || 'ocate all'; END $$"],
  ["a trigger", "INSERT INTO triggered VALUES (1)"],
  ["a function that finds those of one text", "SELECT drop_those('of b')"],
  ["a DO block that finds those of one text", "DO $$ BEGIN PERFORM drop_those('of b'); END $$"],
  ["a transaction that fails", "DO $$ BEGIN EXECUTE 'deall' || 'ocate all'; RAISE division_by_zero; END $$"],
  ["a transaction that is rolled back", "BEGIN; SELECT drop_all(); ROLLBACK"],
  ["a text of 20,000 bytes", `/*${"p".repeat(20_000)}*/ SELECT drop_all()`],
  ["a function with a name that is one of PostgreSQL's", "SELECT public.lower('x', 1)"],
] as const;

const DROPS: Compared[] = DROPPING.flatMap(([what, drop]) =>
  [false, true].map((alone) => ({
    name: `Statements that ${what} deallocates are not those of another client${
      alone ? ", with nobody else" : ""
    }`,
    alone,
    steps: [
      ...Array.from({ length: 5 }, () => "INSERT INTO triggered VALUES (0)"),
      ...V_PREPARES,
      ...V_RUNS,
      drop,
      ...V_RUNS,
      drop,
      drop,
      ...V_RUNS,
      ...V_RUNS,
      `BEGIN; SELECT 1; ${drop}`,
      "ROLLBACK",
      ...V_RUNS,
    ],
    errors: drop.includes("RAISE") ? ["22012", "22012", "22012", "22012"] : [],
  }))
);

const COLUMN: Compared = {
  name: "A column that is called seed is nobody's seed, and holds no connection",
  steps: ["UPDATE games SET seed = 2", { b: "UPDATE games SET seed = seed + 1" }, "SELECT seed FROM games"],
  after: "UPDATE games SET seed = 1",
};

const GUESSED: Compared = {
  name: "A client that guesses names of pgplex's statements finds none of them",
  steps: [
    ...V_PREPARES,
    ...V_RUNS,
    ...[1, 2, 3].flatMap((n) => [`EXECUTE pgplex_${n}`, `DEALLOCATE pgplex_${n}`]),
    [bind({ statement: "pgplex_1" }), execute()],
    ...V_RUNS,
    "SELECT name FROM pg_prepared_statements",
  ],
  errors: Array.from({ length: 7 }, () => "26000"),
};

comparedTests(served, [
  ...backups((label) => `pg_backup_start('${label}', true)`, "pg_backup_stop(false)"),
  ...KINDS,
  ...DROPS,
  COLUMN,
  GUESSED,
]);

const ALSO_OLDER = /seed by a function|origin that a DO|temporary logical|finds them/;
comparedTests(
  older,
  [
    ...backups((label) => `pg_start_backup('${label}', true, false)`, "pg_stop_backup(false, false)"),
    ...[...KINDS, ...DROPS].filter(({ name }) => ALSO_OLDER.test(name)),
  ].map((script) => ({ ...script, name: `${script.name}, in PostgreSQL 14` })),
);
