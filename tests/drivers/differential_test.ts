import assert from "node:assert/strict";
import { frontend, rowsOf, type WireClient, type WireMessage } from "../harness/mod.ts";
import { RESET, type Script, SCRIPTS, SETUP, type Step } from "../harness/differential_scripts.ts";
import { Intruders, one, Served } from "../harness/served.ts";

const served = new Served({
  setup: SETUP,
  pools: {
    session: { pool_mode: "session", default_pool_size: 4 },
    transaction: { pool_mode: "transaction", default_pool_size: 2 },
    copy: { default_pool_size: 1 },
  },
});

/** What the intruders do to the connections that the script's session gets next. */
const DISTURB =
  "SET application_name = 'intruder'; SET TimeZone = 'America/Lima'; SET DateStyle = 'SQL, DMY'; " +
  "SET client_encoding = latin1; SET standard_conforming_strings = on; SELECT 1";

/** Fields of an error that depend on the server's source, not on what was said: file, line and function. */
const UNCOMPARED_FIELDS = ["F", "L", "R"];

/** Everything of a message that has to be equal. */
function comparable({ name, body, fields, notification }: WireMessage): string {
  if (fields !== undefined) {
    const kept = Object.entries(fields).filter(([code]) => !UNCOMPARED_FIELDS.includes(code));
    return `${name} ${JSON.stringify(kept)}`;
  }
  if (notification !== undefined) return `${name} ${notification.channel} ${notification.payload}`;
  if (body.length > 10_000) {
    return `${name} of ${body.length} bytes, sum ${body.reduce((a, b) => (a * 31 + b) | 0, 0)}`;
  }
  return `${name} ${new TextDecoder("latin1").decode(body)}`;
}

async function read(client: WireClient, until: string): Promise<WireMessage[]> {
  if (until === ".") return await client.closed();
  const messages: WireMessage[] = [];
  for (const type of until) messages.push(...await client.readUntil(type));
  return messages;
}

async function play(client: WireClient, [send, until]: Step): Promise<string[]> {
  if (send.length > 0) await client.send(...send);
  return (await read(client, until)).map(comparable);
}

/** The conversation as it went; `between` steps and outside of transactions others may use the pool. */
async function trace(client: WireClient, script: Script, between: () => Promise<void> = async () => {}) {
  await served.node.sql(RESET);
  const steps: string[][] = [];
  for (const [index, step] of script.steps.entries()) {
    const before = index === 0 ? null : script.steps[index - 1]![1];
    const atBoundary = before === null || (before.endsWith("Z") && client.status === "I");
    if (atBoundary) await between();
    try {
      steps.push(await play(client, step));
    } catch (thrown) {
      throw new Error(`Step ${index} (until ${JSON.stringify(step[1])}): ${(thrown as Error).message}`, {
        cause: thrown,
      });
    }
  }
  return steps;
}

async function direct(script: Script): Promise<string[][]> {
  await using client = await served.direct();
  return await trace(client, script);
}

for (const script of SCRIPTS) {
  Deno.test(`Session pooling answers as the server does: ${script.name}`, async () => {
    const expected = await direct(script);
    await using client = await served.client("session");
    assert.deepEqual(await trace(client, script), expected);
  });

  Deno.test(`Transaction pooling between other sessions answers as the server does: ${script.name}`, async () => {
    const expected = await direct(script);
    await using intruders = await Intruders.start(served, "transaction", DISTURB);
    await using client = await served.client("transaction");
    assert.deepEqual(await trace(client, script, () => intruders.swap()), expected);
  });
}

Deno.test("Scripts leave connections that work for whoever comes next", async () => {
  for (const alias of ["session", "transaction"]) {
    const clients = await Promise.all([served.client(alias), served.client(alias)]);
    for (const client of clients) assert.equal(await one(client, "SELECT 1"), "1");
    for (const client of clients) await client.close();
  }
});

Deno.test("A ReadyForQuery that nobody could count, of a Sync behind a failed COPY, never reaches another client", async () => {
  const { bind, copyData, copyDone, execute, parse, query, sync } = frontend;
  for (let round = 0; round < 10; round++) {
    await served.node.sql(RESET + "; ALTER TABLE t ENABLE TRIGGER early");
    await using client = await served.client("copy");
    await using next = await served.client("copy");
    // The COPY fails before it reads anything: both Syncs are answered, where one would be if it had read the first.
    const copy = [
      parse("COPY t FROM STDIN"),
      bind(),
      execute(),
      sync(),
      copyData("1\t1\n"),
      copyDone(),
      sync(),
    ];
    await client.send(...copy);
    await next.send(query(`SELECT ${round}`), query("SELECT 'next'"));
    await client.readUntil("Z");
    assert.deepEqual(rowsOf(await next.readUntil("Z")), [[String(round)]]);
    assert.deepEqual(rowsOf(await next.readUntil("Z")), [["next"]]);
  }
});
