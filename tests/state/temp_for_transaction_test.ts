import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { Served } from "../harness/served.ts";

/** Tables that go with their transaction: once such a statement is trusted, nobody looks behind it. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP} CREATE TABLE plain (a int, b int);
    CREATE FUNCTION sets() RETURNS int LANGUAGE plpgsql AS $$ BEGIN SET work_mem = '7MB'; RETURN 1; END $$`,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

const CREATE = "CREATE TEMP TABLE t (x int) ON COMMIT DROP";
const MINE = "SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()";

/** So often that it is trusted. */
const trusted = Array.from(
  { length: 5 },
  () => ["BEGIN", CREATE, "INSERT INTO t VALUES (1)", "SELECT * FROM t", "COMMIT"],
).flat();

comparedTests(
  served,
  ([
    ["leaves nothing", [MINE, "SELECT to_regclass('t')"]],
    ["leaves nothing where its transaction is rolled back", ["BEGIN", CREATE, "ROLLBACK", MINE]],
    ["leaves nothing where its transaction fails", ["BEGIN", CREATE, "SELECT 1/0", "COMMIT", MINE]],
    ["leaves nothing that depends on it", [
      "BEGIN",
      CREATE,
      "CREATE VIEW pg_temp.v AS SELECT * FROM t",
      "CREATE INDEX ON t (x)",
      "COMMIT",
      MINE,
    ]],
    ["leaves what else was made", [
      "BEGIN",
      CREATE,
      "CREATE TEMP TABLE kept AS SELECT 5 AS x",
      "COMMIT",
      { everywhere: "SELECT to_regclass('kept')" },
      "SELECT * FROM kept",
      "DROP TABLE kept",
      MINE,
    ]],
    ["leaves what else was made by the same text", [
      `${CREATE}; INSERT INTO t VALUES (2); CREATE TEMP TABLE kept AS SELECT * FROM t`,
      { everywhere: "SELECT to_regclass('kept')" },
      "SELECT * FROM kept",
      "DROP TABLE kept",
    ]],
    ["leaves what its query has set", [
      "CREATE TEMP TABLE s ON COMMIT DROP AS SELECT sets()",
      { everywhere: "SHOW work_mem" },
      "SHOW work_mem",
    ]],
    ["is made in the schema that the search_path names", [
      "SET search_path = pg_temp, public",
      ...trusted,
      "SELECT pg_my_temp_schema() <> 0",
      "RESET search_path",
    ]],
    ["leaves the buffers to whoever comes next", [
      { b: "SET temp_buffers = '2MB'" },
      { b: "SHOW temp_buffers" },
      "SHOW temp_buffers",
    ]],
  ] as const).map(([what, steps]): Compared => ({
    name: `A temporary table that goes with its transaction ${what}`,
    pins: true,
    steps: [...trusted, ...steps],
    ...(what.endsWith("fails") ? { errors: ["22012"] } : {}),
    // In a pool of one nobody else has a connection while the first client keeps it.
    ...(steps.some((step) => typeof step !== "string" && "b" in step) ? { pools: ["two"] } : {}),
  })),
);
