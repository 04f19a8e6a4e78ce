import { type Compared, type ComparedStep, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { functionCall } = frontend;

const SETSEED_OID = 1599; // in pg_proc.dat
const SEED = "SELECT setseed(0.5)";

const SEEDED = "SELECT random() IN (SELECT v FROM seeded)";

/** Ways to seed random() that nobody knows before they have. */
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
  setup: `${CROWD_SETUP} CREATE TABLE t AS SELECT 1 AS v;
    CREATE FUNCTION seed_of(t) RETURNS text LANGUAGE sql AS $$ SELECT setseed(0.5)::text $$;
    ${SEED}; CREATE TABLE seeded AS SELECT random() AS v FROM generate_series(1, 100)`,
  settings: { max_connections: "300" },
  pools: Object.fromEntries(
    Array.from({ length: UNTOLD.length }, (_, i) => [
      [`one${i}`, { default_pool_size: 1 }],
      [`two${i}`, { default_pool_size: 2 }],
    ]).flat(),
  ),
});

const SCRIPTS: readonly Compared[] = [
  ...UNTOLD.map(([what, steps]): Compared => ({
    name: `Nobody else gets numbers of a seed by ${what}`,
    steps: [...steps, { everywhere: SEEDED }, { b: SEEDED }, { everywhere: SEEDED }],
  })),
];

// Each in pools of its own: what a connection was left with stays there.
for (const [i, script] of SCRIPTS.entries()) comparedTests(served, [script], (pool) => `${pool}${i}`);
