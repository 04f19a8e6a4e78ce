import assert from "node:assert/strict";
import { shown } from "../harness/console_shown.ts";
import { frontend, psql, waitFor, type WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { query, terminate } = frontend;

/** Clients that leave right behind LISTEN leave no listener behind. */
const served = new Served({
  major: 18,
  // Each test has a user of its own, and so a shared connection of its own.
  setup: Array.from({ length: 30 }, (_, i) => `CREATE ROLE ears${i} LOGIN;`).join(" "),
  pools: {
    one: { default_pool_size: 1, server_idle_timeout: "500ms" },
    two: { default_pool_size: 2, server_idle_timeout: "500ms" },
  },
});

let users = 0;
const nextUser = () => `ears${users++}`;

async function nobodyListens(user: string): Promise<void> {
  await using console = await served.client("pgplex");
  let rows: unknown[] = [];
  const ofUser = async () => (await shown(console, "SHOW LISTENERS")).filter((row) => row["user"] === user);
  await waitFor(async () => (rows = await ofUser()).length === 0, {
    what: "SHOW LISTENERS to be empty",
    deadlineMs: 5000,
  }).catch((thrown) => {
    throw new Error(`${thrown.message}: ${JSON.stringify(rows)}`, { cause: thrown });
  });
  await waitFor(
    async () =>
      Number(await served.value(`SELECT count(*) FROM pg_stat_activity WHERE usename = '${user}'`)) === 0,
    { what: "the shared connection to be closed" },
  );
}

const connect = (alias: string, user: string) => served.client(alias, {}, user);

for (const alias of ["one", "two"]) {
  Deno.test(`psql -c 'listen c1' five times leaves no listener, in a pool of ${alias}`, async () => {
    const user = nextUser();
    for (let i = 0; i < 5; i++) {
      const { code, stdout, stderr } = await psql(["-c", "listen c1"], {
        connection: { ...served.connection(alias), user },
      });
      assert.equal(code, 0, stderr);
      assert.equal(stdout, "LISTEN\n");
    }
    await nobodyListens(user);
  });

  const ENDS: readonly [name: string, end: (client: WireClient) => Promise<unknown>][] = [
    ["Terminate in the same write", (client) => client.send(query("LISTEN c1"), terminate())],
    ["Terminate behind the answer", async (client) => {
      await client.query("LISTEN c1");
      await client.send(terminate());
    }],
    ["the answer, without a word", (client) => client.query("LISTEN c1")],
    ["a reset before the answer", async (client) => {
      await client.send(query("LISTEN c1"));
      client.socket.reset();
    }],
    [
      "UNLISTEN and Terminate in the same write",
      (client) => client.send(query("LISTEN c1"), query("UNLISTEN c1"), terminate()),
    ],
    [
      "a transaction and Terminate in the same write",
      (client) => client.send(query("BEGIN"), query("LISTEN c1"), query("COMMIT"), terminate()),
    ],
    ["another statement and Terminate", async (client) => {
      await client.query("LISTEN c1");
      await client.send(query("SELECT 1"), terminate());
    }],
  ];
  for (const [name, end] of ENDS) {
    Deno.test(`LISTEN and ${name}, twenty times, leaves no listener, in a pool of ${alias}`, async () => {
      const user = nextUser();
      for (let i = 0; i < 20; i++) {
        const client = await connect(alias, user);
        await end(client);
        await client[Symbol.asyncDispose]();
      }
      await nobodyListens(user);
    });
  }

  Deno.test(`Twenty at once that leave right behind LISTEN take nothing from one who stays, in a pool of ${alias}`, async () => {
    const user = nextUser();
    await using stays = await connect(alias, user);
    await one(stays, "LISTEN c1");
    await Promise.all(Array.from({ length: 20 }, async () => {
      const client = await connect(alias, user);
      await client.query("LISTEN c1");
      await client.close();
    }));
    const heard = (await stays.query("NOTIFY c1, 'still'")).find(({ notification }) => notification);
    assert.equal(heard?.notification?.payload, "still");
    await stays.close();
    await nobodyListens(user);
  });

  Deno.test(`LISTEN and NOTIFY that are over in no time warn of no pin, in a pool of ${alias}`, async () => {
    const user = nextUser();
    const before = served.pgplex.log.length;
    await using client = await connect(alias, user);
    for (const sql of ["LISTEN c1", "NOTIFY c1", "SELECT 1", "UNLISTEN c1"]) await one(client, sql);
    await client.close();
    await nobodyListens(user);
    assert.doesNotMatch(served.pgplex.log.slice(before), /session pinned.*reason=listen/);
  });
}
