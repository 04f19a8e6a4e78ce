import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { concat } from "../kernel/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { acquire, NO_PARAMS } from "../servers/mod.ts";
import { encodeTextRow } from "../protocol/mod.ts";
import { FramedReader } from "../transport/mod.ts";
import type { Authenticated } from "./authentication.ts";
import { FakeClient } from "../session/fake_sessions_test.ts";
import { ClientLog } from "../session/mod.ts";
import { FakeWorker, PEER, TRUST } from "./fake_worker_test.ts";
import { replicationServer } from "./replication.ts";

const ROUTE = { cluster: "main", database: "app", alias: null };
const OK = Uint8Array.of(0x52, 0, 0, 0, 8, 0, 0, 0, 0);

/** A replication client that has logged in, and sent `rest` behind that. */
function rig(
  { rest = new Uint8Array(0) as Uint8Array, params = {} as Record<string, string>, pool = "" } = {},
) {
  const worker = new FakeWorker(`${TRUST}auth: { type: trust }\npool: { ${pool} }\n`);
  const client = new FakeClient();
  const authenticated: Authenticated = {
    reader: new FramedReader(client.stream, rest),
    tls: null,
    startup: {
      minor: 0,
      params: new Map(Object.entries({ user: "alice", database: "app", replication: "database", ...params })),
      protocolOptions: [],
    },
    user: "alice",
    database: "app",
    credentials: NO_CREDENTIALS,
    admission: OK,
  };
  const begin = () => replicationServer(worker, authenticated, { route: ROUTE, peer: PEER, mode: "logical" });
  return { worker, cluster: worker.cluster, client, begin };
}

/** Whether there is a replication connection, and it has its server. */
function isServed({ replications }: FakeWorker): boolean {
  return replications.size > 0 && [...replications].every(({ link }) => link !== null);
}

/** A worker whose pool has one place, which another client has; `release` gives it back. */
async function fullRig(pool = "default_pool_size: 1") {
  const one = rig({ pool });
  const { worker } = one;
  const destination = worker.pools.get({ ...ROUTE, user: "alice", purpose: "clients" }, NO_CREDENTIALS);
  const server = await acquire(destination, {
    base: NO_PARAMS,
    tenant: 0,
    settings: null,
    sqlStatements: new Map(),
  }, worker.runtime.clock);
  const release = () => server.home.pool.release(server, "clean", worker.runtime.clock.nowMs());
  const served = one.begin()();
  await atRest();
  deepEqual([worker.replications.size, isServed(worker), destination.waitingCount], [1, false, 1]);
  return { ...one, destination, release, served };
}

Deno.test("replicationServer logs in at the primary with what the client asked for, and greets it with a key of its own", async () => {
  const { worker, cluster, client, begin } = rig({
    params: { TimeZone: "CET", "pgplex.query_timeout": "5s" },
  });
  const served = begin()();
  await until(() => isServed(worker));
  deepEqual([cluster.logins[0]!.host, [...cluster.logins[0]!.params]], ["h1", [
    ["user", "alice"],
    ["database", "app"],
    ["replication", "database"],
    ["TimeZone", "CET"],
  ]]);
  await until(() => client.stream.written.at(-6) === 0x5a);
  const said = client.said();
  equal(said.map(({ type }) => type).join(""), "RSSSSKZ");
  const key = said[5]!.key!;
  equal(key.pid === cluster.servers[0]!.pid, false);
  const { request, link } = [...worker.replications][0]!;
  deepEqual([request.mode, request.name, request.user, link?.server.key?.pid, link?.node.name], [
    "logical",
    "app",
    "alice",
    100,
    "n1",
  ]);
  client.stream.end();
  await served;
});

Deno.test("replicationServer passes bytes both ways, those too that came behind the login", async () => {
  const { cluster, client, begin } = rig({ rest: frontend.query("IDENTIFY_SYSTEM") });
  cluster.answer = encodeTextRow;
  const served = begin()();
  await until(() => client.stream.written.length > 0 && cluster.servers[0]?.asked.length === 1);
  await atRest();
  client.said();
  client.stream.say(frontend.query("START_REPLICATION"));
  await until(() => client.stream.written.length > 0);
  await atRest();
  deepEqual(client.said().map(({ values, status }) => values ?? status), [["START_REPLICATION"], "I"]);
  deepEqual(cluster.servers[0]!.asked, ["IDENTIFY_SYSTEM", "START_REPLICATION"]);
  client.stream.end();
  await served;
});

Deno.test("replicationServer ends both sides when one ends, and nothing of it is left", async () => {
  for (const side of ["client", "server", "console"] as const) {
    const { worker, cluster, client, begin } = rig();
    const served = begin()();
    await until(() => isServed(worker));
    const [shown] = worker.replications;
    if (side === "client") client.stream.end();
    else if (side === "server") cluster.servers[0]!.stream.end();
    else shown!.end();
    await served;
    deepEqual(
      [client.stream.closed, cluster.servers[0]!.stream.closed, worker.replications.size],
      [true, true, 0],
      side,
    );
    equal(worker.counters.loginFailures, 0);
  }
});

Deno.test("replicationServer: a cancel with the client's key cancels on its server, until it is over", async () => {
  const { worker, cluster, client, begin } = rig();
  const served = begin()();
  await until(() => isServed(worker));
  await until(() => client.stream.written.at(-6) === 0x5a);
  const { pid, secret } = client.said()[5]!.key!;
  await worker.cancelKeys.find(pid, secret)!.cancel();
  deepEqual(cluster.cancels, [cluster.servers[0]!.pid]);
  client.stream.end();
  await served;
  equal(worker.cancelKeys.find(pid, secret), null);
});

