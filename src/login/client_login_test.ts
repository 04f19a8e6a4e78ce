import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { md5Password } from "../../tests/harness/wire_auth.ts";
import { PgplexError } from "../kernel/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { serveClient } from "./client_login.ts";
import { FakeClient } from "../session/fake_sessions_test.ts";
import { FakeDoor, FakeWorker, PEER, TRUST } from "./fake_worker_test.ts";

/** A client of `worker` that asks for this database. */
function enter(worker: FakeWorker, params: Record<string, string> = {}, ...more: Uint8Array[]) {
  const client = new FakeClient();
  client.stream.say(
    frontend.concat([frontend.startup({ user: "alice", database: "app", ...params }), ...more]),
  );
  return { client, served: serveClient(worker, client.stream, PEER) };
}

/** Of each message the type, and of an ErrorResponse what it says. */
const heard = (client: FakeClient) =>
  client.said().map(({ type, fields }) =>
    fields === undefined ? type : `${fields.S} ${fields.C} ${fields.M}`
  );

Deno.test("serveClient takes a client from its first byte to a session, and that to its end", async () => {
  const worker = new FakeWorker();
  const { client, served } = enter(worker, {}, frontend.query("SELECT 1"));
  await until(() => worker.sessions.size === 1 && worker.counters.loggingIn === 0);
  equal(worker.counters.accepted, 1);
  await until(() =>
    client.stream.written.at(-6) === 0x5a && worker.cluster.servers[0]?.asked.at(-1) === "SELECT 1"
  );
  await atRest();
  deepEqual(heard(client).join(""), "RSSSSKZTDCZ");
  client.stream.say(frontend.terminate());
  await served;
  deepEqual([client.stream.closed, worker.sessions.size, worker.counters.loginFailures], [true, 0, 0]);
  await worker.end();
});

Deno.test("serveClient says where a database is none only behind authentication", async () => {
  const worker = new FakeWorker();
  const { client, served } = enter(worker, { database: "app@nowhere" });
  await served;
  deepEqual(heard(client), ["R", 'FATAL 3D000 cluster "nowhere" does not exist']);
  deepEqual([client.stream.closed, worker.counters.loginFailures, worker.sessions.size], [true, 1, 0]);
});

Deno.test("serveClient refuses a disabled database, and an option that there is not", async () => {
  const worker = new FakeWorker();
  worker.pools.control.setDisabled("app", true);
  const disabled = enter(worker);
  await disabled.served;
  deepEqual(heard(disabled.client), [
    "R",
    'FATAL 55000 database "app" is not currently accepting connections',
  ]);
  const wrong = enter(worker, { database: "sales", "pgplex.nothing": "1" });
  await wrong.served;
  deepEqual(heard(wrong.client), ["R", 'FATAL 42704 unrecognized configuration parameter "pgplex.nothing"']);
  equal(worker.counters.loginFailures, 2);
});

Deno.test("serveClient looks for room again behind authentication, as others came in meanwhile", async () => {
  const worker = new FakeWorker(`${TRUST}auth: { type: md5 }\nlisten: { max_client_conn: 1 }\n`, {
    alice: "pw",
  });
  const both = [enter(worker), enter(worker)];
  const answer = async ({ client }: { client: FakeClient }) => {
    await until(() => client.stream.written.length > 0);
    const { auth } = client.said()[0]!;
    client.stream.say(frontend.password(md5Password("alice", "pw", auth!.data)));
  };
  await Promise.all(both.map(answer));
  await both[1]!.served;
  deepEqual(heard(both[1]!.client), ["R", "FATAL 53300 sorry, too many clients already"]);
  equal(worker.sessions.size, 1);
  await worker.end();
  await both[0]!.served;
});

