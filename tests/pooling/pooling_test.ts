import assert from "node:assert/strict";
import {
  errorOf,
  frontend,
  rowsOf,
  startPgplex,
  tagsOf,
  typesOf,
  waitFor,
  WireClient,
  WireError,
} from "../harness/mod.ts";
import { one, Served } from "../harness/served.ts";

const { bind, execute, flush, parse, query, sync } = frontend;

/** Each of these aliases has a user of its own, so that its server connections can be counted. */
const POOLS = {
  order: { default_pool_size: 2 },
  reserve: { default_pool_size: 1, reserve_pool_size: 1, reserve_pool_timeout: "300ms" },
  wait: { default_pool_size: 1, query_wait_timeout: "300ms" },
  waits: { default_pool_size: 1, query_wait_timeout: "300ms", pool_mode: "session" },
  idle: { default_pool_size: 5, server_idle_timeout: "300ms" },
  lifetime: { default_pool_size: 1, server_lifetime: "300ms" },
  minimum: { default_pool_size: 5, min_pool_size: 3 },
  early: { default_pool_size: 2, min_pool_size: 2 },
  dead: { default_pool_size: 2 },
  recent: { default_pool_size: 3 },
  retry: { default_pool_size: 4, server_login_retry: "200ms" },
  db1: { database: "limited", max_db_connections: 2 },
  db2: { database: "limited" },
  refused: { server_login_retry: "1h" },
  skipping: { default_pool_size: 1, query_wait_timeout: "5s" },
  user1: { max_user_connections: 2 },
  user2: { database: "limited" },
};

const served = new Served({
  settings: { max_connections: "60" },
  setup: Object.keys(POOLS).map((name) => `CREATE ROLE "${name}" LOGIN;`).join(" ") +
    "CREATE ROLE everywhere LOGIN; CREATE TABLE arrivals (n int, at serial); GRANT ALL ON arrivals, arrivals_at_seq TO PUBLIC;",
  pools: POOLS,
});
Deno.test.beforeAll(async () => {
  await served.node.sql("CREATE DATABASE limited");
});

/** A client of the alias that logs in as the alias's own user. */
const connect = (alias: keyof typeof POOLS, user: string = alias) => served.client(alias, {}, user);

const pidOf = async (client: WireClient) => Number(await one(client, "SELECT pg_backend_pid()"));

/** Server connections of `user`, all of which are pgplex's. */
async function pidsOf(user: string): Promise<number[]> {
  const rows = await served.node.sql(
    `SELECT pid FROM pg_stat_activity WHERE usename = '${user}' ORDER BY backend_start`,
  );
  return rows.map((row) => row["pid"]);
}

/** Sends a query, and returns once pgplex has read it: it answers a Sync on an idle connection only behind it. */
async function queue(client: WireClient, sql: string, idle: WireClient): Promise<void> {
  await client.send(query(sql));
  for (let i = 0; i < 3; i++) {
    await idle.send(sync());
    assert.equal(typesOf(await idle.readUntil("Z")), "Z");
  }
}

Deno.test("Twenty clients over a pool of two are served in the order in which they came", async () => {
  await using holder = await connect("order");
  await using other = await connect("order");
  await using idle = await connect("order");
  const clients = await Promise.all(Array.from({ length: 20 }, () => connect("order")));
  await one(holder, "BEGIN");
  await one(other, "BEGIN");
  for (const [n, client] of clients.entries()) {
    await queue(client, `INSERT INTO arrivals VALUES (${n}); SELECT ${n}, pg_backend_pid()`, idle);
  }
  assert.equal((await pidsOf("order")).length, 2);
  await clients[0]!.quiet(20);
  const pid = await pidOf(other);
  await one(other, "COMMIT");
  for (const [n, client] of clients.entries()) {
    assert.deepEqual(rowsOf(await client.readUntil("Z")), [[String(n), String(pid)]]);
  }
  const order = await served.node.sql("SELECT n FROM arrivals ORDER BY at");
  assert.deepEqual(order.map((row) => row["n"]), clients.map((_, n) => n));
  await one(holder, "COMMIT");
  // And all at once, over and over: never more than two, nobody hangs.
  await Promise.all(clients.map(async (client, n) => {
    for (let round = 0; round < 20; round++) assert.equal(await one(client, `SELECT ${n}`), String(n));
    await client.close();
  }));
  assert.equal((await pidsOf("order")).length, 2);
});

