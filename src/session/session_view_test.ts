import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { UNREAD_MS } from "../lease/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { beginSession, destinationOf, type FakeSessionParts, sessionParts } from "./fake_sessions_test.ts";

/** A session that was greeted 5 ms after the clock's zero, and 10 ms before now. */
async function rig(pool?: string, facts: Parameters<typeof beginSession>[1] = {}) {
  const parts = sessionParts(pool);
  const { clock } = parts.runtime;
  clock.advance(5);
  const { session, client, over } = beginSession(parts, facts);
  await until(() => session.greeted);
  await atRest();
  client.said();
  clock.advance(10);
  const ask = async (...messages: Uint8Array[]) => {
    client.stream.say(...messages);
    await atRest();
  };
  const leave = async () => {
    client.stream.say(frontend.terminate());
    await over;
    await parts.end();
  };
  return { parts, clock, session, client, ask, leave };
}

Deno.test("SessionView shows a session that rests", async () => {
  const { parts, session, leave } = await rig();
  const { view } = session;
  deepEqual(
    [view.facts.user, view.destination === destinationOf(parts), view.node, view.poolMode, view.connectedMs],
    ["alice", true, "n1", "transaction", 5],
  );
  deepEqual([view.server, view.held, view.waiting, view.busy, view.writing, view.cancelCount], [
    null,
    null,
    false,
    false,
    false,
    0,
  ]);
  deepEqual([view.pins, view.pinned, view.preparedCount, [...view.channels]], [[], null, 0, []]);
  equal(view.settings?.values.get("TimeZone"), "UTC");
  await leave();
});

Deno.test("SessionView shows the server connection of a transaction, and when it began", async () => {
  const { session, ask, leave } = await rig();
  await ask(frontend.query("begin"));
  const { view } = session;
  deepEqual([view.server !== null, view.held === view.server, view.busy], [true, true, true]);
  deepEqual([view.sinceMs, view.requestMs], [15, 15]);
  await ask(frontend.query("commit"));
  deepEqual([view.server, view.busy], [null, false], "a view looks at each moment anew");
  await leave();
});

Deno.test("SessionView shows since when a session waits, and for which node", async () => {
  const { parts, session, clock, ask, leave } = await rig("state_check: off, default_pool_size: 1");
  const holder = await otherOf(parts);
  await ask(frontend.query("SELECT 1"));
  clock.advance(7);
  const { view } = session;
  deepEqual([view.waiting, view.waitingSinceMs, view.node], [true, 15, "n1"]);
  await holder.leave();
  equal(view.waiting, false);
  await leave();
});

Deno.test("SessionView shows prepared statements by name", async () => {
  const { session, ask, leave } = await rig();
  await ask(
    frontend.parse("SELECT 1", { name: "a" }),
    frontend.parse("SELECT 2", { name: "b" }),
    frontend.sync(),
  );
  equal(session.view.preparedCount, 2);
  equal(session.view.preparedNames.size, 2);
  equal(session.view.sqlStatements.size, 0);
  await leave();
});

Deno.test("SessionView shows as pool_mode what an option says, but for a session that keeps its server", async () => {
  const option = await rig(undefined, { options: new Map([["pool_mode", "session"]]) });
  equal(option.session.view.poolMode, "session");
  const kept = await rig(undefined, { mode: "session" });
  deepEqual([kept.session.view.poolMode, kept.session.view.held !== null], ["session", true]);
  await option.leave();
  await kept.leave();
});

Deno.test("SessionView shows why a session is pinned, since when, and by which statement", async () => {
  const { parts, session, clock, ask, leave } = await rig("state_check: always");
  parts.cluster.answer = (sql) => sql.includes("pg_show_all_settings()") ? new Uint8Array(0) : null;
  await ask(frontend.query("SELECT setseed(0.5)"));
  deepEqual([session.view.pins, session.view.server, session.view.held !== null], [[], null, true], "unread");
  clock.advance(UNREAD_MS);
  await until(() => session.view.pins.length > 0);
  clock.advance(3);
  deepEqual([session.view.pins, session.view.pinned], [["setseed"], {
    sinceMs: 15 + UNREAD_MS,
    statement: "SELECT setseed(?)",
  }]);
  await leave();
});

Deno.test("SessionView shows that bytes wait which the client, or the server, does not take", async () => {
  const { parts, session, client, ask, leave } = await rig();
  const stalled = Promise.withResolvers<void>();
  client.stream.stalled = stalled.promise;
  await ask(frontend.query("SELECT 1"));
  equal(session.view.writing, true);
  stalled.resolve();
  await atRest();
  equal(session.view.writing, false);
  const { stream } = parts.cluster.servers[0]!;
  const server = Promise.withResolvers<void>();
  stream.stalled = server.promise;
  await ask(frontend.query("SELECT 1"));
  equal(session.view.writing, true);
  server.resolve();
  await atRest();
  equal(session.view.writing, false);
  await leave();
});

/** Another session of `parts`, in a transaction. */
async function otherOf(parts: FakeSessionParts) {
  const { client, over } = beginSession(parts, { id: 2 }, frontend.query("begin"));
  await until(() => parts.cluster.servers[0]!.model.status === "T");
  return {
    leave: async () => {
      client.stream.say(frontend.terminate());
      await over;
      await atRest();
    },
  };
}
