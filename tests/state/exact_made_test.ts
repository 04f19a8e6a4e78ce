import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { Served } from "../harness/served.ts";

const EPOCH = "PREPARE q AS SELECT extract(epoch FROM timestamptz '2024-03-01 00:00')";
const TOKYO = "SET TimeZone = 'Asia/Tokyo'";

/** Two sessions prepare the same text under the same name, in SQL: it is one statement for each. */
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
