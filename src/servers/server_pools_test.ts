import { deepStrictEqual as deepEqual, notStrictEqual, strictEqual as equal } from "node:assert/strict";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { mergeTopology, type TopologySnapshot } from "../topology/mod.ts";
import type { Destination } from "./destination.ts";
import type { DestinationKey } from "./destination_key.ts";
import { atRest, configOf, FakeCluster, FakeLog, topologyOf, until } from "./fake_cluster_test.ts";
import type { PooledServer } from "./server_pool.ts";
import { ServerPools } from "./server_pools.ts";
import { type Base, NO_PARAMS } from "./server_wish.ts";

const MAIN = "main: { nodes: [{ name: n1, host: h1 }, { name: n2, host: h2 }] }";
const OTHER = "other: { nodes: [{ name: o1, host: ho }] }";
const SHOP = "routing: { databases: { shop: { cluster: main, database: app } } }";

const APP: DestinationKey = {
  cluster: "main",
  database: "app",
  user: "alice",
  alias: null,
  purpose: "clients",
};
const SHOP_KEY: DestinationKey = { ...APP, alias: "shop" };

/** The pools of a worker with these clusters and more of a configuration, whose servers take every login. */
function rig({ clusters = [MAIN, OTHER], rest = SHOP, pool = "" } = {}) {
  const yaml = (clusters: readonly string[], rest: string) =>
    configOf(`clusters:\n${clusters.map((line) => `  ${line}\n`).join("")}pool: { ${pool} }\n${rest}\n`);
  const config = yaml(clusters, rest);
  const cluster = new FakeCluster();
  const { clock } = cluster.runtime;
  const topology = topologyOf(config);
  const log = new FakeLog();
  const pools = new ServerPools(config, {
    runtime: cluster.runtime,
    log,
    topology,
    onServerTrouble() {},
  });
  const get = (key: DestinationKey) => pools.get(key, NO_CREDENTIALS);
  const leased: PooledServer[] = [];
  const refused: string[] = [];
  const wait = (destination: Destination, base: Base = NO_PARAMS) =>
    destination.wait(
      {
        wish: { base, settings: null, tenant: 0, sqlStatements: new Map() },
        granted: (server) => leased.push(server),
        refused: ({ message }) => refused.push(message),
      },
      clock.nowMs(),
      Infinity,
    );
  /** Takes a connection of `destination`. */
  const lease = async (destination: Destination) => {
    const count = leased.length;
    wait(destination);
    await until(() => leased.length > count);
    return leased.at(-1)!;
  };
  const release = (server: PooledServer) => server.home.pool.release(server, "clean", clock.nowMs());
  const reload = (clusters: readonly string[], rest: string) => {
    const config = yaml(clusters, rest);
    pools.configure(config, clock.nowMs());
    topology.publish(mergeTopology(topology.current, config));
    pools.topologyChanged(clock.nowMs());
  };
  const publish = (snapshot: TopologySnapshot) => {
    topology.publish(snapshot);
    pools.topologyChanged(clock.nowMs());
  };
  const close = async () => {
    pools.close(new PgplexError("shutting_down", "over"));
    for (const { connection } of leased) connection.close();
    await atRest();
  };
  return {
    cluster,
    clock,
    log,
    pools,
    topology,
    get,
    wait,
    lease,
    release,
    leased,
    refused,
    reload,
    publish,
    close,
  };
}

/** The snapshot after `before` in which another node is the primary of main. */
function promoted(before: TopologySnapshot, primary: string): TopologySnapshot {
  const main = before.clusters.get("main")!;
  const nodes = main.nodes.map((node) => ({
    ...node,
    role: node.name === primary ? "primary" as const : "standby" as const,
  }));
  return { serial: before.serial + 1, clusters: new Map([...before.clusters, ["main", { ...main, nodes }]]) };
}

Deno.test("ServerPools.get makes one destination for each key, and later credentials are those of its next logins", () => {
  const { pools, get } = rig();
  const app = get(APP);
  equal(pools.get({ ...APP }, { ...NO_CREDENTIALS, password: "new" }), app);
  equal(app.credentials.password, "new");
  for (
    const other of [
      SHOP_KEY,
      { ...APP, user: "bob" },
      { ...APP, database: "sales" },
      { ...APP, cluster: "other" },
      { ...APP, purpose: "auth" as const },
    ]
  ) notStrictEqual(get(other), app);
  equal([...pools.destinations()].length, 6);
  equal([...pools.all()].length, 6);
});

