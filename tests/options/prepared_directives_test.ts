import assert from "node:assert/strict";
import pg from "pg";
import postgres from "postgres";
import { errorOf, frontend, pgOptions, postgresOptions, rowsOf, type WireClient } from "../harness/mod.ts";
import { shown } from "../harness/console_shown.ts";
import { one, Served } from "../harness/served.ts";

const served = new Served({
  pools: {
    two: { default_pool_size: 2 },
    forbidden: { default_pool_size: 2, options_allowed: ["tag"] },
  },
});

/** Runs a prepared statement once more. */
async function run(client: WireClient, statement: string): Promise<(string | null)[][]> {
  await client.send(frontend.bind({ statement }), frontend.execute(), frontend.sync());
  const messages = await client.readUntil("Z");
  assert.equal(errorOf(messages), null);
  return rowsOf(messages);
}

Deno.test("A prepared SHOW of an option, of the session and of all options says what holds when it runs", async () => {
  await using client = await served.client("two", { "pgplex.tag": "first" });
  for (
    const [name, text] of [
      ["tag", "SHOW pgplex.tag"],
      ["options", "--!pgplex show options"],
      ["session", "--!pgplex show session"],
    ] as const
  ) {
    await client.send(frontend.parse(text, { name }), frontend.describe("S", name), frontend.sync());
    assert.equal(errorOf(await client.readUntil("Z")), null);
  }
  const tag = async () => {
    const [[shown]] = await run(client, "tag") as [[string]];
    const listed = (await run(client, "options")).find(([name]) => name === "tag")!;
    assert.equal(listed[1], shown);
    return shown;
  };
  assert.equal(await tag(), "first");
  await one(client, "--!pgplex transaction tag=second\nBEGIN");
  assert.equal(await tag(), "second");
  assert.equal(await tag(), "second");
  await one(client, "COMMIT");
  assert.equal(await tag(), "first");
  await one(client, "SET pgplex.tag = 'third'");
  assert.equal(await tag(), "third");
  await one(client, "RESET pgplex.tag");
  assert.equal(await tag(), "first");
  const pins = async () => (await run(client, "session")).find(([name]) => name === "pins")![1];
  assert.equal(await pins(), null);
  await one(client, "--!pgplex pin\nSELECT 1");
  assert.equal(await pins(), "directive");
  await one(client, "--!pgplex unpin\nSELECT 1");
  assert.equal(await pins(), null);
  // Several in one batch, also one that fails, which is rolled back and skipped.
  const twice = [frontend.bind({ statement: "session" }), frontend.execute()];
  await client.send(...twice, ...twice, frontend.sync());
  assert.equal(rowsOf(await client.readUntil("Z")).length, 2 * (await run(client, "session")).length);
  await client.send(
    ...twice,
    frontend.parse("SELECT 1/0"),
    frontend.bind(),
    frontend.execute(),
    ...twice,
    frontend.sync(),
  );
  assert.equal(errorOf(await client.readUntil("Z"))!["C"], "22012");
  await client.send(
    frontend.parse("SELECT 1/0"),
    frontend.bind(),
    frontend.execute(),
    ...twice,
    frontend.sync(),
  );
  assert.equal(errorOf(await client.readUntil("Z"))!["C"], "22012");
  assert.equal((await run(client, "session"))[0]![0], "id");
  assert.equal(await tag(), "first");
  // However often they run, a server connection has no more than one statement for each.
  for (let i = 0; i < 50; i++) await run(client, "session");
  await using console = await served.client("pgplex");
  const counts = (await shown(console, "SHOW SERVERS")).map((row) => Number(row["prepared_statements"]));
  assert.ok(counts.length > 0 && Math.max(...counts) <= 6, counts.join());
  // The name is free again, and another statement may have it.
  await client.send(
    frontend.close("S", "tag"),
    frontend.parse("SELECT 'plain'", { name: "tag" }),
    frontend.sync(),
  );
  assert.equal(errorOf(await client.readUntil("Z")), null);
  assert.deepEqual(await run(client, "tag"), [["plain"]]);
});

Deno.test("A directive for the transaction holds each time that a prepared statement runs with it", async () => {
  const sql = postgres({ ...postgresOptions(served.connection("two")), max: 1 });
  await sql`SHOW pgplex.tag`; // prepared before
  for (let i = 0; i < 3; i++) {
    await sql.begin(async (tx) => {
      assert.equal((await tx`SHOW pgplex.tag`)[0]!["pgplex.tag"], "");
      await tx`--!pgplex transaction tag=inside
        SELECT ${i}::int`;
      assert.equal((await tx`SHOW pgplex.tag`)[0]!["pgplex.tag"], "inside");
    });
    assert.equal((await sql`SHOW pgplex.tag`)[0]!["pgplex.tag"], "");
  }
  await sql.end();
  const client = new pg.Client(pgOptions(served.connection("two")));
  await client.connect();
  const sleep = (seconds: number) =>
    client.query({
      name: "s",
      text: "--!pgplex transaction timeout=100ms\nSELECT pg_sleep($1)",
      values: [seconds],
    });
  await sleep(0);
  await client.query("BEGIN");
  await sleep(0);
  await assert.rejects(client.query("SELECT pg_sleep(60)"), /query_timeout/);
  await client.query("ROLLBACK");
  await client.query("SELECT pg_sleep(0.2)");
  await client.end();
});

Deno.test("Who may not set pool_mode may not pin either", async () => {
  await using client = await served.client("forbidden");
  const messages = await client.query("--!pgplex pin\nSELECT 1");
  const warning = messages.find(({ type }) => type === "N")!.fields!;
  assert.deepEqual([warning["S"], warning["M"]], ["WARNING", "permission denied to pin"]);
  const session = new Map(rowsOf(await client.query("--!pgplex show session")) as [string, string][]);
  assert.equal(session.get("pins"), null);
});

Deno.test("What a directive or SET most likely means is said, its short names and its words among it", async () => {
  await using client = await served.client("two");
  const hint = async (text: string) => {
    const messages = await client.query(text);
    return messages.find(({ type }) => type === "N" || type === "E")!.fields!["H"];
  };
  assert.equal(await hint("--!pgplex tiemout=1s\nSELECT 1"), 'Perhaps you meant "timeout".');
  assert.equal(await hint("--!pgplex upnin\nSELECT 1"), 'Perhaps you meant "unpin".');
  assert.equal(await hint("--!pgplex sesion tag=x\nSELECT 1"), 'Perhaps you meant "session".');
  assert.equal(await hint("SET pgplex.timeout = '1s'"), 'Perhaps you meant "pgplex.query_timeout".');
});