Deno.test("The reserve pool serves whoever waited for reserve_pool_timeout, and no more than it has", async () => {
  await using holder = await connect("reserve");
  await using second = await connect("reserve");
  await using third = await connect("reserve");
  await one(holder, "BEGIN");
  const started = performance.now();
  await one(second, "BEGIN");
  assert.ok(performance.now() - started >= 290, "served before reserve_pool_timeout");
  assert.notEqual(await pidOf(second), await pidOf(holder));
  await third.send(query("SELECT 'third'"));
  await third.quiet(500);
  await one(holder, "COMMIT");
  assert.deepEqual(rowsOf(await third.readUntil("Z")), [["third"]]);
  assert.equal((await pidsOf("reserve")).length, 2);
});

Deno.test("query_wait_timeout fails the statement with 53300, and the client stays and works afterwards", async () => {
  await using holder = await connect("wait");
  await using client = await connect("wait");
  await one(holder, "BEGIN");
  const simple = await client.query("SELECT 1");
  assert.equal(typesOf(simple), "EZ");
  assert.equal(simple.at(-1)!.status, "I");
  const { S, C, M, D, H } = errorOf(simple)!;
  assert.deepEqual([S, C, M], ["ERROR", "53300", "query_wait_timeout: no server connection became free"]);
  assert.equal(D, "The limit is 300 ms.");
  assert.ok(H);

  const named = [parse("SELECT 1", { name: "s" }), bind({ statement: "s" }), execute()];
  await client.send(...named, ...named, sync());
  assert.equal(typesOf(await client.readUntil("Z")), "EZ");
  // What was pipelined behind the Sync was sent in the belief that the batch would run: it fails with it.
  await client.send(...named, sync(), query("SELECT 2"), sync());
  assert.equal(typesOf(await client.readUntil("Z")), "EZ");
  assert.equal(typesOf(await client.readUntil("Z")), "EZ");
  assert.equal(typesOf(await client.readUntil("Z")), "Z");

  await one(holder, "COMMIT");
  await client.send(bind({ statement: "s" }), sync());
  assert.equal(errorOf(await client.readUntil("Z"))!["C"], "26000");
  assert.equal(await one(client, "SELECT 'works'"), "works");
});

Deno.test("In session pooling a client waits with its first statement, and query_wait_timeout leaves it connected", async () => {
  await using holder = await connect("waits");
  await one(holder, "SELECT 1");
  await using client = await connect("waits");
  assert.equal(errorOf(await client.query("SELECT 1"))!["C"], "53300");
  await client.send(parse("SELECT 1"), bind(), execute(), sync());
  assert.equal(typesOf(await client.readUntil("Z")), "EZ");
  await holder.close();
  assert.equal(await one(client, "SELECT 'works'"), "works");
});

Deno.test("server_idle_timeout closes what nobody uses", async () => {
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect("idle")));
  for (const client of clients) await one(client, "BEGIN");
  // One more may have been opened for a client that was served otherwise meanwhile: nobody uses it either.
  await waitFor(async () => (await pidsOf("idle")).length === 4, { what: "four connections" });
  for (const client of clients) await one(client, "COMMIT");
  await waitFor(async () => (await pidsOf("idle")).length === 0, { what: "idle connections to be closed" });
  for (const client of clients) {
    assert.equal(await one(client, "SELECT 1"), "1");
    await client.close();
  }
});

Deno.test("server_lifetime replaces a connection when it is free, not while it is used", async () => {
  await using client = await connect("lifetime");
  await one(client, "BEGIN");
  const pid = await pidOf(client);
  const until = performance.now() + 500;
  while (performance.now() < until) assert.equal(await pidOf(client), pid);
  await one(client, "COMMIT");
  await waitFor(async () => await pidOf(client) !== pid, { what: "another connection" });
});

Deno.test("min_pool_size keeps connections open that clients can use", async () => {
  await using first = await connect("minimum");
  await one(first, "SELECT 1");
  await waitFor(async () => (await pidsOf("minimum")).length >= 3, { what: "three connections" });
  const kept = await pidsOf("minimum");
  assert.equal(kept.length, 3);
  const clients = await Promise.all(kept.map(() => connect("minimum")));
  const used: number[] = [];
  for (const client of clients) {
    await one(client, "BEGIN");
    used.push(await pidOf(client));
  }
  assert.deepEqual(used.toSorted(), kept.toSorted());
  for (const client of clients) await client.close();
});

Deno.test("min_pool_size opens connections that fit clients, even before the first one has logged in", async () => {
  await using other = await connect("dead");
  await served.node.kill("SIGSTOP");
  const connecting = connect("early");
  await other.quiet(300); // the pool looks at its minimum meanwhile
  await served.node.kill("SIGCONT");
  await using first = await connecting;
  await waitFor(async () => (await pidsOf("early")).length === 2, { what: "two connections" });
  const kept = await pidsOf("early");
  await using second = await connect("early");
  for (const client of [first, second]) await one(client, "BEGIN");
  assert.deepEqual([await pidOf(first), await pidOf(second)].toSorted(), kept.toSorted());
});