Deno.test("ServerPools: destinations of one database share what is known of its statements, whoever asks", () => {
  const { pools, get } = rig();
  equal(get(SHOP_KEY).fingerprints, get(APP).fingerprints);
  equal(get({ ...APP, user: "bob" }).fingerprints, get(APP).fingerprints);
  notStrictEqual(get({ ...APP, database: "sales" }).fingerprints, get(APP).fingerprints);
  deepEqual([...pools.fingerprints()].map(({ cluster, database }) => `${database}@${cluster}`), [
    "app@main",
    "sales@main",
  ]);
});

Deno.test("ServerPools.nameOf is the alias, or the database with its cluster; of() finds pools by it", () => {
  const { pools, get } = rig();
  const app = get(APP);
  const shop = get(SHOP_KEY);
  get({ ...APP, user: "bob" });
  deepEqual([pools.nameOf(app), pools.nameOf(shop.pool!)], ["app@main", "shop"]);
  deepEqual([..."app@main,shop,none".split(","), null].map((name) => [...pools.of(name)].length), [
    2,
    1,
    0,
    3,
  ]);
});

Deno.test("ServerPools.configure closes what a reload removed, and whoever waits hears why", async () => {
  const { pools, get, lease, wait, refused, reload, close } = rig({ pool: "default_pool_size: 1" });
  const app = get(APP);
  const shop = get(SHOP_KEY);
  const other = get({ ...APP, cluster: "other" });
  for (const destination of [shop, other]) {
    await lease(destination);
    wait(destination);
  }
  reload([MAIN], "routing: { default_cluster: main }");
  deepEqual(refused, [
    'terminating connection: database "shop" was removed from the configuration',
    'terminating connection: cluster "other" was removed from the configuration',
  ]);
  deepEqual([app, shop, other].map(({ closed }) => closed?.code ?? null), [
    null,
    "config_changed",
    "config_changed",
  ]);
  deepEqual([...pools.all()].map((pool) => pools.isLeaving(pool)), [false, true, true]);
  await close();
});

Deno.test("ServerPools.configure replaces server connections where TLS or connect_query says something else, at their boundary", async () => {
  for (const more of ["tls: { mode: require }", "pool: { connect_query: SET work_mem = 1 }"]) {
    const { get, lease, release, reload, close } = rig();
    const app = get(APP);
    const other = get({ ...APP, cluster: "other" });
    const [idle, used] = [await lease(app), await lease(app)];
    release(idle);
    release(await lease(other));
    reload([MAIN, OTHER], SHOP);
    deepEqual([app.pool!.pool.idleCount, app.pool!.pool.leasedCount], [1, 1], "another reload replaces none");
    reload([MAIN.replace("{ nodes", `{ ${more}, nodes`), OTHER], SHOP);
    deepEqual([app.pool!.pool.idleCount, app.pool!.pool.leasedCount], [0, 1], more);
    equal(app.pool!.pool.mustEnd(used), true);
    equal(other.pool!.pool.idleCount, 1, "those of another cluster stay");
    release(used);
    equal(app.pool!.pool.total, 0);
    await close();
  }
});

Deno.test("ServerPools: what a reload removed stays until its last lease ends, and its name is free for another", async () => {
  const { pools, clock, get, lease, release, reload, close } = rig();
  const shop = get(SHOP_KEY);
  const server = await lease(shop);
  reload([MAIN, OTHER], "routing: { databases: { shop: { cluster: other, database: app } } }");
  const moved = get({ ...SHOP_KEY, cluster: "other" });
  notStrictEqual(moved, shop);
  pools.tick(clock.nowMs());
  deepEqual([...pools.destinations()], [moved, shop]);
  release(server);
  equal(server.connection.closed, true);
  pools.tick(clock.nowMs());
  deepEqual([...pools.destinations()], [moved]);
  await close();
});

Deno.test("ServerPools.totals keep what destinations did that are gone, as long as their name leads somewhere", async () => {
  const { pools, clock, get, lease, release, reload, close } = rig();
  const counts = () =>
    Object.fromEntries([...pools.totals()].map(([name, { query_count: count }]) => [name, count]));
  for (const [key, queries] of [[APP, 1], [SHOP_KEY, 10], [{ ...APP, cluster: "other" }, 100]] as const) {
    const destination = get(key);
    destination.counters.queries = queries;
    release(await lease(destination));
  }
  const leased = await lease(get(SHOP_KEY));
  reload([MAIN], "routing: { databases: { shop: { cluster: main, database: elsewhere } } }");
  deepEqual(counts(), { "app@main": 1, shop: 10 }, "its last lease runs");
  release(leased);
  pools.tick(clock.nowMs());
  deepEqual(counts(), { "app@main": 1, shop: 10 });
  get({ ...SHOP_KEY, database: "elsewhere" }).counters.queries = 5;
  equal(counts().shop, 15);
  equal(pools.statistics.gone.queries, 110);
  await close();
});