Deno.test("replicationServer refuses at once where there is no node to serve it", () => {
  const { worker, begin } = rig();
  worker.topology.publish({ serial: 9, clusters: new Map() });
  throws(begin, { code: "config_changed" });
  worker.topology.publish({
    serial: 10,
    clusters: new Map([["main", { name: "main", epoch: 1, phase: "serving", nodes: [] }]]),
  });
  throws(begin, { code: "server_unreachable", message: 'cluster "main" has no primary' });
});

Deno.test("replicationServer tells the client why the server refused it, behind AuthenticationOk", async () => {
  const { worker, cluster, client, begin } = rig();
  cluster.login = { sqlstate: "42501" };
  await begin()();
  const [, refusal] = client.said();
  deepEqual([refusal!.fields!.S, refusal!.fields!.C], ["FATAL", "42501"]);
  deepEqual([client.stream.closed, worker.counters.loginFailures, worker.replications.size], [true, 1, 0]);
});

Deno.test("replicationServer refuses in a paused database, also where it was paused during the login", async () => {
  const paused = rig();
  paused.worker.pools.control.setPaused("app", true);
  await paused.begin()();
  equal(paused.cluster.logins.length, 0);
  const late = rig();
  const served = late.begin()();
  await until(() => late.cluster.servers.length === 1);
  late.worker.pools.control.mode = "paused";
  await served;
  equal(late.cluster.servers[0]!.stream.closed, true);
  for (const { client } of [paused, late]) {
    const [, refusal] = client.said();
    deepEqual([refusal!.fields!.C, refusal!.fields!.M], ["57P03", 'database "app" is paused']);
  }
});

Deno.test("replicationServer writes on what a server said before its end", async () => {
  const { cluster, client, begin } = rig();
  const served = begin()();
  await until(() => client.stream.written.at(-6) === 0x5a);
  client.said();
  const copy = frontend.copyData("last words");
  cluster.servers[0]!.stream.say(copy, copy);
  cluster.servers[0]!.stream.end();
  await served;
  deepEqual(client.stream.taken(), concat(copy, copy));
});

Deno.test("replicationServer waits until the pool has a place for it, and gives it back at its end", async () => {
  for (const pool of ["default_pool_size: 1", "max_db_connections: 1", "max_user_connections: 1"]) {
    const { worker, cluster, client, destination, release, served } = await fullRig(pool);
    equal(cluster.servers.length, 1);
    release();
    await until(() => isServed(worker));
    deepEqual([cluster.servers.length, destination.seatCount, destination.hasRoom({})], [
      2,
      1,
      pool[0] === "m",
    ]);
    // The idle connection went, as there may be one.
    equal(cluster.servers[0]!.stream.closed, true);
    client.stream.end();
    await served;
    equal(destination.seatCount, 0);
    await worker.end();
  }
});

Deno.test("replicationServer tells a client that waited for too long, as the pool's other clients hear it", async () => {
  const { worker, client, served } = await fullRig("default_pool_size: 1, query_wait_timeout: 1s");
  worker.runtime.clock.advance(1000);
  worker.pools.tick(worker.runtime.clock.nowMs());
  await served;
  const [, refusal] = client.said();
  deepEqual([refusal!.fields!.S, refusal!.fields!.C], ["FATAL", "53300"]);
  equal(refusal!.fields!.M!.startsWith("query_wait_timeout: "), true);
  equal(worker.replications.size, 0);
});

Deno.test("replicationServer: whoever leaves, or is ended, while it waits has no place in the queue any more", async () => {
  for (const how of ["client", "console"] as const) {
    const { worker, cluster, client, destination, release, served } = await fullRig();
    if (how === "client") client.stream.end();
    else [...worker.replications][0]!.end();
    await served;
    deepEqual([destination.waitingCount, worker.replications.size, client.stream.closed], [0, 0, true], how);
    release();
    await atRest();
    deepEqual([cluster.servers.length, destination.seatCount, worker.counters.loginFailures], [1, 0, 0], how);
  }
});

Deno.test("replicationServer passes on what a client sent while it waited", async () => {
  const { cluster, client, release, served } = await fullRig();
  client.stream.say(frontend.query("IDENTIFY_SYSTEM"));
  await atRest();
  release();
  await until(() => cluster.servers[1]?.asked.length === 1);
  deepEqual(cluster.servers[1]!.asked, ["IDENTIFY_SYSTEM"]);
  client.stream.end();
  await served;
});

Deno.test("replicationServer says in the log who came and why it left", async () => {
  const { worker, cluster, client, begin } = rig();
  const lines: unknown[] = [];
  const log = { ...worker.log, info: (text: string, fields = {}) => void lines.push([text, fields]) };
  Object.assign(worker, {
    clientLog: new ClientLog(log, () => ({ ...worker.config.log, connections: true, disconnections: true })),
  });
  cluster.login = { sqlstate: "42501" };
  await begin()();
  const who = { client: 1, user: "alice", database: "app", peer: "10.0.0.9:40000" };
  deepEqual(lines, [
    ["client connected", { ...who, tls: "no" }],
    ["client disconnected", { ...who, reason: "no: 42501", seconds: 0 }],
  ]);
  equal(client.stream.closed, true);
});