Deno.test("max_db_connections holds over pools: an idle connection of another pool makes room, a used one is waited for", async () => {
  const [a1, a2] = [await connect("db1"), await connect("db1")];
  await using b = await connect("db1", "db2");
  for (const client of [a1, a2]) await one(client, "BEGIN");
  await b.send(query("SELECT 'b'"));
  await b.quiet(200);
  await one(a1, "COMMIT");
  assert.deepEqual(rowsOf(await b.readUntil("Z")), [["b"]]);
  assert.equal((await pidsOf("db1")).length + (await pidsOf("db2")).length, 2);
  // b's connection is idle now: a1 gets its room back at once.
  await one(a1, "BEGIN");
  assert.equal((await pidsOf("db1")).length, 2);
  await a1.close();
  await a2.close();
});

Deno.test("max_db_connections counts each name that leads to a database by itself, whoever else looks", async () => {
  await using console = await served.client("pgplex");
  const connections = async () =>
    rowsOf(await console.query("SHOW DATABASES"))
      .filter(([name]) => name === "db1" || name === "limited")
      .map((row) => `${row[0]} ${row[11]} ${row[12]}`);
  const limited: WireClient[] = [];
  for (let i = 0; i < 3; i++) limited.push(await connect("db1"));
  const others = await Promise.all([1, 2, 3].map(() => served.client("limited")));
  for (const [i, other] of others.entries()) {
    await one(other, "BEGIN");
    if (i < 2) await one(limited[i]!, "BEGIN");
  }
  await limited[2]!.send(query("SELECT 'third'"));
  await limited[2]!.quiet(200);
  const [ofAlias, ofDatabase] = await connections();
  assert.equal(ofAlias, "db1 2 2");
  // One more may have been opened for a login that another connection then served.
  assert.match(ofDatabase!, /^limited 0 [34]$/);
  await one(limited[0]!, "COMMIT");
  assert.deepEqual(rowsOf(await limited[2]!.readUntil("Z")), [["third"]]);
  for (const client of [...limited, ...others]) await client.close();
});

Deno.test("max_user_connections of an alias counts what its users have there", async () => {
  const clients = await Promise.all([1, 2, 3].map(() => connect("user1", "everywhere")));
  const others = await Promise.all([1, 2, 3].map(() => connect("user2", "everywhere")));
  for (const client of [...others, ...clients.slice(1)]) await one(client, "BEGIN");
  await clients[0]!.send(query("SELECT 'third'"));
  await clients[0]!.quiet(200);
  const [counts] = await served.node.sql(
    "SELECT count(*) FILTER (WHERE datname = 'postgres')::int AS limited, " +
      "count(*) FILTER (WHERE datname = 'limited' AND state = 'idle in transaction')::int AS others " +
      "FROM pg_stat_activity WHERE usename = 'everywhere'",
  );
  assert.deepEqual(counts, { limited: 2, others: 3 });
  for (const client of [...others, ...clients]) await client.close();
  const gone = async () => (await pidsOf("everywhere")).length === 0;
  await served.node.sql(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'everywhere'",
  );
  await waitFor(gone, { what: "the server connections to end" });
});

Deno.test("max_user_connections holds over pools of one user", async () => {
  await using pgplex = await startPgplex({
    config: {
      auth: { type: "trust" },
      clusters: {
        main: { nodes: [{ name: "main-1", host: "127.0.0.1", port: served.node.port }], superuser: null },
      },
      pool: { max_user_connections: 2 },
      routing: {
        databases: {
          user1: { cluster: "main", database: "postgres" },
          user2: { cluster: "main", database: "limited" },
        },
      },
    },
  });
  const connect = (database: string) => WireClient.connect(pgplex, { user: "everywhere", database });
  const [a1, a2] = [await connect("user1"), await connect("user1")];
  await using b = await connect("user2");
  for (const client of [a1, a2]) await one(client, "BEGIN");
  await b.send(query("SELECT current_database()"));
  await b.quiet(200);
  assert.equal((await pidsOf("everywhere")).length, 2);
  await one(a2, "COMMIT");
  assert.deepEqual(rowsOf(await b.readUntil("Z")), [["limited"]]);
  assert.equal((await pidsOf("everywhere")).length, 2);
  await a1.close();
  await a2.close();
});

