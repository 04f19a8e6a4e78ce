import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { Served } from "../harness/served.ts";

/** What a login may not set itself, but a role that it takes on, or a routine that it calls. */
const CASES: readonly Compared[] = [
  {
    name: "What a role may set stays when the role is put off",
    steps: [
      "SET ROLE boss",
      "SET log_statement = 'all'",
      "SHOW log_statement",
      "RESET ROLE",
      "SHOW log_statement",
      { b: "SHOW log_statement" },
      "SHOW log_statement",
      "RESET log_statement",
      "SET ROLE boss",
      "RESET log_statement",
      "RESET ROLE",
      "SHOW log_statement",
      { b: "SHOW log_statement" },
    ],
    errors: ["42501"],
    pins: true,
    pools: ["two"],
  },
  {
    name: "What a role may set stays while the role is on, and nobody else has or hears of it",
    steps: [
      "SET ROLE boss",
      "SET log_statement = 'all'",
      { b: "SHOW log_statement" },
      "SHOW log_statement",
      { everywhere: "SHOW log_statement" },
      "SELECT current_user",
      { leaves: "SELECT true" },
    ],
    pins: true,
    pools: ["two"],
  },
  {
    name: "What a role may set in a transaction stays behind it",
    steps: [
      "BEGIN; SET ROLE boss; SET session_replication_role = replica; SET ROLE NONE; COMMIT",
      { b: "SHOW session_replication_role" },
      "SHOW session_replication_role",
      { b: "SELECT 1" },
      { leaves: "SELECT true" },
    ],
    pins: true,
    pools: ["two"],
  },
  {
    name: "What a routine of somebody with more rights sets stays",
    steps: [
      "SELECT raise()",
      { b: "SHOW session_replication_role" },
      "SHOW session_replication_role",
      "SHOW log_min_duration_statement",
      { leaves: "SELECT true" },
    ],
    pins: true,
    pools: ["two"],
  },
];

/** What servers show in fewer digits than they have, or in a form that they do not take. */
const SHOWN_OTHERWISE: readonly Compared[] = [
  {
    name: "A number with more digits than SHOW has stays what it is",
    steps: [
      "SET seq_page_cost = 1234567.89",
      { b: "SHOW seq_page_cost" },
      "EXPLAIN SELECT * FROM numbers",
      { b: "EXPLAIN SELECT * FROM numbers" },
      "RESET seq_page_cost",
      "EXPLAIN SELECT * FROM numbers",
      { b: "SHOW seq_page_cost" },
    ],
    pins: true,
    pools: ["two"],
  },
  {
    name: "A time zone with seconds stays",
    steps: [
      "SET TIME ZONE INTERVAL '-08:00:30'",
      { b: "SHOW TimeZone" },
      "SHOW TimeZone",
      { leaves: "SELECT true" },
    ],
    pins: true,
    pools: ["two"],
  },
  ...["123456.4", "1000.004"].map((number): Compared => ({
    name: `A number that SHOW rounds to a whole one stays what it is: ${number}`,
    steps: [
      `SET seq_page_cost = ${number}`,
      { b: "SHOW seq_page_cost" },
      "EXPLAIN SELECT * FROM numbers",
      "SHOW seq_page_cost",
      { b: "EXPLAIN SELECT * FROM numbers" },
      "EXPLAIN SELECT * FROM numbers",
      "SELECT set_config('seq_page_cost', '2', false)",
      { b: "SHOW seq_page_cost" },
      "EXPLAIN SELECT * FROM numbers",
      { everywhere: "SHOW seq_page_cost" },
    ],
    pins: true,
    pools: ["two"],
  })),
  {
    name: "A number of few digits moves between connections",
    steps: ["SET seq_page_cost = 1.5", { everywhere: "SHOW seq_page_cost" }, "SHOW seq_page_cost"],
  },
];

/** Since 15 a right to set a parameter can be given, and taken. */
const GRANTED: readonly Compared[] = [
  {
    name: "Who may set it moves between connections with it",
    steps: [
      "SET log_duration = on",
      { everywhere: "SHOW log_duration" },
      "SHOW log_duration",
      "RESET log_duration",
      "SHOW log_duration",
    ],
  },
  {
    name: "A right that is taken meanwhile is nobody else's error",
    before: "GRANT SET ON PARAMETER log_duration TO app",
    steps: [
      "SET log_duration = on",
      // What is on the connection is read before somebody else wants it.
      { beside: "SELECT pg_sleep(0.3)" },
      { beside: "REVOKE SET ON PARAMETER log_duration FROM app" },
      { b: "SELECT 2" },
      { b: "SHOW log_duration" },
      { everywhere: "SHOW log_duration" },
    ],
    after: "GRANT SET ON PARAMETER log_duration TO app",
    alone: true,
  },
];

const setup = `${CROWD_SETUP};
CREATE ROLE boss SUPERUSER;
CREATE ROLE app LOGIN;
CREATE TABLE numbers (a int);
GRANT SELECT ON numbers TO app;
GRANT boss, crowd TO app;
CREATE FUNCTION raise() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
 AS 'BEGIN SET session_replication_role = replica; SET log_min_duration_statement = 86400000; END'`;

for (const major of [14, 18] as const) {
  const served = new Served({
    major,
    setup: major < 15 ? setup : `${setup}; GRANT SET ON PARAMETER log_duration TO app`,
    pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
  });
  comparedTests(
    served,
    [...CASES, ...SHOWN_OTHERWISE, ...(major < 15 ? [] : GRANTED)].map((one) => ({
      ...one,
      name: `${one.name}, on ${major}`,
      user: "app",
    })),
  );
}
