import assert from "node:assert/strict";
import { errorOf, type WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const TERMINATE = Uint8Array.of(0x58, 0, 0, 0, 4);

const served = new Served({
  pools: { session: { pool_mode: "session" }, transaction: {} },
});

/** A client comes right behind another one's end, many times. */
async function inARow(alias: string, leave: (client: WireClient) => Promise<void>): Promise<void> {
  await using left = new AsyncDisposableStack();
  for (let i = 0; i < 30; i++) {
    const client = left.use(await served.client(alias));
    // What it leaves behind is undone before its server connection is free.
    await one(client, "SET work_mem = '5MB'; CREATE TEMPORARY TABLE t (id int)");
    await leave(client);
  }
}

for (const setting of ["listen.max_client_conn", "pool.max_db_client_connections"]) {
  for (const alias of ["session", "transaction"]) {
    Deno.test(`${setting}: who comes right behind a client that left has its place, in ${alias} mode`, async () => {
      await using console = await served.client("pgplex");
      assert.equal(errorOf(await console.query(`SET ${setting} TO 1`)), null);
      await inARow(alias, async (client) => {
        await client.send(TERMINATE);
        client.socket.end();
      });
      await inARow(alias, (client) => Promise.resolve(client.socket.reset()));
      await using last = await served.client(alias);
      await assert.rejects(served.client(alias), /53300/);
      await one(last, "SELECT 1");
      assert.equal(errorOf(await console.query(`RESET ${setting}`)), null);
    });
  }
}