Deno.test("ServerPools.configure puts limits in force where a destination stays", async () => {
  const { pools, clock, get, lease, wait, leased, close } = rig({ pool: "default_pool_size: 1" });
  const app = get(APP);
  await lease(app);
  wait(app);
  await atRest();
  equal(leased.length, 1);
  const config = configOf(`clusters: { ${MAIN} }\npool: { default_pool_size: 2 }\n${SHOP}`);
  pools.configure(config, clock.nowMs());
  await until(() => leased.length === 2);
  equal(app.settings.default_pool_size, 2);
  await close();
});

Deno.test("ServerPools.topologyChanged takes those who wait to the new primary, and ends the pools of nodes that are gone", async () => {
  const { pools, topology, get, lease, wait, leased, release, publish, reload, close } = rig({
    pool: "default_pool_size: 1",
  });
  const app = get(APP);
  const atFirst = await lease(app);
  wait(app);
  publish(promoted(topology.current, "n2"));
  await until(() => leased.length === 2);
  equal(leased[1]!.home.node.name, "n2");
  deepEqual(
    [...app.pools()].map(({ pool }) => pool.closed),
    [null, null],
    "the old primary is still configured",
  );
  reload([
    "main: { nodes: [{ name: n1, host: moved }, { name: n2, host: h2 }, { name: n3, host: h3 }] }",
    OTHER,
  ], SHOP);
  const [old, second] = [...app.pools()];
  equal(
    old!.pool.closed?.message,
    'terminating connection: node "n1" of cluster "main" was removed or moved in the configuration',
  );
  equal(second!.pool.closed, null);
  deepEqual([...pools.all()].map((pool) => pools.isLeaving(pool)), [true, false]);
  release(atFirst);
  equal(atFirst.connection.closed, true);
  publish(promoted(topology.current, "n3"));
  equal(app.pool?.node.host, "h3");
  await close();
});

Deno.test("ServerPools: max_db_connections counts over users and nodes, and an idle connection elsewhere makes room", async () => {
  const { cluster, topology, get, lease, wait, leased, release, publish, close } = rig({
    pool: "max_db_connections: 2",
  });
  const alice = get(APP);
  const bob = get({ ...APP, user: "bob" });
  const first = await lease(alice);
  publish(promoted(topology.current, "n2"));
  await lease(alice);
  wait(bob);
  await atRest();
  equal(leased.length, 2, "one at each node is all that there may be");
  release(first);
  equal(first.connection.closed, false);
  bob.tick(0);
  await until(() => leased.length === 3);
  equal(first.connection.closed, true, "what was idle at the old primary made room");
  deepEqual(cluster.servers.map(({ host, params }) => `${params.get("user")} at ${host}`), [
    "alice at h1",
    "alice at h2",
    "bob at h2",
  ]);
  await close();
});

Deno.test("ServerPools.reserve counts a connection more, makes room for it, and says where there is none", async () => {
  const { get, pools, lease, release, close } = rig({ pool: "max_db_connections: 1" });
  const app = get(APP);
  const server = await lease(app);
  equal(pools.reserve(app), null);
  release(server);
  const give = pools.reserve(app);
  deepEqual([give !== null, server.connection.closed], [true, true]);
  equal(pools.reserve(app), null);
  give!();
  notStrictEqual(pools.reserve(app), null);
  await close();
});

Deno.test("ServerPools.reserve takes nothing from a pool at which somebody waits", async () => {
  const { cluster, get, pools, lease, wait, release, close } = rig({ pool: "max_db_connections: 2" });
  const app = get(APP);
  const server = await lease(app);
  release(server);
  cluster.login = "says nothing";
  wait(app, { key: "other", params: new Map() });
  await until(() => cluster.logins.length === 2);
  equal(pools.reserve(get({ ...APP, user: "bob" })), null);
  equal(server.connection.closed, false);
  await close();
});

Deno.test("ServerPools.applyControl holds pools back by name, and those too that are made while it is so", async () => {
  const { pools, get, wait, leased, close } = rig();
  const app = get(APP);
  const sales = get({ ...APP, database: "sales" });
  pools.control.setPaused("app@main", true);
  pools.applyControl();
  const bob = get({ ...APP, user: "bob" });
  const shop = get(SHOP_KEY);
  deepEqual([app, sales, bob, shop].map(({ paused }) => paused), [true, false, true, false]);
  wait(bob);
  await atRest();
  equal(leased.length, 0);
  pools.control.setPaused("app@main", false);
  pools.applyControl();
  await until(() => leased.length === 1);
  pools.control.mode = "paused";
  pools.applyControl();
  equal(get({ ...APP, user: "carol" }).paused, true);
  await close();
});

