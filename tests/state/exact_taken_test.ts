import { type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, describe, execute, parse } = frontend;

/** A Parse of a name that is taken fails, and changes nothing. */
const served = new Served({
  major: 18,
  setup: CROWD_SETUP,
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
