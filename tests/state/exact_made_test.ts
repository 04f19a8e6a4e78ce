import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, execute, parse } = frontend;

const EPOCH = "PREPARE q AS SELECT extract(epoch FROM timestamptz '2024-03-01 00:00')";
const P = [parse("SELECT extract(epoch FROM timestamptz '2024-01-01 00:00')", { name: "p" })];
const RUN_P = [bind({ statement: "p" }), execute()];
const TOKYO = "SET TimeZone = 'Asia/Tokyo'";

/** Two sessions prepare the same text under the same name, in SQL: it is one statement for each. And DISCARD PLANS is said by the client. */
const CASES: readonly Compared[] = [
  {
    name: "EXECUTE runs what the session itself has prepared: of its own schema",
    steps: [
      "SET search_path = tenant_1",
      { b: "SET search_path = tenant_2" },
      "PREPARE q AS SELECT one FROM u",
      { b: "PREPARE q AS SELECT one FROM u" },
      "EXECUTE q",
      { b: "EXECUTE q" },
      "PREPARE r AS SELECT one FROM u WHERE one = $1",
      { b: "PREPARE r AS SELECT one FROM u WHERE one = $1" },
      "EXECUTE r(1)",
      { b: "EXECUTE r('x')" },
      "EXECUTE q",
    ],
  },
  {
    name: "EXECUTE reads literals as where the session itself prepared them",
    steps: [TOKYO, EPOCH, "RESET TimeZone", { b: EPOCH }, "EXECUTE q", { b: "EXECUTE q" }, "EXECUTE q"],
  },
  {
    name: "EXECUTE reads literals as where they were prepared, though others read them otherwise since",
    steps: [
      EPOCH,
      { b: EPOCH },
      { b: TOKYO },
      "SELECT 1",
      { b: "EXECUTE q" },
      "EXECUTE q",
      { b: "EXECUTE q" },
      "EXECUTE q",
    ],
  },
  {
    name: "EXECUTE runs what was prepared last, though another connection has the same text from before",
    pools: ["two"],
    steps: [
      "SET search_path = tenant_1",
      "PREPARE q AS SELECT one FROM u",
      "EXECUTE q",
      { b: "SELECT 1" },
      "DEALLOCATE q; SET search_path = tenant_2",
      "PREPARE q AS SELECT one FROM u",
      { b: "BEGIN" },
      "EXECUTE q",
      { b: "COMMIT" },
      "EXECUTE q",
    ],
  },
  {
    name: "Somebody else's DISCARD PLANS has nothing read anew that was prepared by protocol or in SQL",
    steps: [
      P,
      EPOCH,
      TOKYO,
      { b: TOKYO },
      RUN_P,
      "EXECUTE q",
      { b: "DISCARD PLANS" },
      RUN_P,
      "EXECUTE q",
    ],
  },
  {
    name: "A session's own DISCARD PLANS has its statements read anew, on any connection, and once",
    steps: [
      P,
      EPOCH,
      TOKYO,
      "DISCARD PLANS",
      RUN_P,
      "EXECUTE q",
      "SET TimeZone = 'CET'",
      { b: "SELECT 1" },
      RUN_P,
      "EXECUTE q",
      { b: "BEGIN" },
      "SELECT 1",
      RUN_P,
      "EXECUTE q",
      { b: "COMMIT" },
    ],
    pools: ["two"],
  },
  {
    name: "Behind DISCARD PLANS statements are read by the settings of their next use",
    steps: [
      P,
      EPOCH,
      "DISCARD PLANS",
      TOKYO,
      { b: "SELECT 1" },
      RUN_P,
      "EXECUTE q",
      "SET TimeZone = 'CET'",
      { b: "SELECT 1" },
      RUN_P,
      "EXECUTE q",
    ],
  },
  {
    name: "Behind DISCARD PLANS by protocol the unnamed statement is read anew, too",
    steps: [
      [parse("DISCARD PLANS", { name: "d" }), parse(`${TOKYO}`, { name: "s" })],
      [parse("SELECT extract(epoch FROM timestamptz '2024-02-01 00:00')")],
      [bind({ statement: "s" }), execute()],
      { b: "SELECT 1" },
      [bind({ statement: "d" }), execute()],
      { b: "SELECT 1" },
      [bind(), execute()],
    ],
  },
];

const setup = `${CROWD_SETUP};
CREATE SCHEMA tenant_1; CREATE TABLE tenant_1.u AS SELECT 1 AS one;
CREATE SCHEMA tenant_2; CREATE TABLE tenant_2.u AS SELECT 'x'::text AS one`;

for (const major of [14, 18] as const) {
  const served = new Served({
    major,
    setup,
    pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
  });
  // With others between, who have prepared nothing, the connection has nothing left; without, it has.
  const ways = CASES.flatMap((one): Compared[] => [{ ...one, alone: true }, {
    ...one,
    name: `${one.name}, with others between`,
  }]);
  comparedTests(served, ways.map((one) => ({ ...one, name: `${one.name}, on ${major}` })));
}
