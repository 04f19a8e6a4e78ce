import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { UNREAD_MS } from "../lease/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { beginSession, FakeClient, type FakeSessionParts, sessionParts } from "./fake_sessions_test.ts";
import type { Session } from "./session.ts";

const OVER = new PgplexError("shutting_down", "terminating connection due to administrator command");

/** A session that was greeted. */
async function greeted(parts: FakeSessionParts, facts: Parameters<typeof beginSession>[1] = {}) {
  const begun = beginSession(parts, facts);
  await until(() => begun.session.greeted && begun.client.stream.written.at(-6) === 0x5a);
  begun.client.said();
  /** The client says this; what it hears when everything is at rest. */
  const ask = async (...messages: Uint8Array[]) => {
    begun.client.stream.say(...messages);
    await atRest();
    return begun.client.heard();
  };
  return { ...begun, ask };
}

/** Connections of the session's pool: idle and leased. */
const poolOf = ({ destination }: Session) => {
  const { idleCount, leasedCount } = destination.pool!.pool;
  return { idle: idleCount, leased: leasedCount };
};

async function leave({ client, over }: { client: FakeClient; over: Promise<void> }) {
  client.stream.say(frontend.terminate());
  await over;
}

Deno.test("Session serves a client from its greeting to Terminate, and its server connection is there for the next", async () => {
  const parts = sessionParts();
  const { session, client, over } = beginSession(parts, {}, frontend.query("SELECT 1"));
  await until(() => parts.cluster.servers[0]?.asked.length === 1);
  await atRest();
  equal(client.heard(), "RSSSSKZTDCZ");
  client.stream.say(frontend.query("SELECT 2"), frontend.terminate());
  await over;
  equal(client.heard(), "TDCZ");
  deepEqual([client.stream.closed, poolOf(session), parts.cluster.servers.length], [true, {
    idle: 1,
    leased: 0,
  }, 1]);
  const { sessionsOpened, sessionsClosed } = parts.counters;
  deepEqual([sessionsOpened, sessionsClosed, session.ending], [1, 1, true]);
  const { logins, queries, leases, bytesFromClients } = session.destination.counters;
  deepEqual([logins, queries, leases], [1, 2, 3]);
  equal(
    bytesFromClients,
    frontend.query("SELECT 2").length + frontend.terminate().length,
    "without what came with the login",
  );
  await parts.end();
});

Deno.test("Session: what a client sends before its greeting is taken behind what came with its login", async () => {
  const parts = sessionParts();
  const query = frontend.query("SELECT 1");
  const { client, over } = beginSession(parts, {}, frontend.concat([query, query.subarray(0, 7)]));
  client.stream.say(query.subarray(7), frontend.terminate());
  await over;
  equal(client.heard(), "RSSSSKZTDCZTDCZ");
  await parts.end();
});

Deno.test("Session greets from what an earlier login was told, without a server connection", async () => {
  const parts = sessionParts();
  await leave(await greeted(parts));
  equal(parts.cluster.logins.length, 1);
  const second = await greeted(parts);
  equal(second.session.destination.counters.leases, 1);
  await leave(second);
  await parts.end();
});

Deno.test("Session has a server connection from BEGIN to COMMIT, and none between transactions", async () => {
  const parts = sessionParts();
  const it = await greeted(parts);
  const { session, ask } = it;
  deepEqual([session.idle, session.busy, session.endable], [true, false, true]);
  equal(await ask(frontend.query("begin")), "CZT");
  deepEqual([poolOf(session), session.idle, session.busy, session.endable], [
    { idle: 0, leased: 1 },
    false,
    true,
    false,
  ]);
  equal(await ask(frontend.query("commit")), "CZ");
  deepEqual([poolOf(session), session.idle, session.server], [{ idle: 1, leased: 0 }, true, null]);
  await leave(it);
  await parts.end();
});

Deno.test("Session.endAtRest ends behind the transaction that runs, before the client can begin another", async () => {
  for (const check of ["off", "always"]) {
    const parts = sessionParts(`state_check: ${check}`);
    const it = await greeted(parts);
    equal(await it.ask(frontend.query("begin")), "CZT");
    it.session.endAtRest(OVER);
    equal(await it.ask(frontend.query("SELECT 1")), "TDCZT");
    equal(
      await it.ask(frontend.query("commit")),
      "CZ(FATAL 57P01 terminating connection due to administrator command)",
    );
    await it.over;
    await parts.end();
  }
});