Deno.test("ServerPools.configure forgets a pause of a name that is gone, so that one of that name later runs", () => {
  const { pools, get, reload } = rig();
  get(SHOP_KEY);
  pools.control.setPaused("shop", true);
  pools.applyControl();
  reload([MAIN, OTHER], "");
  reload([MAIN, OTHER], SHOP);
  equal(get(SHOP_KEY).paused, false);
});

Deno.test("ServerPools.forgetUnused lets go who has no clients, with what only they shared, and keeps their totals", async () => {
  const { pools, clock, get, lease, release, close } = rig({ pool: "server_idle_timeout: 1s" });
  const app = get(APP);
  const never = get({ ...APP, database: "nowhere" });
  app.counters.queries = 3;
  release(await lease(app));
  const look = (...used: Destination[]) => pools.forgetUnused(new Set(used), clock.nowMs());
  look(app);
  look(app);
  deepEqual([...pools.destinations()], [app], "one that never had a server goes at the second look");
  notStrictEqual(get(never.key), never);
  look();
  clock.advance(60_000);
  look();
  deepEqual([...pools.destinations()], [app], "its connection is still there");
  pools.tick(clock.nowMs());
  look();
  clock.advance(59_999);
  look();
  deepEqual([...pools.destinations()], [app]);
  clock.advance(1);
  look();
  deepEqual([[...pools.destinations()], [...pools.fingerprints()]], [[], []]);
  equal(pools.totals().get("app@main")?.query_count, 3);
  await close();
});

Deno.test("ServerPools.forgetUnused keeps one for which somebody waits", () => {
  const { pools, clock, topology, get, wait, publish } = rig();
  publish({
    serial: 9,
    clusters: new Map([["main", { ...topology.current.clusters.get("main")!, nodes: [] }]]),
  });
  const app = get(APP);
  wait(app);
  for (let look = 0; look < 3; look++) pools.forgetUnused(new Set(), clock.nowMs());
  deepEqual([[...pools.destinations()], app.hasClients], [[app], false]);
});

Deno.test("ServerPools.keep fills pools to their minimum without a client, for as long as they are kept", async () => {
  const { pools, clock, reload, close } = rig({
    pool: "min_pool_size: 2, default_pool_size: 3, server_idle_timeout: 5s",
  });
  const look = async () => {
    for (let tick = 0; tick < 4; tick++) {
      pools.tick(clock.nowMs());
      await atRest();
    }
    pools.forgetUnused(new Set(), clock.nowMs());
  };
  const total = () => [...pools.all()].map(({ pool }) => pool.total);
  pools.keep([{ key: SHOP_KEY, credentials: NO_CREDENTIALS }]);
  equal(pools.filling, true);
  await look();
  deepEqual([total(), pools.filling], [[2], false]);
  clock.advance(60_000);
  await look();
  deepEqual(total(), [2], "idle is not too many");
  reload([MAIN, OTHER], SHOP);
  await look();
  deepEqual(total(), [2]);
  pools.keep([]);
  await look();
  clock.advance(5_000);
  await look();
  deepEqual([total(), pools.filling], [[0], false]);
  await close();
});

Deno.test("ServerPools.generation rises with each change of defaults, in one cluster alone", () => {
  const { pools } = rig();
  pools.defaultsChanged("main");
  pools.defaultsChanged("main");
  deepEqual([pools.generation("main"), pools.generation("other")], [2, 0]);
});

Deno.test("ServerPools.close refuses everybody, at what a reload removed too", async () => {
  const { pools, get, lease, wait, refused, reload, close } = rig({ pool: "default_pool_size: 1" });
  const shop = get(SHOP_KEY);
  await lease(shop);
  reload([MAIN, OTHER], "");
  const app = get(APP);
  await lease(app);
  wait(app);
  pools.close(new PgplexError("shutting_down", "over"));
  wait(app);
  deepEqual(refused, ["over", "over"]);
  equal([...pools.all()].every(({ pool }) => pool.closed !== null), true);
  await close();
});

Deno.test("ServerPools says in the log why it closes a connection", async () => {
  const { get, lease, release, log, close } = rig({ pool: "max_db_connections: 1" });
  release(await lease(get(APP)));
  await lease(get({ ...APP, user: "bob" }));
  const closed = log.lines.find(({ message }) => message === "server connection closed");
  const where = { cluster: "main", node: "n1", database: "app", user: "alice" };
  deepEqual(closed, {
    level: "debug",
    message: "server connection closed",
    fields: { ...where, reason: "evicted" },
  });
  await close();
});
