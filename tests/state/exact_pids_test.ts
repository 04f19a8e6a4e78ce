import assert from "node:assert/strict";
import { cancel, errorOf, frontend, rowsOf, waitFor, WireClient } from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

/** The process ids that clients are told, and connections that no pool counts. */
const served = new Served({
  major: 18,
  settings: { wal_level: "logical", max_wal_senders: "20", max_replication_slots: "10" },
  setup: "CREATE ROLE app LOGIN; CREATE ROLE copies LOGIN REPLICATION;",
  pools: {
    one: { default_pool_size: 1 },
    two: { default_pool_size: 2 },
    session: { default_pool_size: 10, pool_mode: "session" },
    limited: { max_db_connections: 2, query_wait_timeout: "500ms" },
    by_user: { max_user_connections: 2, query_wait_timeout: "500ms" },
  },
});

/** What an operating system gives: PID_MAX_LIMIT of Linux. */
const PID_MAX = 2 ** 22;

const pidOf = (client: WireClient) => client.key!.pid;
const backendOf = async (client: WireClient) => Number(await one(client, "SELECT pg_backend_pid()"));

/** So many clients at once, `atATime` of which log in together, and which are closed behind `use`. */
async function crowd(
  count: number,
  connect: () => Promise<WireClient>,
  use: (clients: WireClient[]) => Promise<void>,
  atATime = 30,
): Promise<void> {
  const clients: WireClient[] = [];
  try {
    while (clients.length < count) {
      clients.push(
        ...await Promise.all(Array.from({ length: Math.min(atATime, count - clients.length) }, connect)),
      );
    }
    await use(clients);
  } finally {
    for (const client of clients) await client.close();
  }
}

Deno.test("Clients of a server itself are told the pids of their backends", async () => {
  await crowd(10, () => served.direct(), async (clients) => {
    assert.equal(new Set(clients.map(pidOf)).size, 10);
    for (const client of clients) assert.equal(pidOf(client), await backendOf(client));
  });
});

for (const alias of ["one", "two"]) {
  Deno.test(`300 clients are told 300 pids, in a pool of ${alias}`, async () => {
    await crowd(300, () => served.client(alias), (clients) => {
      assert.equal(new Set(clients.map(pidOf)).size, 300);
      return Promise.resolve();
    });
  });

  Deno.test(`No client is told a pid that an operating system may give, in a pool of ${alias}`, async () => {
    await crowd(300, () => served.client(alias), (clients) => {
      const low = clients.map(pidOf).filter((pid) => pid <= PID_MAX || pid > 0x7fff_ffff);
      assert.deepEqual(low, []);
      return Promise.resolve();
    });
  });

  Deno.test(`Pids stay distinct while clients come and go, in a pool of ${alias}`, async () => {
    await crowd(200, () => served.client(alias), async (clients) => {
      for (let i = 0; i < 150; i++) {
        const at = (i * 7) % clients.length;
        await clients[at]!.close();
        clients[at] = await served.client(alias);
      }
      assert.equal(new Set(clients.map(pidOf)).size, 200);
    });
  });

  Deno.test(`pg_terminate_backend of a pid that a client was told ends nobody else, in a pool of ${alias}`, async () => {
    await crowd(20, () => served.client(alias), async (clients) => {
      await using killer = await served.direct();
      for (const client of clients) {
        const [row] = rowsOf(await killer.query(`SELECT pg_terminate_backend(${pidOf(client)})`));
        assert.deepEqual(row, ["f"]);
      }
      for (const client of clients) assert.equal(await one(client, "SELECT 1"), "1");
    });
  });

  Deno.test(`Each of 300 clients is cancelled by its own key, in a pool of ${alias}`, async () => {
    await crowd(300, () => served.client(alias), async (clients) => {
      for (const client of [clients[0]!, clients[149]!, clients[299]!]) {
        await client.send(frontend.query(`SELECT pg_sleep(60), ${pidOf(client)}`));
        await waitFor(
          () =>
            served.value(
              `SELECT true FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60), ${
                pidOf(client)
              }'`,
            ),
          { what: "the statement to run" },
        );
        await cancel(served.pgplex, client.key!);
        assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
      }
    });
  });
}