Deno.test("Session.endAtRest lets run what the client has sent", async () => {
  const parts = sessionParts();
  const it = await greeted(parts);
  equal(await it.ask(frontend.query("begin")), "CZT");
  it.session.endAtRest(OVER);
  const query = frontend.query("SELECT 1");
  equal(
    await it.ask(frontend.concat([frontend.query("commit"), query, query])),
    "CZTDCZTDCZ(FATAL 57P01 terminating connection due to administrator command)",
  );
  await it.over;
  await parts.end();
});

Deno.test("Session.end says why in the middle of a transaction, which is rolled back for the connection's next user", async () => {
  const parts = sessionParts();
  const { session, client, over, ask } = await greeted(parts);
  await ask(frontend.query("begin"));
  session.end(OVER);
  session.end(new PgplexError("internal", "said once only"));
  await over;
  equal(client.heard(), "(FATAL 57P01 terminating connection due to administrator command)");
  equal(client.stream.closed, true);
  const [server] = parts.cluster.servers;
  deepEqual(server!.asked.slice(-3), ["ROLLBACK", "DISCARD ALL", "SELECT pg_catalog.pg_my_temp_schema()"]);
  deepEqual([server!.model.status, poolOf(session), server!.stream.closed], [
    "I",
    { idle: 1, leased: 0 },
    false,
  ]);
  await parts.end();
});

Deno.test("Session.end cancels a statement that runs, and closes its connection", async () => {
  const parts = sessionParts();
  const { session, client, over, ask } = await greeted(parts);
  const [server] = parts.cluster.servers;
  server!.stream.onWrite = null; // it runs for ever
  equal(await ask(frontend.query("SELECT 1")), "");
  equal(session.busy, true);
  session.end(OVER);
  await over;
  await atRest();
  equal(client.heard().startsWith("(FATAL 57P01"), true);
  deepEqual([parts.cluster.cancels, server!.stream.closed], [[server!.pid], true]);
  deepEqual(poolOf(session), { idle: 0, leased: 0 });
  await parts.end();
});

Deno.test("Session.end frees the connection of a server that reads nothing", async () => {
  const parts = sessionParts();
  const { session, over, ask } = await greeted(parts);
  const { stream } = parts.cluster.servers[0]!;
  const stalled = Promise.withResolvers<void>();
  stream.stalled = stalled.promise;
  await ask(frontend.query("SELECT 1"));
  session.end(OVER);
  await atRest();
  deepEqual([stream.closed, poolOf(session)], [true, { idle: 0, leased: 0 }]);
  stalled.resolve();
  await over;
  await parts.end();
});

Deno.test("Session that ends while a cancel is on its way closes the connection, which the cancel may yet meet", async () => {
  const parts = sessionParts();
  const it = await greeted(parts);
  const [server] = parts.cluster.servers;
  const { onWrite } = server!.stream;
  server!.stream.onWrite = null;
  await it.ask(frontend.query("SELECT 1"));
  parts.runtime.network.onConnect = null; // whoever takes the cancel says nothing
  const cancelled = it.session.cancel();
  server!.stream.onWrite = onWrite;
  server!.stream.say(server!.model.receive(frontend.query("SELECT 1")));
  await leave(it);
  deepEqual([server!.stream.closed, poolOf(it.session)], [true, { idle: 0, leased: 0 }]);
  for (const stream of parts.runtime.network.streams.slice(1)) stream.end();
  await cancelled;
  await parts.end();
});

Deno.test("Session: a client that resets its connection ends it, and no cancel key is left", async () => {
  const parts = sessionParts();
  const { session, client, over } = beginSession(parts);
  await until(() => client.stream.written.at(-6) === 0x5a);
  const { pid, secret } = client.said().find(({ key }) => key !== undefined)!.key!;
  equal(parts.cancelKeys.find(pid, secret), session);
  client.stream.fail(new Deno.errors.ConnectionReset("reset"));
  await over;
  deepEqual([client.heard(), parts.cancelKeys.find(pid, secret)], ["", null]);
  deepEqual(parts.log.of("error"), []);
  await parts.end();
});

Deno.test("Session tells the client what is no message, and counts it", async () => {
  const parts = sessionParts();
  const { client, over } = await greeted(parts);
  client.stream.say(frontend.message("?"));
  await over;
  equal(client.heard(), "(FATAL 08P01 invalid frontend message type 63)");
  equal(parts.counters.protocolViolations, 1);
  await parts.end();
});

