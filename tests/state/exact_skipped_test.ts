import assert from "node:assert/strict";
import { comparableLines, type Compared, comparedTests } from "../harness/compared.ts";
import { CROWD_SETUP } from "../harness/crowd.ts";
import { frontend, type WireClient, type WireMessage } from "../harness/mod.ts";
import { Served } from "../harness/served.ts";

const { bind, close, describe, execute, flush, parse, query, sync } = frontend;

/**
 * What a server skips, as something before it in its batch has failed, has changed nothing: what the session had before is there
 * behind the Sync, as on a connection of one's own.
 */
const served = new Served({
  major: 18,
  setup: CROWD_SETUP,
  pools: { one: { default_pool_size: 1 }, two: { default_pool_size: 2 } },
});

const OLD = parse("SELECT 1 AS old");
const FAILS = bind({ statement: "nosuch" });
const DIVIDES = [parse("SELECT 1 / 0", { name: "d" }), bind({ statement: "d" }), execute()];
const UNNAMED: Uint8Array[][] = [[describe("S", "")], [bind(), execute()], [close("S", "")]];

const SKIPPED: readonly [what: string, ...steps: (string | Uint8Array[])[]][] = [
  ["a query", [FAILS, query("SELECT 2")]],
  ["two queries", [FAILS, query("SELECT 2"), query("SELECT 3")]],
  ["a query behind an Execute that fails", [...DIVIDES, query("SELECT 2")]],
  ["a query, and a Parse behind it", [FAILS, query("SELECT 2"), parse("SELECT 2 AS new")]],
  ["a query, and a Close behind it", [FAILS, query("SELECT 2"), close("S", "")]],
  ["a Close, and a query behind it", [FAILS, close("S", ""), query("SELECT 2")]],
  ["a query behind the statement's own Parse", [OLD, FAILS, query("SELECT 2")]],
  ["a query behind another Parse", [parse("SELECT 2 AS new"), FAILS, query("SELECT 2")]],
  ["a query that asks something of pgplex", [FAILS, query("SET pgplex.query_timeout = '5s'")]],
  ["a query that names a statement", [FAILS, query("EXECUTE nosuch")]],
  ["a query of more than 64 kB", [FAILS, query(`SELECT 2 /* ${"x".repeat(70_000)} */`)]],
  ["nothing", [FAILS, query("")]],
];

comparedTests(
  served,
  SKIPPED.map(([what, ...steps]): Compared => ({
    name: `The unnamed statement outlives what is skipped: ${what}`,
    steps: [[OLD], ...steps, ...UNNAMED],
    errors: what.includes("Execute") ? ["22012"] : ["26000"],
  })),
);

/** What a client hears to these, and to a query behind all of it. */
async function heard(client: WireClient, ...messages: Uint8Array[]): Promise<string[]> {
  await client.send(...messages, query("SELECT 'in step'"));
  const all: WireMessage[] = [];
  while (!all.some(({ values }) => values?.[0] === "in step")) all.push(...await client.readUntil("Z"));
  return comparableLines(all);
}

/** Plays it on a connection of its own and through pgplex. */
async function alike(play: (client: WireClient) => Promise<unknown>): Promise<void> {
  const answers: unknown[] = [];
  for (const client of [await served.direct(), await served.client("one")]) {
    answers.push(await play(client));
    await client.close();
  }
  assert.deepEqual(answers[1], answers[0]);
}

Deno.test("The unnamed statement outlives a query that is known to be skipped as it comes", async () => {
  await alike(async (client) => {
    await client.send(OLD, sync());
    await client.readUntil("Z");
    await client.send(FAILS, flush());
    const failed = await client.readUntil("E");
    await client.send(query("SELECT 2"), sync());
    const skipped = await client.readUntil("Z");
    const unnamed = await heard(client, describe("S", ""), bind(), execute(), sync());
    return [comparableLines(failed), comparableLines(skipped), unnamed];
  });
});

Deno.test("A query ends the unnamed statement where it is not skipped, whatever was on its way before it", async () => {
  const unnamed = [describe("S", ""), sync()];
  const pipelines = [
    [OLD, query("SELECT 2"), sync()],
    [OLD, FAILS, sync(), query("SELECT 2")],
    [OLD, sync(), FAILS, query("SELECT 2"), sync(), query("SELECT 3")],
    [OLD, bind(), execute(), query("SELECT 2"), query("SELECT 3"), FAILS, query("SELECT 4"), sync()],
    [OLD, query("SELECT 1 / 0"), sync()],
    [OLD, query("SELECT 2"), OLD, FAILS, query("SELECT 3"), sync()],
    [query("SELECT 2"), OLD, query("SELECT 3"), OLD, close("S", ""), query("SELECT 4"), sync()],
  ];
  for (const pipeline of pipelines) await alike((client) => heard(client, ...pipeline, ...unnamed));
});

Deno.test("In a transaction that has failed the unnamed statement is there behind a query that was skipped", async () => {
  await alike((client) =>
    heard(
      client,
      ...[query("BEGIN"), parse("ROLLBACK"), sync(), FAILS, query("SELECT 2"), sync()],
      ...[describe("S", ""), sync(), bind(), execute(), sync()],
    )
  );
});

Deno.test("pg_prepared_statements shows no statement whose Parse was skipped, in the middle of a batch too", async () => {
  const ran = [parse("SELECT 1"), bind(), execute()];
  const view = [parse("SELECT name FROM pg_prepared_statements ORDER BY name"), bind(), execute()];
  const named = (name: string) => parse("SELECT 2", { name });
  const pipelines = [
    [FAILS, named("n"), sync(), ...view, sync()],
    [FAILS, named("n"), sync(), ...ran, ...view, sync()],
    [named("kept"), ...ran, sync(), FAILS, named("n"), sync(), named("other"), ...view, sync()],
    [named("kept"), sync(), FAILS, close("S", "kept"), sync(), ...ran, ...view, sync()],
    [named("kept"), sync(), close("S", "kept"), FAILS, sync(), ...ran, ...view, sync()],
    [named("kept"), named("gone"), close("S", "gone"), ...ran, ...view, sync()],
    [FAILS, named("n"), sync(), named("n"), ...view, sync()],
  ];
  for (const pipeline of pipelines) await alike((client) => heard(client, ...pipeline));
});
