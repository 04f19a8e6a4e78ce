import { type Compared, type ComparedStep, comparedTests, leftAlone } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, execute, functionCall, parse } = frontend;

const SETSEED_OID = 1599; // in pg_proc.dat
const SEED = "SELECT setseed(0.5)";
const LINK = "SELECT dblink_connect(''mine'', here())";

const SEEDED = "SELECT random() IN (SELECT v FROM seeded)";
const LOADED = "SELECT current_setting('auto_explain.log_analyze', true) IS NOT NULL";
const LINKS = "SELECT dblink_get_connections()";

/** The seed of random(), and what else no look finds, by ways that the words of a statement do not tell. */
const WAYS: readonly (readonly [what: string, steps: readonly ComparedStep[], look: string])[] = [
  ["a seed by a name in dollars", ["SELECT set_config($$seed$$, '0.5', true)"], SEEDED],
  ["a seed by a bound name", [
    [parse("SELECT set_config($1, $2, true)"), bind({ values: ["seed", "0.5"] }), execute()],
  ], SEEDED],
  ["a seed by a function's dynamic SQL", ["SELECT seed_it()"], SEEDED],
  ["a seed by a DO's dynamic SQL", ["DO $$ BEGIN EXECUTE 'SET seed = 0.5'; END $$"], SEEDED],
  [
    "a seed by a DO that names its language",
    [`DO LANGUAGE plpgsql $$ BEGIN PERFORM setseed(0.5); END $$`],
    SEEDED,
  ],
  ["a seed by a DO with escapes", ["DO E'BEGIN PERFORM setseed(0.5); END'"], SEEDED],
  [
    "a seed by a statement of the protocol that EXECUTE runs",
    [[parse(SEED, { name: "s" })], "EXECUTE s"],
    SEEDED,
  ],
  ["a link by a DO's dynamic SQL", [`DO $$ BEGIN EXECUTE '${LINK}'; END $$`], LINKS],
  ["a link by a statement of the protocol that EXECUTE runs", [
    [parse(LINK.replaceAll("''", "'"), { name: "s" })],
    "EXECUTE s",
  ], LINKS],
  ["a library by a DO's dynamic SQL", ["DO $$ BEGIN EXECUTE 'LOAD ''auto_explain'''; END $$"], LOADED],
  ["a library by a function's dynamic SQL, in dollars", ["SELECT load_it()"], LOADED],
  ["a library by a function's dynamic SQL, as format writes it", ["SELECT load_any('auto_explain')"], LOADED],
];

/** Ways that are known to nobody before they have left their seed. */
const UNTOLD: readonly (readonly [what: string, steps: readonly ComparedStep[]])[] = [
  ["computed SQL", ["DO $$ BEGIN EXECUTE 'SELECT set' || 'seed(0.5)'; END $$"]],
  ["a function behind a point", ["SELECT t.seed_of FROM t"]],
  ["a function that is made and dropped", ["BEGIN", making("g"), "SELECT g()", "DROP FUNCTION g", "COMMIT"]],
  ["a function that is rolled back", ["BEGIN", making("g"), "SELECT g()", "ROLLBACK"]],
  ["a temporary function", [
    "BEGIN",
    making("pg_temp.g"),
    "SELECT pg_temp.g()",
    "DROP FUNCTION pg_temp.g",
    "COMMIT",
  ]],
  ["a name with escapes of its own", [`SELECT U&"s!0065tseed" UESCAPE '!' (0.5)`]],
  ["a function call of the protocol", [{ pipeline: [functionCall(SETSEED_OID, ["0.5"])], readies: 1 }]],
  ["a query in a literal", [`SELECT query_to_xml('${SEED}', true, true, '') IS NULL`]],
];

function making(name: string): string {
  return `CREATE FUNCTION ${name}() RETURNS void LANGUAGE sql AS '${SEED}'`;
}

const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP} CREATE EXTENSION dblink; CREATE TABLE t AS SELECT 1 AS v;
    CREATE FUNCTION seed_of(t) RETURNS text LANGUAGE sql AS $$ SELECT setseed(0.5)::text $$;
    CREATE FUNCTION seed_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE '${SEED}'; END $$;
    CREATE FUNCTION load_it() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN EXECUTE 'LOAD $$auto_explain$$'; END $f$;
    CREATE FUNCTION load_any(name text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('LOAD %L', name); END $$;
    CREATE FUNCTION here() RETURNS text LANGUAGE sql AS
      $$ SELECT 'host=127.0.0.1 user=postgres dbname=postgres port=' || current_setting('port') $$;
    ${SEED}; CREATE TABLE seeded AS SELECT random() AS v FROM generate_series(1, 100)`,
  settings: { max_connections: "300" },
  pools: Object.fromEntries(
    Array.from({ length: WAYS.length + UNTOLD.length }, (_, i) => [
      [`one${i}`, { default_pool_size: 1 }],
      [`two${i}`, { default_pool_size: 2 }],
    ]).flat(),
  ),
});

const SCRIPTS: readonly Compared[] = [
  ...WAYS.map(([what, steps, look]) => leftAlone(what, steps, look)),
  ...UNTOLD.map(([what, steps]): Compared => ({
    name: `Nobody else gets numbers of a seed by ${what}`,
    steps: [...steps, { everywhere: SEEDED }, { b: SEEDED }, { everywhere: SEEDED }],
  })),
];

// Each in pools of its own: what a connection was left with stays there.
for (const [i, script] of SCRIPTS.entries()) comparedTests(served, [script], (pool) => `${pool}${i}`);