Deno.test("Session tells the client why no server takes it, in the server's own words", async () => {
  const parts = sessionParts();
  parts.cluster.login = { sqlstate: "3D000" };
  const { client, over } = beginSession(parts);
  await over;
  equal(client.heard(), "R(FATAL 3D000 no: 3D000)");
  await parts.end();
});

Deno.test("Session does not notice that a server connection ends which it has not leased", async () => {
  const parts = sessionParts();
  const it = await greeted(parts);
  await it.ask(frontend.query("SELECT 1"));
  parts.cluster.servers[0]!.stream.end();
  equal(await it.ask(frontend.query("SELECT 1")), "TDCZ");
  equal(parts.cluster.servers.length, 2);
  await leave(it);
  await parts.end();
});

Deno.test("Session.cancel asks the server that runs its statement, and nobody while nothing runs", async () => {
  const parts = sessionParts();
  const it = await greeted(parts);
  const { session, ask } = it;
  await session.cancel();
  deepEqual(parts.cluster.cancels, []);
  const [server] = parts.cluster.servers;
  const { onWrite } = server!.stream;
  server!.stream.onWrite = null;
  await ask(frontend.query("SELECT 1"));
  await session.cancel();
  deepEqual([parts.cluster.cancels, session.cancelCount], [[server!.pid], 0]);
  server!.stream.onWrite = onWrite;
  server!.stream.say(server!.model.receive(frontend.query("SELECT fail")));
  await atRest();
  equal(it.client.heard(), "T(ERROR 22012 division by zero)Z");
  equal(poolOf(session).idle, 1);
  await leave(it);
  await parts.end();
});

Deno.test("Session: a lease outlasts its statement while a cancel is on its way", async () => {
  const parts = sessionParts();
  const it = await greeted(parts);
  const { session, ask } = it;
  const { network } = parts.runtime;
  const [server] = parts.cluster.servers;
  server!.stream.onWrite = null;
  await ask(frontend.query("SELECT 1"));
  const { onConnect } = network;
  network.onConnect = null; // whoever takes the cancel says nothing
  const cancelled = session.cancel();
  await atRest();
  server!.stream.say(server!.model.receive(frontend.query("SELECT 1")));
  await atRest();
  equal(it.client.heard(), "TDCZ");
  deepEqual([poolOf(session), session.cancelCount], [{ idle: 0, leased: 1 }, 1]);
  network.streams.at(-1)!.end();
  await cancelled;
  deepEqual([poolOf(session), session.cancelCount], [{ idle: 1, leased: 0 }, 0]);
  network.onConnect = onConnect;
  await leave(it);
  await parts.end();
});

Deno.test("Session waits where the pool is full; a cancel, or its time, fails the statement alone", async () => {
  const parts = sessionParts("state_check: off, default_pool_size: 1, query_wait_timeout: 1s");
  const holder = await greeted(parts);
  await holder.ask(frontend.query("begin"));
  const it = await greeted(parts);
  equal(await it.ask(frontend.query("SELECT 1")), "");
  deepEqual([it.session.waiting, it.session.idle, it.session.endable], [true, false, false]);
  await it.session.cancel();
  await atRest();
  equal(it.client.heard(), "(ERROR 57014 canceling statement due to user request)Z");
  deepEqual([it.session.waiting, parts.cluster.cancels], [false, []]);
  equal(await it.ask(frontend.query("SELECT 1")), "");
  parts.pools.tick(1000);
  await atRest();
  equal(it.client.heard(), "(ERROR 53300 query_wait_timeout: no server connection became free)Z");
  await leave(holder);
  equal(await it.ask(frontend.query("SELECT 1")), "TDCZ");
  await leave(it);
  await parts.end();
});

Deno.test("Session ends behind a transaction that it leaves open in statement pooling, and its server connection is reset", async () => {
  const parts = sessionParts();
  const it = await greeted(parts, { statementsOnly: true });
  equal(await it.ask(frontend.query("SELECT 1")), "TDCZ");
  equal(
    await it.ask(frontend.query("begin"), frontend.query("SELECT 2")),
    "C(FATAL 08P01 transaction blocks not allowed in statement pooling mode)",
  );
  await it.over;
  equal(it.client.stream.closed, true);
  await atRest();
  deepEqual(poolOf(it.session).leased, 0);
  await parts.end();
});

Deno.test("Session leaves the queue when its client leaves", async () => {
  const parts = sessionParts("state_check: off, default_pool_size: 1");
  const holder = await greeted(parts);
  await holder.ask(frontend.query("begin"));
  const it = await greeted(parts);
  await it.ask(frontend.query("SELECT 1"));
  it.client.stream.fail(new Deno.errors.ConnectionReset("reset"));
  it.session.checkTimeouts(parts.runtime.clock.nowMs());
  await it.over;
  equal(it.session.destination.waitingCount, 0);
  await leave(holder);
  await parts.end();
});

