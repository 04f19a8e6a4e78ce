import { type Compared, type ComparedStep, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP, SET_IT_SETUP } from "../harness/crowd.ts";
import { frontend } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, close, describe, execute, parse, query, sync } = frontend;

/** What is skipped behind an error up to the Sync, and what comes in the same write behind that. */
const served = new Served({
  major: 18,
  setup: CROWD_SETUP + SET_IT_SETUP,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

/** The server skips what stands behind it up to the Sync. */
const FAILS = execute({ portal: "no such" });

const run = (statement: string) => [bind({ statement }), execute()];
const pipeline = (...parts: Uint8Array[][]): ComparedStep => {
  const messages = parts.flat();
  return { pipeline: messages, readies: messages.filter(([type]) => type === 0x51 || type === 0x53).length };
};

/** What names the statement behind the Sync. */
const NEXT: Readonly<Record<string, Uint8Array[]>> = {
  "EXECUTE": [query("EXECUTE s")],
  "EXECUTE by a Parse": [parse("EXECUTE s"), bind(), execute(), sync()],
  "a Bind": [...run("s"), sync()],
  "a Describe": [describe("S", "s"), sync()],
  "DEALLOCATE": [query("DEALLOCATE s")],
  "a Close and a Parse": [close("S", "s"), parse("SELECT 'other'", { name: "s" }), sync()],
};

/** What names it where the server skips it. */
const SKIPPED: Readonly<Record<string, Uint8Array[]>> = {
  "a Bind": [...run("s")],
  "EXECUTE": [parse("EXECUTE s"), bind(), execute()],
  "a Describe": [describe("S", "s")],
};

const MADE: Readonly<Record<string, ComparedStep>> = {
  "SQL prepared": "PREPARE s AS SELECT 's'",
  "came by Parse": [parse("SELECT 's'", { name: "s" })],
};

const SCRIPTS: readonly Compared[] = Object.entries(MADE).flatMap(([made, make]) =>
  Object.entries(SKIPPED).flatMap(([skipped, first]) =>
    Object.entries(NEXT).map(([next, second]): Compared => ({
      name: `A statement that ${made} is there for ${next} in one write with ${skipped} that was skipped`,
      steps: [make, pipeline([FAILS, ...first, sync()], second), pipeline(first, [sync()], second)],
      errors: errorsOf(next),
    }))
  )
);

function errorsOf(next: string): string[] {
  return next === "DEALLOCATE" ? ["34000", "26000", "26000"] : ["34000"];
}

comparedTests(served, SCRIPTS);

/** Under standard_conforming_strings a text with a column b, and under no other what can be parsed. */
const CONFORMING = "SELECT 'a\\'' || 'b";
const NONCONFORMING = query("SET standard_conforming_strings = off");
const LISTING = "SELECT name, from_sql FROM pg_prepared_statements ORDER BY 1";

comparedTests(served, [
  {
    name: "A statement is read as it was prepared in one write with what has its literals read otherwise",
    steps: [
      [parse(CONFORMING, { name: "by_parse" })],
      `PREPARE by_sql AS ${CONFORMING}`,
      pipeline([NONCONFORMING], run("by_parse"), [sync()]),
      pipeline([query("SET standard_conforming_strings = on"), NONCONFORMING, query("EXECUTE by_sql")]),
      pipeline([query("SET standard_conforming_strings = on"), NONCONFORMING], run("by_sql"), [sync()]),
      pipeline([query("SET standard_conforming_strings = on"), NONCONFORMING, query("EXECUTE by_parse")]),
      pipeline([query("SET standard_conforming_strings = on"), NONCONFORMING], [
        describe("S", "by_parse"),
        ...run("by_parse"),
        sync(),
      ]),
    ],
  },
  {
    name:
      "The unnamed statement, made again under other settings, is in no transaction that its text knows nothing of",
    steps: [
      [parse("SET DateStyle = German", { name: "s" })],
      [parse("SET LOCAL work_mem = '6MB'")],
      run("s"),
      run(""),
      [parse("DISCARD ALL /* '1.2.2024' */")],
      run("s"),
      run(""),
      run(""),
      [parse("SELECT '1.2.2024'::date")],
      [parse("SET DateStyle = ISO", { name: "t" })],
      run("t"),
      run(""),
    ],
  },
  {
    name: "A statement of the protocol that executes another finds that too, however many lie between",
    steps: [
      [parse("SELECT 'x'", { name: "a" })],
      [parse("EXECUTE a", { name: "b" })],
      "EXECUTE b",
      [parse("EXECUTE b", { name: "c" })],
      run("c"),
      "EXECUTE c",
      [parse("EXECUTE c"), describe("S"), bind(), execute()],
      "PREPARE s AS SELECT 's'",
      [parse("EXECUTE s", { name: "t" })],
      "EXECUTE t",
    ],
  },
  {
    name: "A statement that lists statements shows the session's own to who executes it by name",
    steps: [
      [parse(LISTING, { name: "a" })],
      "EXECUTE a",
      [parse("EXECUTE a", { name: "b" })],
      "EXECUTE b",
      `PREPARE s AS ${LISTING}`,
      "EXECUTE s",
      [parse("EXECUTE s"), bind(), execute()],
    ],
  },
  {
    name: "Names are listed in the encoding that something before in the same write has set",
    steps: [
      [parse("SELECT 1", { name: "é" })],
      [parse("SELECT 1", { name: "☃" })],
      pipeline([query("SELECT set_it('client_encoding', 'LATIN1')"), query(LISTING)]),
      "SET client_encoding = UTF8",
      LISTING,
      pipeline([
        close("S", "☃"),
        sync(),
        query("SELECT set_it('client_encoding', 'LATIN1')"),
        query(LISTING),
      ]),
    ],
    errors: ["22P05"],
  },
]);

/** Its name is known to the server, or has to be made known to it in the middle of the batch. */
const ABOUT_PORTALS: Readonly<Record<string, Uint8Array[]>> = {
  "a Bind": [bind({ portal: "p", statement: "s" }), execute({ portal: "p" })],
  "EXECUTE": [
    parse("EXECUTE s", { name: "e" }),
    bind({ portal: "p", statement: "e" }),
    execute({ portal: "p" }),
  ],
};

comparedTests(
  served,
  Object.entries(ABOUT_PORTALS).map(([names, messages]): Compared => ({
    name: `An unnamed portal is there still behind ${names} that names a statement of SQL`,
    steps: [
      "PREPARE s AS SELECT 's'",
      pipeline([parse("SELECT 1"), bind()], messages, [execute()], [sync()]),
      "SET DateStyle = German",
      "PREPARE d AS SELECT date '1.2.2024'",
      "SET DateStyle = ISO",
      pipeline([
        parse("SELECT 2"),
        bind(),
        bind({ portal: "p", statement: "d" }),
        execute(),
        execute({ portal: "p" }),
        sync(),
      ]),
    ],
  })),
);