Deno.test("A login that is refused for good is tried again after server_login_retry, and what an operator does forgets it", async () => {
  await using console = await served.client("pgplex");
  const attempt = async () => {
    try {
      await using client = await connect("refused");
      const messages = await client.query("SELECT 'served'");
      return errorOf(messages)?.["C"] ?? rowsOf(messages)[0]![0];
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      return thrown.fields["C"];
    }
  };
  for (const commands of [["RECONNECT refused"], ["PAUSE refused", "RESUME refused"], ["RELOAD"]]) {
    await one(console, "RECONNECT refused");
    await served.node.sql("ALTER ROLE refused NOLOGIN");
    assert.equal(await attempt(), "28000");
    await served.node.sql("ALTER ROLE refused LOGIN");
    for (let i = 0; i < 3; i++) assert.equal(await attempt(), "28000", "nobody has asked the server again");
    for (const command of commands) await one(console, command);
    assert.equal(await attempt(), "served", commands.join("; "));
  }
});

Deno.test("Connections that end while idle are replaced without a word to anybody", async () => {
  await using client = await connect("dead");
  for (let round = 0; round < 5; round++) {
    const pid = await pidOf(client);
    assert.equal(await served.value(`SELECT pg_terminate_backend(${pid}, 5000)`), true);
    await client.send(sync());
    await client.readUntil("Z");
    assert.notEqual(await pidOf(client), pid);
  }
});

Deno.test("A client whose server connection ends inside its transaction stays, and the pool replaces the connection", async () => {
  await using client = await connect("dead");
  await using other = await connect("dead");
  await one(client, "BEGIN");
  await served.value(`SELECT pg_terminate_backend(${await pidOf(client)}, 5000)`);
  const error = errorOf(await client.query("SELECT 1"))!;
  assert.deepEqual([error["S"], error["C"], client.status], ["ERROR", "40001", "E"]);
  assert.match(error["D"]!, /terminating connection due to administrator command \(57P01\)/);
  assert.deepEqual([await client.query("ROLLBACK").then(tagsOf), client.status], [["ROLLBACK"], "I"]);
  for (const session of [other, await connect("dead")]) {
    await one(session, "BEGIN");
    assert.ok(await pidOf(session));
    if (session !== other) await session.close();
  }
});

Deno.test("A client that leaves while the server skips what it sent frees its connection at once", async () => {
  {
    await using client = await connect("skipping");
    await client.send(execute({ portal: "none" }), query("SELECT 1"), flush());
    assert.equal(errorOf(await client.readUntil("E"))!.C, "34000");
  }
  await using next = await connect("skipping");
  assert.equal(await one(next, "SELECT 2"), "2");
});

Deno.test("The connection that was used last is leased first", async () => {
  const clients = await Promise.all([1, 2, 3].map(() => connect("recent")));
  for (const client of clients) await one(client, "BEGIN");
  for (const last of [clients[1]!, clients[0]!, clients[2]!]) {
    const pid = await pidOf(last);
    for (const client of clients) if (client !== last) await one(client, "COMMIT");
    await one(last, "COMMIT");
    for (let round = 0; round < 5; round++) assert.equal(await pidOf(clients[round % 3]!), pid);
    for (const client of clients) await one(client, "BEGIN");
  }
  for (const client of clients) await client.close();
});

// The server's process changes here: it was another test's and becomes the next one's.
const ownsProcess = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "Clients that wait while the server is down are served when it comes back",
  ownsProcess,
  async () => {
    await using old = await connect("retry");
    await using older = await connect("retry");
    await one(old, "SELECT 1");
    await served.node.stop();
    const waiting = [old, older, await connect("retry"), await connect("retry"), await connect("retry")];
    for (const [n, client] of waiting.entries()) await client.send(query(`SELECT ${n}`));
    await old.quiet(300);
    await served.node.start();
    for (const [n, client] of waiting.entries()) {
      assert.deepEqual(rowsOf(await client.readUntil("Z")), [[String(n)]]);
    }
    for (const client of waiting) await client.close();
  },
);

Deno.test("What clients ask for and does not exist leaves no pool behind, and a pool that was used stays", async () => {
  await using console = await served.client("pgplex");
  await using _used = await connect("recent");
  const pools = async () => rowsOf(await console.query("SHOW POOLS")).map((row) => `${row[0]} ${row[1]}`);
  for (let i = 0; i < 20; i++) {
    await assert.rejects(served.client(`nothing_${i}`), /3D000/);
    await assert.rejects(served.client("postgres", {}, `nobody_${i}`), /28000/);
  }
  await waitFor(async () => !(await pools()).some((pool) => /nothing_|nobody_/.test(pool)), {
    what: "the pools of databases and users that do not exist to be forgotten",
    deadlineMs: 20_000,
  });
  assert.ok((await pools()).includes("recent recent"));
});