Deno.test("In session pooling the pid is the backend's own", async () => {
  await crowd(8, () => served.client("session"), async (clients) => {
    for (const client of clients) assert.equal(pidOf(client), await backendOf(client));
    assert.equal(new Set(clients.map(pidOf)).size, 8);
    const [first, second] = clients as [WireClient, WireClient];
    const state = `SELECT state FROM pg_stat_activity WHERE pid = ${pidOf(second)}`;
    await one(second, "BEGIN");
    assert.equal(await one(first, state), "idle in transaction");
    await one(second, "ROLLBACK");
  }, 1);
});

Deno.test("In session pooling a notification carries the pid that the notifier was told", async () => {
  await using listener = await served.client("session");
  await using notifier = await served.client("session");
  await one(listener, "LISTEN c");
  await one(notifier, "NOTIFY c, 'x'");
  const heard = await listener.read("the notification");
  assert.equal(heard.notification?.pid, pidOf(notifier));
  await one(listener, "NOTIFY c, 'y'");
  const own = (await listener.query("SELECT 1")).find(({ notification }) => notification) ??
    { notification: { pid: pidOf(listener) } };
  assert.equal(own.notification?.pid, pidOf(listener));
});

Deno.test("In session pooling a client is cancelled by its pid, and told when its backend is terminated", async () => {
  await using client = await served.client("session");
  await using other = await served.client("session");
  await client.send(frontend.query("SELECT pg_sleep(60), 'cancelled'"));
  await waitFor(
    () =>
      served.value(
        "SELECT true FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%60), ''cancelled''%'",
      ),
    { what: "the statement to run" },
  );
  assert.equal(await one(other, `SELECT pg_cancel_backend(${pidOf(client)})`), "t");
  assert.equal(errorOf(await client.readUntil("Z"))!["C"], "57014");
  assert.equal(await one(other, `SELECT pg_terminate_backend(${pidOf(client)})`), "t");
  const error = errorOf(await client.query("SELECT 1"))!;
  // The statement may have been sent before the backend's last words came.
  const inFlight = error["C"] === "40003";
  assert.deepEqual([error["S"], error["C"]], ["ERROR", inFlight ? "40003" : "57P01"]);
  if (inFlight) assert.match(error["D"]!, /terminating connection due to administrator command \(57P01\)/);
  assert.equal(await one(client, "SELECT 1"), "1");
});

/** Replication connections that can be had at once of five. */
async function replicating(alias: string, user: string, value: string): Promise<WireClient[]> {
  const all = await Promise.allSettled(
    Array.from({ length: 5 }, () => served.client(alias, { replication: value }, user)),
  );
  return all.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
}

Deno.test("Replication connections count in max_db_connections", async () => {
  const clients = await replicating("limited", "copies", "database");
  try {
    assert.equal(
      await served.value("SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'copies'"),
      2,
    );
    assert.equal(clients.length, 2);
    await assert.rejects(async () => {
      await using client = await served.client("limited", {}, "app");
      await one(client, "SELECT 1");
    }, "no room for an ordinary client");
    await clients.pop()!.close();
    await waitFor(async () => {
      await using client = await served.client("limited", {}, "app");
      return await one(client, "SELECT 1") === "1";
    }, { what: "room for an ordinary client" });
  } finally {
    for (const client of clients) await client.close();
  }
});

Deno.test("Replication connections count in max_user_connections, and not for other users", async () => {
  const clients = await replicating("by_user", "copies", "database");
  try {
    await using client = await served.client("by_user", {}, "app");
    assert.equal(await one(client, "SELECT 1"), "1");
    assert.equal(clients.length, 2);
  } finally {
    for (const client of clients) await client.close();
  }
});
