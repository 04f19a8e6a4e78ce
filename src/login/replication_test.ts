import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { NO_CREDENTIALS } from "../auth/mod.ts";
import { concat } from "../kernel/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { encodeTextRow } from "../protocol/mod.ts";
import { FramedReader } from "../transport/mod.ts";
import type { Authenticated } from "./authentication.ts";
import { FakeClient } from "../session/fake_sessions_test.ts";
import { FakeWorker, PEER } from "./fake_worker_test.ts";
import { replicationServer } from "./replication.ts";

const ROUTE = { cluster: "main", database: "app", alias: null };
const OK = Uint8Array.of(0x52, 0, 0, 0, 8, 0, 0, 0, 0);

/** A replication client that has logged in, and sent `rest` behind that. */
function rig({ rest = new Uint8Array(0) as Uint8Array, params = {} as Record<string, string> } = {}) {
  const worker = new FakeWorker();
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

Deno.test("replicationServer logs in at the primary with what the client asked for, and greets it with a key of its own", async () => {
  const { worker, cluster, client, begin } = rig({
    params: { TimeZone: "CET", "pgplex.query_timeout": "5s" },
  });
  const served = begin()();
  await until(() => worker.replications.size === 1);
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
  const { request, server } = [...worker.replications][0]!;
  deepEqual([request.mode, request.name, request.user, server.key?.pid], [
    "logical",
    "app",
    "alice",
    100,
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
    await until(() => worker.replications.size === 1);
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
  await until(() => worker.replications.size === 1);
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
