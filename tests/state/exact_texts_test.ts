import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, describe, execute, parse } = frontend;

/** Texts that are long, and texts and names that are pgplex's own and that nobody should meet. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP} CREATE SEQUENCE s;`,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

const x = (length: number) => "x".repeat(length);
const parameters = (count: number) => Array.from({ length: count }, (_, i) => `$${i + 1}`).join(", ");
const times = (count: number, word: string) => Array.from({ length: count }, () => word).join(", ");

const LONG: Compared[] = [
  ...[16_000, 16_384, 20_000, 300_000].flatMap((length): Compared[] => [
    {
      name: `EXECUTE with an argument of ${length} bytes finds the statement of an earlier PREPARE`,
      steps: [
        "PREPARE p(text) AS SELECT length($1)",
        `EXECUTE p('${x(length)}')`,
        "EXECUTE p('short')",
        `EXECUTE p('${x(length)}')`,
      ],
    },
    {
      name: `PREPARE of a text of ${length} bytes is found by EXECUTE`,
      steps: [
        `PREPARE p AS SELECT length('${x(length)}')`,
        "EXECUTE p",
        `PREPARE q(text) AS SELECT length($1) /* ${x(length)} */`,
        "EXECUTE q('a')",
        `EXECUTE q('${x(length)}')`,
        "DEALLOCATE p",
        "EXECUTE p",
      ],
      errors: ["26000"],
    },
  ]),
  ...[500_000, 900_000, 1_500_000, 3_000_000].map((length): Compared => ({
    name: `PREPARE of a text of ${length} bytes is not lost`,
    steps: [
      `PREPARE p AS SELECT length('${x(length)}')`,
      "EXECUTE p",
      "SELECT 1",
      "EXECUTE p",
      `PREPARE q AS SELECT 'q'`,
      "EXECUTE q",
      "EXECUTE p",
      "DEALLOCATE ALL",
      "EXECUTE p",
    ],
    errors: ["26000"],
  })),
  {
    name: "EXPLAIN EXECUTE with thousands of arguments finds the statement",
    steps: [
      `PREPARE p(${times(4000, "text")}) AS SELECT cardinality(ARRAY[${parameters(4000)}])`,
      `EXECUTE p(${times(4000, "NULL")})`,
      `EXPLAIN (COSTS OFF) EXECUTE p(${times(4000, "NULL")})`,
      `EXPLAIN (COSTS OFF) EXECUTE p(${times(4000, "NULL")})`,
    ],
  },
  {
    name: "EXPLAIN EXECUTE with an argument of 20,000 bytes finds the statement",
    steps: [
      "PREPARE p(text) AS SELECT length($1)",
      `EXPLAIN (COSTS OFF) EXECUTE p('${x(20_000)}')`,
      `EXPLAIN (COSTS OFF) /* ${x(20_000)} */ EXECUTE p('short')`,
      `/* ${x(20_000)} */ EXECUTE p('short')`,
      `SELECT 1; /* ${x(20_000)} */ EXECUTE p('short')`,
      `CREATE TEMP TABLE made ON COMMIT DROP AS EXECUTE p('${x(20_000)}')`,
      `/* ${x(20_000)} */ DEALLOCATE p`,
      "EXECUTE p('short')",
    ],
    errors: ["26000"],
  },
  {
    name: "currval in a text of 20,000 bytes is the session's own in the next one",
    before: "SELECT setval('s', 1, false)",
    pins: true,
    steps: [
      `SELECT nextval('s'), currval('s'), length('${x(20_000)}')`,
      "SELECT currval('s')",
      `SELECT currval('s'), length('${x(20_000)}')`,
      "SELECT currval('s'), lastval()",
      { everywhere: "SELECT lastval()" },
    ],
    errors: ["55000"],
  },
  {
    name: "currval and nextval in texts of 20,000 bytes, each in its own transaction, are the session's own",
    before: "SELECT setval('s', 1, false)",
    pins: true,
    steps: [
      `SELECT lastval(), length('${x(20_000)}')`,
      `SELECT nextval('s'), length('${x(20_000)}')`,
      `SELECT currval('s'), length('${x(20_000)}')`,
      "SELECT lastval()",
      { b: "SELECT lastval()" },
    ],
    errors: ["55000", "55000"],
    pools: ["two"],
  },
  {
    name: "A temporary table, an advisory lock and a cursor by texts of 20,000 bytes are kept",
    pins: true,
    steps: [
      `CREATE TEMP TABLE mine (v int) /* ${x(20_000)} */`,
      "SELECT count(*) FROM mine",
      `/* ${x(20_000)} */ DROP TABLE mine`,
      `SELECT pg_advisory_lock(4711), length('${x(20_000)}')`,
      "SELECT pg_advisory_unlock(4711)",
      `BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 7, length('${x(20_000)}'); COMMIT`,
      "FETCH c",
      "CLOSE c",
    ],
  },
  {
    name: "LISTEN and UNLISTEN in texts of 20,000 bytes are the session's own",
    steps: [
      `LISTEN c /* ${x(20_000)} */`,
      "SELECT pg_listening_channels()",
      { b: "SELECT pg_listening_channels()" },
      `/* ${x(20_000)} */ UNLISTEN c`,
      "SELECT pg_listening_channels()",
      { everywhere: "SELECT pg_listening_channels()" },
    ],
  },
];

/** Statements of the extended protocol, named and unnamed. */
const named = (sql: string, name: string) => parse(sql, { name });

const OWN_NAMES: Compared[] = [
  {
    name: "What Bind is told of a wrong number of parameters names the client's own statement",
    steps: [
      [named("SELECT $1::int, $2::int", "mine"), bind({ statement: "mine", values: ["1", "2"] }), execute()],
      [bind({ statement: "mine", values: ["1"] }), execute()],
      [bind({ statement: "mine", values: ["1", "2", "3"] }), execute()],
      [parse("SELECT $1::int"), bind({ values: [] }), execute()],
      [bind({ statement: "mine", values: ["1", "2"], formats: [0, 0, 0] }), execute()],
      [bind({ statement: "other", values: [] }), execute()],
      [describe("S", "other")],
      [describe("P", "other")],
      [named("SELECT 1", "mine")],
      [bind({ statement: "mine", values: ["x", "2"] }), execute()],
    ],
    errors: ["08P01", "08P01", "08P01", "08P01", "26000", "26000", "34000", "42P05", "22P02"],
  },
  {
    name: "Statements that the client names as pgplex would are its own",
    steps: [
      ...[1, 2, 3, 4, 5].map((n) => `PREPARE pgplex_${n} AS SELECT 'mine ${n}'`),
      ...[1, 2, 3, 4, 5].map((n) => `EXECUTE pgplex_${n}`),
      [named("SELECT 'another'", "a"), bind({ statement: "a" }), execute()],
      [named("SELECT 'a third'", "b"), bind({ statement: "b" }), execute()],
      [parse("SELECT 'unnamed'"), bind(), describe("P"), execute()],
      ...[1, 2, 3, 4, 5].map((n) => `EXECUTE pgplex_${n}`),
      [bind({ statement: "a" }), execute()],
      [bind({ statement: "b" }), execute()],
      { b: "EXECUTE pgplex_1" },
      { b: [named("SELECT 'of b'", "a"), bind({ statement: "a" }), execute()] },
      { b: "PREPARE pgplex_1 AS SELECT 'of b'" },
      { b: "EXECUTE pgplex_1" },
      "EXECUTE pgplex_1",
      "DEALLOCATE pgplex_1",
      "EXECUTE pgplex_1",
      { b: "EXECUTE pgplex_1" },
      "SELECT name FROM pg_prepared_statements ORDER BY 1",
    ],
    errors: ["26000", "26000"],
  },
];

comparedTests(served, LONG);
comparedTests(served, OWN_NAMES);