Deno.test("serveClient ends a login that takes longer than client_login_timeout", async () => {
  const worker = new FakeWorker(`${TRUST}listen: { client_login_timeout: 5s }\n`);
  const client = new FakeClient();
  const served = serveClient(worker, client.stream, PEER);
  await client.stream.drained();
  equal(worker.counters.loggingIn, 1);
  worker.logins.tick(4999);
  await atRest();
  equal(client.stream.closed, false);
  worker.logins.tick(5000);
  await served;
  deepEqual(heard(client), ["FATAL 08006 client_login_timeout: the client did not log in in time"]);
  deepEqual([client.stream.closed, worker.counters.loggingIn], [true, 0]);
});

Deno.test("serveClient sets no limit to a client that has logged in", async () => {
  const worker = new FakeWorker(`${TRUST}auth: { type: trust }\nlisten: { client_login_timeout: 5s }\n`);
  const { client, served } = enter(worker);
  await until(() => worker.sessions.size === 1 && worker.counters.loggingIn === 0);
  worker.logins.tick(1_000_000);
  await atRest();
  equal(client.stream.closed, false);
  client.stream.say(frontend.terminate());
  await served;
  await worker.end();
});

Deno.test("serveClient is quiet about a client that leaves, and counts it where it was asked who it is", async () => {
  const worker = new FakeWorker(`${TRUST}auth: { type: md5 }\n`);
  const early = new FakeClient();
  early.stream.end();
  await serveClient(worker, early.stream, PEER);
  equal(worker.counters.loginFailures, 0);
  const { client, served } = enter(worker);
  await until(() => client.stream.written.length > 0);
  client.stream.end();
  await served;
  deepEqual([client.heard(), worker.counters.loginFailures], ["R", 1]);
  const reset = new FakeClient();
  reset.stream.fail(new Deno.errors.ConnectionReset("reset"));
  await serveClient(worker, reset.stream, PEER);
  deepEqual([reset.stream.closed, worker.counters.loginFailures], [true, 2]);
  deepEqual(worker.log.of("info"), []);
});

Deno.test("serveClient ends behind a cancel request", async () => {
  const worker = new FakeWorker();
  const client = new FakeClient();
  client.stream.say(frontend.cancelRequest(1, new Uint8Array(4)));
  await serveClient(worker, client.stream, PEER);
  deepEqual([client.stream.closed, worker.counters.cancels, worker.counters.loginFailures], [true, 1, 0]);
});

Deno.test("serveClient takes a client of the management database to its door, with what it has sent already", async () => {
  const worker = new FakeWorker();
  const door = worker.console = new FakeDoor();
  const { client, served } = enter(worker, { database: "pgplex" }, frontend.query("SHOW"));
  await served;
  deepEqual([door.admitted, door.rests], [["alice to pgplex"], [frontend.query("SHOW")]]);
  deepEqual([client.heard(), worker.sessions.size], ["R", 0]);
});

Deno.test("serveClient tells whom the management database does not take, and takes no replication there", async () => {
  const worker = new FakeWorker();
  const door = worker.console = new FakeDoor();
  const replication = enter(worker, { database: "pgplex", replication: "true" });
  await replication.served;
  deepEqual(heard(replication.client), [
    "R",
    'FATAL 0A000 database "pgplex" takes no replication connections',
  ]);
  door.refusal = new PgplexError("insufficient_privilege", "not you");
  const other = enter(worker, { database: "pgplex" });
  await other.served;
  deepEqual([heard(other.client), door.admitted], [["R", "FATAL 42501 not you"], []]);
});

Deno.test("serveClient gives a replication client a server of its own, and no session", async () => {
  const worker = new FakeWorker();
  const { client, served } = enter(worker, { replication: "true" });
  await until(() => [...worker.replications].some(({ link }) => link !== null));
  const { request } = [...worker.replications][0]!;
  deepEqual([request.mode, worker.sessions.size, [...worker.pools.all()].map(({ pool }) => pool.total)], [
    "physical",
    0,
    [0],
  ]);
  client.stream.end();
  await served;
  equal(client.stream.closed, true);
});
