import assert from "node:assert/strict";
import { frontend, rowsOf, typesOf, waitFor, type WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, execute, parse, query, sync } = frontend;

const served = new Served({
  pools: { transaction: { default_pool_size: 1 }, session: { default_pool_size: 1, pool_mode: "session" } },
});

/** What servers do longer than it takes to look whether a client is there. */
const SLOW = "SELECT pg_sleep(0.5)";

const LAST_WORDS: Record<string, Uint8Array[]> = {
  "a simple query": [query(`${SLOW}; SELECT 'late'`)],
  "several of them": [query(SLOW), query("SELECT 'late'"), query("BEGIN"), query("SELECT 'later'")],
  "a pipeline": [
    ...[parse(SLOW), bind(), execute(), sync()],
    ...[parse("SELECT 'late'"), bind(), execute(), sync()],
  ],
  "a message that is not whole": [query(`${SLOW}; SELECT 'late'`), query("SELECT 'never'").subarray(0, 9)],
};

/** What comes to a client that has ended its side, but for what says nothing new. */
async function heard(client: WireClient, messages: Uint8Array[]): Promise<string[]> {
  await client.send(...messages);
  client.socket.end();
  const replies = (await client.closed()).filter(({ parameter }) => parameter?.name !== "client_encoding");
  return [typesOf(replies), ...rowsOf(replies).map((row) => row.join("|"))];
}

for (const mode of ["transaction", "session"]) {
  for (const [words, messages] of Object.entries(LAST_WORDS)) {
    Deno.test(`A client that sends ${words} and ends its side reads its replies, in ${mode} mode`, async () => {
      await using direct = await served.direct();
      await using client = await served.client(mode);
      assert.deepEqual(await heard(client, messages), await heard(direct, messages));
      await using next = await served.client(mode);
      assert.equal(await one(next, "SELECT 'clean'"), "clean");
    });
  }
}

Deno.test("A client that ends its side while it waits for a server connection gets it, and its replies", async () => {
  await using holder = await served.client("transaction");
  await using client = await served.client("transaction");
  await one(holder, "BEGIN");
  const replies = heard(client, [query("SELECT 'waited'")]);
  await one(holder, SLOW);
  await one(holder, "COMMIT");
  assert.deepEqual(await replies, ["TDCZ", "waited"]);
});

Deno.test("A client that is gone is found out while its statement runs, and the statement is cancelled", async () => {
  const client = await served.client("transaction");
  await client.send(query("SELECT pg_sleep(600) AS abandoned"));
  const running = async () =>
    Number(
      await served.value(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%600) AS abandoned%' AND state = 'active' " +
          "AND pid <> pg_backend_pid()",
      ),
    );
  await waitFor(async () => await running() === 1, { what: "the statement to run" });
  await client[Symbol.asyncDispose]();
  await waitFor(async () => await running() === 0, { what: "the statement to end" });
});
