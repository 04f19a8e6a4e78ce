import { type Compared, type ComparedStep, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, describe, execute, parse } = frontend;

/** A name of a prepared statement that is taken: what takes it again fails, and changes nothing. */
const served = new Served({
  major: 18,
  setup: `${CROWD_SETUP} CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.lone AS SELECT 'lone' AS v;
    CREATE TABLE one.pair AS SELECT 'pair' AS v; CREATE TABLE two.pair AS SELECT 2 AS v`,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

const TAKEN = parse("SELECT 1", { name: "a" });
const named = (sql: string) => parse(sql, { name: "a" });

const SCRIPTS: readonly Compared[] = [
  {
    name: "The warning of a text is heard though its name is taken",
    steps: [
      "SET standard_conforming_strings = off",
      [TAKEN],
      [named(String.raw`SELECT 'a\b'`)],
      [named(String.raw`SELECT 'a\b`)],
      [bind({ statement: "a" }), execute()],
    ],
    errors: ["42P05", "42601"],
  },
  {
    name: "A text that fails by itself does so though its name is taken",
    steps: [[TAKEN], [named("SELECT nosuch")], [named("SELEC")], [named("SELECT 2")]],
    errors: ["42703", "42601", "42P05"],
  },
  {
    name: "The unnamed statement is there still in a transaction that a name which is taken has failed",
    steps: [
      [TAKEN],
      [parse("BEGIN"), bind(), execute(), TAKEN],
      [describe("S", "")],
      "ROLLBACK",
      "BEGIN",
      [parse("SAVEPOINT s"), bind(), execute(), TAKEN],
      [describe("S", "")],
      "ROLLBACK",
    ],
    errors: ["42P05", "42P05"],
  },
];

comparedTests(served, SCRIPTS);

/** How `a` is prepared under the search_path `one`: by SQL, or by Parse. */
const PREPARED: Readonly<Record<string, (sql: string) => ComparedStep>> = {
  "PREPARE": (sql) => `PREPARE a AS ${sql}`,
  "Parse": (sql) => [named(sql)],
};

/** Of the tables `lone` is in schema `one` alone, and `pair` has another type in each. */
comparedTests(
  served,
  Object.entries(PREPARED).flatMap(([how, prepare]): Compared[] => {
    const begin = (sql: string): ComparedStep[] => [
      "SET search_path = one",
      prepare(sql),
      "SET search_path = two",
    ];
    const finds: ComparedStep[] = ["SET search_path = one", "EXECUTE a", "SHOW search_path"];
    return [
      {
        name: `A name that ${how} took under another search_path is taken for PREPARE and Parse`,
        steps: [
          ...begin("SELECT v FROM lone"),
          "PREPARE a AS SELECT 1",
          [named("SELECT 1")],
          "PREPARE a AS SELECT v FROM lone",
          [named("SELECT v FROM lone")],
          ...finds,
        ],
        errors: ["42P05", "42P05", "42P01", "42P01"],
      },
      {
        name: `DEALLOCATE ends what ${how} made under another search_path`,
        steps: [...begin("SELECT v FROM lone"), "DEALLOCATE a", ...finds],
        errors: ["26000"],
      },
      {
        name:
          `DEALLOCATE ends what ${how} made under another search_path, in a transaction that keeps its own`,
        steps: [
          ...begin("SELECT v FROM lone"),
          "BEGIN",
          "DEALLOCATE a",
          "SHOW search_path",
          "COMMIT",
          "SHOW search_path",
          ...finds,
        ],
        errors: ["26000"],
      },
      {
        name: `EXECUTE of what ${how} made under another search_path misses tables, or has another type`,
        steps: [
          ...begin("SELECT v FROM lone"),
          "EXECUTE a",
          "DEALLOCATE a",
          ...begin("SELECT v FROM pair"),
          "EXECUTE a",
          [parse("EXECUTE a"), bind(), execute()],
          ...finds,
        ],
        errors: ["42P01", "0A000", "0A000"],
      },
      {
        name: `pg_prepared_statements shows what ${how} made under another search_path`,
        steps: [...begin("SELECT v FROM lone"), "SELECT name, statement FROM pg_prepared_statements"],
      },
      {
        name: `What ${how} made is read by the search_path under which it was made again`,
        steps: [
          ...begin("SELECT v FROM pair"),
          "DEALLOCATE a",
          prepare("SELECT v FROM pair"),
          "EXECUTE a",
          "SET search_path = one",
          "EXECUTE a",
        ],
        errors: ["0A000"],
      },
    ];
  }),
);

comparedTests(served, [
  {
    name:
      "A SELECT of what a transaction that has failed does not reach is refused as such where it is described",
    steps: ["PREPARE a AS SELECT 1", "BEGIN", "SELECT 1 / 0", [describe("S", "a")], "ROLLBACK", "EXECUTE a"],
    errors: ["22012", "25P02"],
  },
]);