Deno.test("Session ends with its destination at once where it is idle, and else behind its transaction", async () => {
  const parts = sessionParts();
  const idle = await greeted(parts);
  const busy = await greeted(parts);
  await busy.ask(frontend.query("begin"));
  const gone = new PgplexError("config_changed", "terminating connection: it is gone");
  idle.session.destination.close(gone);
  for (const { session } of [idle, busy]) session.configurationChanged();
  await idle.over;
  equal(idle.client.heard(), "(FATAL 57P01 terminating connection: it is gone)");
  equal(
    await busy.ask(frontend.query("commit")),
    "CZ(FATAL 57P01 terminating connection: it is gone)",
  );
  await busy.over;
  await parts.end();
});

Deno.test("Session whose statement is only being probed is not ended with the node: it is about to give the connection back", async () => {
  const parts = sessionParts("state_check: always");
  const it = await greeted(parts);
  const gone = new PgplexError("config_changed", "terminating connection: the node is gone");
  let probes = 0;
  parts.cluster.answer = (sql) => {
    if (!sql.includes("pg_show_all_settings()")) return null;
    probes++;
    it.session.destination.topologyChanged(parts.runtime.clock.nowMs(), () => gone);
    it.session.configurationChanged();
    return new Uint8Array(0);
  };
  equal(await it.ask(frontend.query("SELECT 1")), "TDCZ");
  parts.runtime.clock.advance(UNREAD_MS);
  await atRest();
  deepEqual([probes, it.client.heard()], [1, ""]);
  await leave(it);
  await parts.end();
});

Deno.test("Session that is to be new after a reload hears so with the statement that finds it out", async () => {
  const parts = sessionParts();
  const { client, over, session } = await greeted(parts);
  session.destination.close(new PgplexError("config_changed", "it is gone"));
  client.stream.say(frontend.query("SELECT 1"));
  await over;
  equal(client.heard(), "(FATAL 57P01 it is gone)");
  await parts.end();
});

Deno.test("Session pooling keeps one server connection from the greeting on, which is reset behind the session", async () => {
  const parts = sessionParts("state_check: off, pool_mode: session");
  const it = await greeted(parts, { mode: "session" });
  const { session } = it;
  deepEqual([poolOf(session), session.keepsServer, session.idle], [{ idle: 0, leased: 1 }, true, true]);
  equal(await it.ask(frontend.query("SELECT 1")), "TDCZ");
  equal(poolOf(session).leased, 1);
  equal(session.refusal({ name: "pool_mode", value: "transaction" })?.code, "option_fixed");
  equal(session.refusal({ name: "pool_mode", value: "session" }), null);
  await leave(it);
  equal(parts.cluster.servers[0]!.asked.includes("DISCARD ALL"), true);
  deepEqual(poolOf(session), { idle: 1, leased: 0 });
  await parts.end();
});

Deno.test("Session pooling greets without a server connection where the pool is full, if the greeting is known", async () => {
  const parts = sessionParts("state_check: off, pool_mode: session, default_pool_size: 1");
  const first = await greeted(parts, { mode: "session" });
  const second = await greeted(parts, { mode: "session" });
  equal(second.session.server, null);
  equal(await second.ask(frontend.query("SELECT 1")), "");
  await leave(first);
  await atRest();
  equal(second.client.heard(), "TDCZ");
  await leave(second);
  await parts.end();
});

Deno.test("Session waits with its greeting while clients are suspended", async () => {
  const parts = sessionParts();
  const { control } = parts.pools;
  control.mode = "suspended";
  const { client, over } = beginSession(parts, {}, frontend.terminate());
  await atRest();
  equal(client.heard(), "");
  control.mode = "none";
  await over;
  equal(client.heard(), "RSSSSKZ");
  await parts.end();
});

Deno.test("Session ends at its limits of time", async () => {
  const parts = sessionParts("state_check: off, client_idle_timeout: 10s");
  const it = await greeted(parts);
  const { clock } = parts.runtime;
  clock.advance(9999);
  it.session.checkTimeouts(clock.nowMs());
  equal(it.session.ending, false);
  clock.advance(1);
  it.session.checkTimeouts(clock.nowMs());
  await it.over;
  equal(it.client.heard(), "(FATAL 57P05 terminating connection due to client_idle_timeout)");
  await parts.end();
});
