import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { Settings } from "../backend/mod.ts";
import type { BalanceConfig, PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import {
  type ClusterPhase,
  type NodeFacts,
  type NodeRole,
  TopologyPublisher,
  type TopologySnapshot,
  unknownNode,
} from "../topology/mod.ts";
import { Destination } from "./destination.ts";
import { type PooledServer, ServerPool } from "./server_pool.ts";
import { NO_PARAMS, type ServerWish } from "./server_wish.ts";

const SETTINGS = {
  default_pool_size: 1,
  min_pool_size: 0,
  reserve_pool_size: 0,
  reserve_pool_timeout: 0,
  server_idle_timeout: 0,
  server_lifetime: 0,
  server_login_retry: 1000,
  query_wait_timeout: 100,
} as unknown as PoolSettings;

const BALANCE: BalanceConfig = {
  max_standby_lag: 0,
  max_standby_lag_bytes: 0,
  read_fallback: "primary",
  read_consistency: "session",
  read_only_is_read: "off",
};

function snapshot(
  serial: number,
  roles: Record<string, NodeRole>,
  phase: ClusterPhase = "serving",
): TopologySnapshot {
  const nodes = Object.entries(roles).map(([name, role]) => ({
    ...unknownNode({ name, host: name, port: 5432 }),
    role,
  }));
  return { serial, clusters: new Map([["main", { name: "main", epoch: 1, phase, nodes }]]) };
}

/** A snapshot in which everybody has said how it is: standbys show what was committed before these times. */
function known(
  serial: number,
  freshMs: Record<string, number>,
  phase: ClusterPhase = "serving",
): TopologySnapshot {
  const nodes = Object.entries({ n1: Infinity, ...freshMs }).map(([name, freshMs]) => ({
    ...unknownNode({ name, host: name, port: 5432 }),
    role: (name === "n1" ? "primary" : "standby") as NodeRole,
    health: "up" as const,
    facts: { freshMs, timeline: 1, streaming: true, lagBytes: 0 } as NodeFacts,
  }));
  return { serial, clusters: new Map([["main", { name: "main", epoch: 1, phase, nodes }]]) };
}

/** A destination at a cluster of these nodes, whose connections open when the test says so. */
function rig(roles: Record<string, NodeRole>, balance: Partial<BalanceConfig> = {}) {
  const topology = new TopologyPublisher(snapshot(1, roles));
  const opening: { pool: ServerPool; generation: number }[] = [];
  const closed: string[] = [];
  let timeMs = 0;
  const port = {
    open: (pool: ServerPool, _: ServerWish | null, generation: number) =>
      void opening.push({ pool, generation }),
    close: (_pool: unknown, { connection }: PooledServer) => connection.close(),
    receded() {},
    makeRoom: () => false,
  };
  const destination = new Destination(
    { cluster: "main", database: "app", user: "me", alias: null, purpose: "clients" },
    SETTINGS,
    NO_CREDENTIALS,
    {
      topology,
      balance: { ...BALANCE, ...balance },
      nowMs: () => timeMs,
      fingerprints: new Fingerprints(),
      makePool: (destination, node) =>
        new ServerPool(destination, node, port, { shared: [], jitter: () => 0 }),
    },
  );
  const heard: string[] = [];
  const servers: PooledServer[] = [];
  const waiter = (name: string, reads?: { lastWriteMs: number }) => ({
    wish: {
      base: NO_PARAMS,
      settings: null,
      tenant: 0,
      sqlStatements: new Map(),
      ...(reads === undefined ? {} : { reads: true, ...reads }),
    },
    granted: (server: PooledServer) => {
      servers.push(server);
      heard.push(`${name} at ${server.home.node.name}`);
    },
    refused: ({ message }: PgplexError) => void heard.push(`${name}: ${message}`),
  });
  const wait = (name: string, nowMs: number, reads?: { lastWriteMs: number }) => {
    const one = waiter(name, reads);
    timeMs = nowMs;
    destination.wait(one, nowMs, nowMs + 100);
    return one;
  };
  /** As {@link wait}, of a session that only reads and wrote then. */
  const read = (name: string, nowMs: number, lastWriteMs = -Infinity) => wait(name, nowMs, { lastWriteMs });
  /** Standbys n2 and n3, of which the first is told so. */
  const tell = (nowMs: number, freshMs: Record<string, number>, phase?: ClusterPhase) => {
    topology.publish(known(topology.current.serial + 1, freshMs, phase));
    destination.topologyChanged(nowMs, () => null);
  };
  const fail = (nowMs: number, name: string) => {
    const index = opening.findIndex(({ pool }) => pool.node.name === name);
    const [{ pool, generation }] = opening.splice(index, 1) as [typeof opening[0]];
    pool.pool.openFailed(new PgplexError("server_unreachable", "refused"), false, null, nowMs, generation);
    destination.openFailed(pool, nowMs);
  };
  /** Everything that is being opened is there. */
  const open = (nowMs: number) => {
    for (const { pool, generation } of opening.splice(0)) {
      const close = () => void closed.push(pool.node.name);
      const connection = { close } as unknown as PooledServer["connection"];
      pool.pool.opened({ connection, home: pool, openedMs: nowMs, fitness: () => 2 }, nowMs, generation);
    }
  };
  const move = (
    nowMs: number,
    roles: Record<string, NodeRole>,
    { phase, gone }: { phase?: ClusterPhase; gone?: string } = {},
  ) => {
    topology.publish(snapshot(topology.current.serial + 1, roles, phase));
    destination.topologyChanged(
      nowMs,
      ({ name }) => name === gone ? new PgplexError("config_changed", `${name} is gone`) : null,
    );
  };
  return { destination, heard, servers, closed, wait, read, tell, open, fail, move };
}

Deno.test("Destination leases at the primary, and at another one as soon as that is published", () => {
  const { destination, heard, servers, wait, open, move } = rig({ n1: "primary", n2: "standby" });
  equal(destination.pool?.node.name, "n1");
  wait("a", 0);
  open(0);
  move(1, { n1: "unknown", n2: "primary" });
  wait("b", 1);
  open(1);
  deepEqual(heard, ["a at n1", "b at n2"]);
  servers[0]!.home.pool.release(servers[0]!, "clean", 2);
  deepEqual([...destination.pools()].map(({ node, pool }) => `${node.name} ${pool.idleCount}`), [
    "n1 1",
    "n2 0",
  ]);
  equal(destination.tryAcquire(wait("c", 2).wish), null, "what is idle at the old primary is not lent");
});

Deno.test("Destination opens at a node that is the primary again without waiting for what failed there before", () => {
  const { destination, heard, wait, open, fail, move } = rig({ n1: "primary", n2: "standby" });
  wait("a", 0);
  fail(0, "n1");
  move(1, { n1: "unknown", n2: "primary" });
  open(1);
  wait("b", 2);
  move(3, { n1: "primary", n2: "unknown" });
  open(3);
  deepEqual(heard, ["a at n2", "b at n1"]);
  equal(destination.waitingCount, 0);
});

Deno.test("Destination takes those who wait at a dead node to the new primary, in order, with their time", () => {
  const { destination, heard, wait, open, move } = rig({ n1: "primary", n2: "standby" });
  for (const [name, nowMs] of [["a", 0], ["b", 10], ["c", 20]] as const) wait(name, nowMs);
  move(30, { n1: "unknown", n2: "primary" });
  equal(destination.waitedMs(30), 30);
  equal(destination.waitingCount, 3);
  destination.tick(105);
  deepEqual(heard, ["a: query_wait_timeout: no server connection became free"]);
  open(106); // at both: what opens at the dead node after all serves nobody
  deepEqual(heard.slice(1), ["b at n2"]);
});

Deno.test("Destination lets sessions wait where there is no primary, and says why to those who wait in vain", () => {
  const { destination, heard, wait, open, move } = rig({ n1: "primary" });
  move(0, { n1: "unknown", n2: "unknown" });
  equal(destination.pool, null);
  const forgotten = wait("a", 0);
  wait("b", 0);
  wait("c", 50);
  equal(destination.forget(forgotten), true);
  destination.tick(100);
  deepEqual(heard, ['b: query_wait_timeout: cluster "main" has no primary']);
  move(110, { n1: "unknown", n2: "primary" });
  open(110);
  deepEqual(heard.slice(1), ["c at n2"]);
});

Deno.test("Destination holds everybody while the primary is being moved, those too who wait at its pool", () => {
  const { destination, heard, servers, wait, open, move } = rig({ n1: "primary" });
  wait("a", 0);
  open(0);
  wait("b", 1);
  move(2, { n1: "primary" }, { phase: "holding" });
  wait("c", 3);
  servers[0]!.home.pool.release(servers[0]!, "clean", 4);
  equal(destination.hasRoom({}), false);
  deepEqual(heard, ["a at n1"]);
  move(5, { n1: "primary" });
  deepEqual(heard, ["a at n1", "b at n1"]);
  equal(destination.waitingCount, 1);
});

Deno.test("Destination: a pool ends with its node, what it has leased ends as it is released, and nobody else notices", () => {
  const { destination, heard, servers, closed, wait, open, move } = rig({ n1: "primary" });
  wait("a", 0);
  open(0);
  wait("b", 1);
  move(2, { n2: "primary" }, { gone: "n1" });
  open(2);
  deepEqual(heard, ["a at n1", "b at n2"]);
  deepEqual([...destination.pools()].map(({ node }) => node.name), ["n1", "n2"]);
  servers[0]!.home.pool.release(servers[0]!, "clean", 3);
  destination.tick(4);
  deepEqual([closed, [...destination.pools()].map(({ node }) => node.name)], [["n1"], ["n2"]]);
  move(5, { n1: "primary", n2: "standby" });
  equal(destination.pool?.pool.closed, null, "a node that comes back gets a pool of its own");
});

Deno.test("Destination.setPaused holds back the pools that there are, and those that are made later", () => {
  const { destination, heard, wait, open, move } = rig({ n1: "primary" });
  destination.setPaused(true, 0);
  wait("a", 0);
  move(1, { n1: "unknown", n2: "primary" });
  open(1);
  deepEqual(heard, []);
  destination.setPaused(false, 2);
  open(2);
  deepEqual(heard, ["a at n2"]);
});

Deno.test("Destination.close refuses everybody with its reason, whether they wait at a pool, for a node, or come later", () => {
  for (const phase of ["serving", "holding"] as const) {
    const { destination, heard, wait, move } = rig({ n1: "primary" });
    move(0, { n1: "primary" }, { phase });
    wait("a", 0);
    destination.close(new PgplexError("config_changed", "it is gone"));
    wait("b", 1);
    deepEqual(heard, ["a: it is gone", "b: it is gone"]);
    equal(destination.closed?.code, "config_changed");
  }
});

Deno.test("Destination serves reads on standbys in turn, and whoever wrote where the write can be seen", () => {
  const { destination, heard, servers, read, tell, open } = rig({ n1: "primary" });
  tell(0, { n2: 10, n3: 20 });
  read("a", 0);
  read("b", 0);
  read("c", 0, 15);
  open(0);
  deepEqual(heard.toSorted(), ["a at n2", "b at n3"]);
  servers.find(({ home }) => home.node.name === "n3")!.home.pool.release(
    servers.find(({ home }) => home.node.name === "n3")!,
    "clean",
    1,
  );
  equal(heard[2], "c at n3");
  read("d", 1, 20);
  open(1);
  equal(heard[3], "d at n1", "no standby shows the write yet");
  equal(destination.pool!.pool.leasedCount, 1);
});

Deno.test("Destination: pool_size holds for each node, and PAUSE for all of them", () => {
  const { destination, heard, read, wait, tell, open } = rig({ n1: "primary" });
  tell(0, { n2: 10, n3: 20 });
  for (const name of ["a", "b", "c", "d"]) read(name, 0);
  wait("e", 0);
  wait("f", 0);
  open(0);
  deepEqual(heard.toSorted(), ["a at n2", "b at n3", "e at n1"]);
  equal(destination.waitingCount, 3);
  destination.setPaused(true, 1);
  read("g", 1);
  deepEqual([...destination.pools()].map(({ pool }) => pool.paused), [true, true, true]);
});

Deno.test("Destination with read_fallback wait: reads wait for a standby that is fit, and hear why where none comes", () => {
  const { destination, heard, read, tell, open } = rig({ n1: "primary" }, { read_fallback: "wait" });
  tell(0, { n2: 10 });
  const late = read("a", 0, 10);
  read("b", 50, 10);
  destination.tick(100);
  equal(heard.length, 1);
  equal(
    destination.waitedInVain(100, late.wish).message,
    'query_wait_timeout: no standby of cluster "main" is fit for reads',
  );
  tell(110, { n2: 11 });
  open(110);
  deepEqual(heard.slice(1), ["b at n2"]);
});

Deno.test("Destination takes reads that wait to another standby when theirs is not fit any more, and leaves the others", () => {
  const { heard, read, wait, tell, open } = rig({ n1: "primary" });
  tell(0, { n2: 10 });
  for (const name of ["a", "b"]) read(name, 0);
  wait("w", 0);
  open(0);
  deepEqual(heard.toSorted(), ["a at n2", "w at n1"]);
  tell(1, { n2: 20, n3: 20 });
  deepEqual(heard.length, 2, "b keeps its place");
  tell(2, { n3: 20 });
  open(2);
  deepEqual(heard.slice(2), ["b at n3"]);
});

Deno.test("Destination takes reads back from the primary as soon as a standby is fit", () => {
  const { heard, read, wait, tell, open } = rig({ n1: "primary" });
  wait("w", 0);
  open(0);
  read("a", 0);
  tell(1, { n2: 10 });
  open(1);
  deepEqual(heard, ["w at n1", "a at n2"]);
});

Deno.test("Destination lets no read wait at a standby where no connection can be opened", () => {
  const { heard, read, tell, fail, open } = rig({ n1: "primary" });
  tell(0, { n2: 10 });
  read("a", 0);
  fail(0, "n2");
  open(0);
  read("b", 1);
  deepEqual(heard, ["a at n1"]);
  read("c", 1001);
  open(1001);
  deepEqual(heard, ["a at n1", "c at n2"], "it is tried again");
});

Deno.test("Destination.serves says whether a lease may go on where it is", () => {
  const { destination, servers, read, wait, tell, open } = rig({ n1: "primary" });
  tell(0, { n2: 10 });
  const [reader, writer] = [read("a", 0).wish, wait("b", 0).wish];
  open(0);
  const at = (name: string) => servers.find(({ home }) => home.node.name === name)!.home;
  const wishes = [reader, writer, { ...reader, lastWriteMs: 10 }];
  deepEqual(wishes.map((wish) => destination.serves(at("n2"), wish)), [true, false, false]);
  deepEqual(wishes.map((wish) => destination.serves(at("n1"), wish)), [false, true, true]);
});

Deno.test("Destination.greetingFor says in_hot_standby as it will be where the session goes", () => {
  const { destination, read, tell } = rig({ n1: "primary" });
  const { wish } = read("a", 0);
  equal(destination.greetingFor(NO_PARAMS, wish), null);
  destination.greetings.learn(NO_PARAMS, Settings.from([["in_hot_standby", "on"], ["TimeZone", "UTC"]]));
  const told = (reads: boolean) => destination.greetingFor(NO_PARAMS, { ...wish, reads })!.hotStandby;
  equal(told(false), "on", "nobody has asked the node: it may be a standby");
  tell(0, { n2: 10 });
  deepEqual([told(true), told(false)], ["on", "off"]);
  tell(1, {});
  deepEqual([told(true), told(false)], ["off", "off"]);
  destination.greetings.learn(NO_PARAMS, Settings.from([["TimeZone", "UTC"]]));
  equal(told(true), undefined, "PostgreSQL 13 reports no such thing");
});

Deno.test("Destination serves reads on standbys while the primary is held, and lets those wait that must not be stale", () => {
  const { destination, heard, read, wait, tell, open } = rig({ n1: "primary" });
  tell(0, { n2: 10 }, "holding");
  read("a", 0);
  wait("b", 0);
  read("c", 0, 10);
  open(0);
  deepEqual([heard, destination.waitingCount], [["a at n2"], 2]);
  tell(1, { n2: 10 });
  open(1);
  deepEqual(heard, ["a at n2", "b at n1"]);
  tell(2, { n2: 10, n3: 11 });
  open(2);
  deepEqual(heard, ["a at n2", "b at n1", "c at n3"]);
});
