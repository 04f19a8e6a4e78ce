import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { poolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { encodeError, encodeTextRow } from "../protocol/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { Destination } from "./destination.ts";
import { atRest, configOf, FakeCluster, FakeLog, topologyOf, until } from "./fake_cluster_test.ts";
import { openServer } from "./server_opening.ts";
import { type PooledServer, ServerPool } from "./server_pool.ts";
import { type Base, NO_PARAMS, type ServerWish } from "./server_wish.ts";

const CONFIG = configOf(`clusters: { main: { nodes: [{ name: n1, host: h1 }] } }
pool: { state_check: off, default_pool_size: 2, server_login_retry: 1s, server_connect_timeout: 5s, query_wait_timeout: 60s }
`);

const CET: Base = { key: "CET", params: new Map([["TimeZone", "CET"]]) };

/** A destination whose pool opens connections at a {@link FakeCluster}, and what those hear who wait there. */
function rig({ isGone = false } = {}) {
  const cluster = new FakeCluster();
  const log = new FakeLog();
  const { runtime } = cluster;
  const troubles: string[] = [];
  const opening = {
    runtime,
    log,
    tls: (name: string) => isGone ? null : CONFIG.clusters.get(name)!.tls,
    onServerTrouble: (cluster: string, node: string) => troubles.push(`${cluster} ${node}`),
  };
  /** What {@link Pool.openFailed} was told: the SQLSTATE, and whether that was final. */
  const failures: [string, boolean][] = [];
  const port = {
    open(pool: ServerPool, wish: ServerWish | null, generation: number) {
      void openServer(pool, wish, generation, opening);
    },
    close: (_pool: unknown, { connection }: PooledServer) => connection.close(),
    receded() {},
    makeRoom: () => false,
  };
  const destination = new Destination(
    { cluster: "main", database: "app", user: "me", alias: null, purpose: "clients" },
    poolSettings(CONFIG, { cluster: "main" }),
    NO_CREDENTIALS,
    {
      topology: topologyOf(CONFIG),
      balance: CONFIG.balance,
      nowMs: () => 0,
      fingerprints: new Fingerprints(),
      makePool(destination, node) {
        const server = new ServerPool(destination, node, port, { shared: [], jitter: () => 0 });
        const openFailed = server.pool.openFailed.bind(server.pool);
        server.pool.openFailed = (error, final, ...rest) => {
          failures.push([error.sqlstate, final]);
          openFailed(error, final, ...rest);
        };
        return server;
      },
    },
  );
  const servers: PooledServer[] = [];
  const refused: PgplexError[] = [];
  const wait = (base: Base = NO_PARAMS) =>
    destination.wait(
      {
        wish: { base, settings: null, tenant: 0, sqlStatements: new Map() },
        granted: (server) => servers.push(server),
        refused: (error) => refused.push(error),
      },
      runtime.clock.nowMs(),
      Infinity,
    );
  const server = destination.pool!;
  const close = async () => {
    for (const { connection } of servers) connection.close();
    destination.close(new PgplexError("shutting_down", "over"));
    await atRest();
  };
  return { cluster, log, troubles, failures, destination, server, servers, refused, wait, close };
}

Deno.test("openServer gives its pool a connection opened with the wish's parameters, and learns the greeting", async () => {
  const { cluster, destination, server, servers, wait, close } = rig();
  wait(CET);
  const [id] = server.logins.keys();
  equal(server.logins.size, 1);
  await until(() => servers.length === 1);
  const [login] = cluster.logins;
  deepEqual([login!.host, [...login!.params]], ["h1", [["user", "me"], ["database", "app"], [
    "TimeZone",
    "CET",
  ]]]);
  const [{ connection, home }] = servers as [PooledServer];
  deepEqual([connection.identity.base, home === server, server.logins.size], ["CET", true, 0]);
  equal(connection.id, id, "what SHOW SERVERS shows from the login on");
  deepEqual([destination.counters.opened, destination.greetings.usualBase], [1, CET]);
  equal(destination.greetings.of(CET), connection.identity.parameters);
  await close();
});

Deno.test("openServer says in the log when it takes a connection from the reserve", async () => {
  const { log, destination, server, servers, wait, close } = rig();
  destination.configure(
    { ...destination.settings, default_pool_size: 1, reserve_pool_size: 1, reserve_pool_timeout: 1000 },
    0,
    [],
  );
  wait();
  wait();
  await until(() => servers.length === 1);
  deepEqual(log.of("info"), []);
  server.pool.tick(1000, () => destination.waitedInVain(1000));
  await until(() => servers.length === 2);
  deepEqual(log.of("info"), ["taking a connection from the reserve"]);
  await close();
});

Deno.test("openServer opens with the usual parameters where nobody in particular asks", async () => {
  const { cluster, destination, server, wait, servers, close } = rig();
  wait(CET);
  await until(() => servers.length === 1);
  destination.configure({ ...destination.settings, min_pool_size: 2 }, 0, []);
  server.pool.tick(0, () => destination.waitedInVain(0));
  await until(() => cluster.logins.length === 2);
  equal(cluster.logins[1]!.params.get("TimeZone"), "CET");
  await until(() => server.pool.idleCount === 1);
  await close();
});

Deno.test("openServer tells its pool whether a refused login may go better without any change", async () => {
  for (
    const [sqlstate, final] of [
      ["28P01", true],
      ["28000", true],
      ["3D000", true],
      ["22023", true],
      ["57P03", false],
      ["53300", false],
    ] as const
  ) {
    const { cluster, log, failures, refused, server, wait, close } = rig();
    cluster.login = { sqlstate };
    wait();
    await until(() => failures.length === 1);
    deepEqual(failures, [[sqlstate, final]]);
    deepEqual(
      refused.map((error) => error.sqlstate),
      final ? [sqlstate] : [],
      "who wished so hears what is final",
    );
    equal(server.logins.size, 0);
    deepEqual(log.of("warning"), ["cannot open a server connection"]);
    await close();
  }
});

Deno.test("openServer tries again where the server hangs up, and when it is there again the waiter is served", async () => {
  const { cluster, failures, servers, refused, server, destination, wait, close } = rig();
  cluster.login = "hangs up";
  wait();
  await until(() => failures.length === 1);
  deepEqual([failures, refused.length], [[["08001", false]], 0]);
  cluster.login = "takes it";
  server.pool.tick(1000, () => destination.waitedInVain(0));
  await until(() => servers.length === 1);
  await close();
});

Deno.test("openServer gives up on a server that says nothing after server_connect_timeout", async () => {
  const { cluster, failures, server, wait, close } = rig();
  cluster.login = "says nothing";
  wait();
  await until(() => cluster.logins.length === 1);
  cluster.runtime.clock.advance(4999);
  await atRest();
  deepEqual([failures, server.logins.size], [[], 1]);
  cluster.runtime.clock.advance(1);
  await until(() => failures.length === 1);
  deepEqual([failures, server.logins.size], [[["08001", false]], 0]);
  await close();
});

Deno.test("openServer does not try a refused login again before server_login_retry", async () => {
  const { cluster, refused, servers, wait, close } = rig();
  const { clock } = cluster.runtime;
  cluster.login = { sqlstate: "28P01" };
  wait();
  await until(() => refused.length === 1);
  clock.advance(999);
  wait();
  wait(CET); // the password is wrong whatever the parameters
  await until(() => refused.length === 3);
  deepEqual([cluster.logins.length, refused[2] === refused[0]], [1, true]);
  cluster.login = "takes it";
  clock.advance(1);
  wait();
  await until(() => servers.length === 1);
  equal(cluster.logins.length, 2);
  await close();
});

Deno.test("openServer tries one login after server_login_retry, and the others hear meanwhile what the last one said", async () => {
  const { cluster, refused, wait, close } = rig();
  cluster.login = { sqlstate: "28P01" };
  wait();
  await until(() => refused.length === 1);
  cluster.runtime.clock.advance(1000);
  wait();
  wait();
  await until(() => refused.length === 3);
  equal(cluster.logins.length, 2);
  await close();
});

Deno.test("openServer holds a refusal against the startup parameters alone, where it may be about those", async () => {
  const { cluster, refused, servers, wait, close } = rig();
  cluster.login = { sqlstate: "22023" };
  wait(CET);
  await until(() => refused.length === 1);
  cluster.login = "takes it";
  wait(CET);
  wait(NO_PARAMS);
  await until(() => servers.length === 1);
  await until(() => refused.length === 2);
  equal(cluster.logins.length, 2);
  equal(cluster.logins[1]!.params.has("TimeZone"), false);
  await close();
});

Deno.test("openServer refuses where the cluster is gone from the configuration, and connects to nobody", async () => {
  const { cluster, failures, wait, close } = rig({ isGone: true });
  wait();
  await until(() => failures.length === 1);
  deepEqual([failures, cluster.runtime.network.endpoints], [[["57P01", false]], []]);
  await close();
});

Deno.test("openServer looks at the routines of a database on its first connection, before that serves anybody", async () => {
  const { cluster, destination, servers, wait, close } = rig();
  destination.configure({ ...destination.settings, state_check: "learn" }, 0, []);
  const { catalogue } = destination.fingerprints;
  // The mark, texts with names of settings, and the routines: there are none.
  cluster.answer = (sql) =>
    /pg_proc|pg_depend/.test(sql)
      ? (sql.startsWith("SELECT pg_catalog.concat_ws") ? encodeTextRow("mark") : new Uint8Array(0))
      : null;
  equal(catalogue.hidden.reach, "any");
  wait();
  wait();
  await until(() => servers.length === 2);
  equal(catalogue.hidden.reach, null);
  const looked = cluster.servers.map(({ asked }) => asked.some((sql) => sql.includes("pg_proc")));
  deepEqual(looked.toSorted(), [false, true], "one looks, and holds up nobody else");
  await close();
});

Deno.test("openServer serves, though the routines of a database cannot be looked at; where its connection is lost, it opens another", async () => {
  for (const lost of [false, true]) {
    const { cluster, destination, servers, wait, close } = rig();
    destination.configure({ ...destination.settings, state_check: "learn" }, 0, []);
    cluster.answer = (sql) => {
      if (!sql.includes("pg_proc")) return null;
      if (lost) cluster.servers[0]!.stream.end();
      return encodeError("ERROR", new PgplexError("internal", "no", { sqlstate: "42501" }));
    };
    wait();
    await until(() => servers.length === 1 || (lost && destination.pool!.pool.failure !== null));
    equal(destination.fingerprints.catalogue.hidden.reach, "any");
    cluster.runtime.clock.advance(1000);
    destination.pool!.pool.tick(1000, () => destination.waitedInVain(0));
    await until(() => servers.length === 1);
    await close();
  }
});

Deno.test("openServer: a connection that ends while it is idle leaves the pool, and a new one counts as not opened", async () => {
  const { cluster, log, server, servers, wait, close } = rig();
  wait();
  await until(() => servers.length === 1);
  server.pool.release(servers[0]!, "clean", 0);
  cluster.servers[0]!.stream.end();
  await until(() => server.pool.idleCount === 0);
  deepEqual([server.pool.failure, log.of("warning")], [null, []], "it has served somebody");
  wait();
  server.pool.takeWaiting();
  await until(() => server.pool.idleCount === 1);
  cluster.servers[1]!.stream.end();
  await until(() => server.pool.idleCount === 0);
  equal(server.pool.failure?.code, "server_lost");
  ok(log.of("warning")[0]!.includes("before anybody could use it"));
  await close();
});

Deno.test("openServer says where there is trouble: a server that starts, and a connection that ends by itself", async () => {
  const { cluster, troubles, refused, failures, servers, wait, close } = rig();
  cluster.login = { sqlstate: "28P01" };
  wait();
  await until(() => refused.length === 1);
  deepEqual(troubles, []); // it is about the user
  await close();
  const other = rig();
  other.cluster.login = { sqlstate: "57P03" };
  other.wait();
  await until(() => other.failures.length === 1);
  deepEqual(other.troubles, ["main n1"]);
  await other.close();
  const last = rig();
  last.wait();
  await until(() => last.servers.length === 1);
  last.cluster.runtime.network.streams.at(-1)!.end();
  await until(() => last.troubles.length === 1);
  deepEqual([last.troubles, failures.length, servers.length], [["main n1"], 1, 0]);
  await last.close();
});
