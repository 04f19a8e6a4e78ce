import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { Served } from "../harness/served.ts";

/** Nothing that a client sets makes anybody wait for what pgplex asks and puts back behind the clients' backs. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP}
    CREATE ROLE alice; CREATE TABLE written (v int); GRANT ALL ON written TO PUBLIC;
    CREATE FUNCTION tune(n text) RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN RETURN set_config('work_mem', n, false); END $$;
  `,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** Statements that a probe follows, and others; each is quick on a connection of one's own. */
const STATEMENTS = [
  "SET work_mem = '5MB'",
  "SHOW work_mem",
  "SELECT 1",
  "SELECT tune('6MB')",
  "SHOW work_mem",
  "DO $$ BEGIN PERFORM 1; END $$",
  "SET ROLE alice",
  "SELECT current_user",
  "RESET ROLE",
  "SHOW work_mem",
];

const SLOW: readonly [name: string, set: string[]][] = [
  ["costs of JIT that are 0", [
    "SET jit = on; SET jit_above_cost = 0; SET jit_optimize_above_cost = 0; SET jit_inline_above_cost = 0",
  ]],
  ["costs of JIT that are 0, each in a transaction of its own", [
    "SET jit_above_cost = 0",
    "SET jit_optimize_above_cost = 0",
    "SET jit_inline_above_cost = 0",
  ]],
  ["scans of all kinds that are off", [
    "SET enable_seqscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off",
  ]],
  ["joins that are nested loops only, without anything to help", [
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET enable_memoize = off; SET enable_hashagg = off",
  ]],
  ["joins whose order is the worst", [
    "SET join_collapse_limit = 1; SET from_collapse_limit = 1; SET enable_nestloop = off; SET geqo_threshold = 2",
  ]],
  ["parallel plans for everything", [
    "SET debug_parallel_query = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
  ]],
  ["costs that mislead the planner", [
    "SET random_page_cost = 1e10; SET seq_page_cost = 1e10; SET cpu_tuple_cost = 0; SET cpu_operator_cost = 1e10",
  ]],
  ["everything that makes a commit slow", ["SET commit_delay = 100000; SET commit_siblings = 0"]],
];

comparedTests(
  served,
  SLOW.map(([name, set]): Compared => ({
    name: `Nobody waits for a probe under ${name}`,
    steps: [...set, ...STATEMENTS],
    withinMs: 150,
  })),
);

/** On a connection of one's own a SELECT waits for the other's COMMIT as well; these do not. */
const WITHOUT_SNAPSHOT = [
  "SHOW work_mem",
  "SET work_mem = '5MB'",
  "SHOW work_mem",
  "SET my.v = 'of a'",
  "SHOW my.v",
  "SET ROLE alice",
  "SHOW my.v",
  "RESET ROLE",
  "BEGIN READ WRITE; INSERT INTO written VALUES (2)",
  "COMMIT",
  "RESET work_mem",
  "SHOW work_mem",
];
const DEFERRABLE = "SET default_transaction_isolation = 'serializable'; " +
  "SET default_transaction_read_only = on; SET default_transaction_deferrable = on";
const WRITES = { beside: "BEGIN ISOLATION LEVEL SERIALIZABLE; INSERT INTO written VALUES (1)" };

comparedTests(served, [
  {
    name:
      "Neither SHOW nor anybody else waits for a serializable write where the session is read only and deferrable",
    steps: [DEFERRABLE, WRITES, ...WITHOUT_SNAPSHOT, { beside: "ROLLBACK" }, "SELECT 1"],
    withinMs: 150,
  },
  {
    name: "The same holds for settings that come with the login",
    params: {
      options: "-c default_transaction_isolation=serializable -c default_transaction_read_only=on " +
        "-c default_transaction_deferrable=on",
    },
    steps: [WRITES, ...WITHOUT_SNAPSHOT, { beside: "ROLLBACK" }, "SELECT 1"],
    withinMs: 150,
  },
  {
    name: "The same holds where somebody writes before the settings are made",
    steps: [WRITES, DEFERRABLE, ...WITHOUT_SNAPSHOT, { beside: "ROLLBACK" }, "SELECT 1"],
    withinMs: 150,
  },
  {
    name: "Another client goes on while a deferrable session is idle and a serializable write is open",
    steps: [
      DEFERRABLE,
      WRITES,
      "SET work_mem = '5MB'",
      { b: "SELECT 1" },
      { b: "SET work_mem = '6MB'" },
      "SHOW work_mem",
      { b: "SHOW work_mem" },
      { beside: "ROLLBACK" },
    ],
    withinMs: 150,
  },
  {
    name: "Nobody waits for a lock on pg_proc without having asked for anything of it",
    steps: [
      "SET work_mem = '5MB'",
      "SHOW work_mem",
      { b: "SHOW work_mem" },
      { beside: "BEGIN; LOCK TABLE pg_catalog.pg_proc IN ACCESS EXCLUSIVE MODE" },
      "SET work_mem = '6MB'",
      { b: "SHOW work_mem" },
      "SHOW work_mem",
      { b: "SET work_mem = '7MB'" },
      { b: "SHOW work_mem" },
      "SHOW work_mem",
      { beside: "ROLLBACK" },
    ],
    pins: true,
    withinMs: 150,
  },
]);
