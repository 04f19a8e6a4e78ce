import { deepStrictEqual as deepEqual, rejects, strictEqual as equal, throws } from "node:assert/strict";
import { PgplexError } from "../../kernel/mod.ts";
import { fakeConsole } from "../command/fake_context_test.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { kill, killClient, pause, reconnect, resume, setDisabled, suspend, waitClose } from "./operations.ts";

/** A context for operations, and what they are told. */
function operator() {
  const fake = new FakeParts();
  const { context, abort } = fakeConsole([], fake.parts);
  return { fake, context, abort };
}

/** Whether a promise is settled once everything has run that was due. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  const state = { done: false };
  const done = () => void (state.done = true);
  void promise.then(done, done);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return state.done;
}

Deno.test("pause waits until all pools are quiet, and looks again when a server connection is gone", async () => {
  const { fake, context } = operator();
  const pool = fake.addPool({}, { quiet: false });
  const paused = pause(context, null);
  deepEqual([fake.control.mode, await settled(paused)], ["paused", false]);
  deepEqual(fake.calls, ["applyControl", "closeUnused app"]);
  Object.assign(pool.pool, { quiet: true });
  equal(await settled(paused), false);
  fake.control.receded();
  equal(await settled(paused), true);
  equal(fake.clock.pending, 0); // no timer is left behind
});

Deno.test("pause of one database waits for its pools and replication alone, also without being woken", async () => {
  const { fake, context } = operator();
  fake.addPool({ database: "busy" }, { quiet: false });
  fake.addPool();
  await pause(context, "app");
  deepEqual(fake.control.pausedNames, ["app"]);
  fake.addReplication(1, { name: "busy" });
  fake.pools.shift();
  const paused = pause(context, "busy@main");
  fake.clock.advance(100);
  equal(await settled(paused), false);
  fake.replications.clear();
  fake.clock.advance(100);
  equal(await settled(paused), true);
});

Deno.test("pause ends with an error where RESUME, a cancel or another pause comes first", async () => {
  const { fake, context, abort } = operator();
  fake.addPool({}, { quiet: false });
  const paused = pause(context, null);
  throws(() => resume(context, "app"), { message: "database app is not paused" });
  resume(context, null);
  await rejects(paused, { code: "query_canceled", message: "canceling PAUSE due to RESUME" });
  const again = pause(context, null);
  await rejects(pause(context, null), { code: "wrong_state", message: "already suspended/paused" });
  const canceled = new PgplexError("query_canceled", "by the user");
  abort.abort(canceled);
  await rejects(again, canceled);
  equal(fake.control.mode, "paused"); // it stays when nobody waits for it
});

Deno.test("resume says what is wrong where nothing is paused, and ends a pause by name", async () => {
  const { fake, context } = operator();
  fake.addPool();
  throws(() => resume(context, null), {
    code: "wrong_state",
    message: "pooler is not paused/suspended",
    extra: {},
  });
  await pause(context, "app");
  throws(() => resume(context, null), { extra: { hint: "Paused by name: app. RESUME each." } });
  resume(context, "app");
  deepEqual(fake.control.pausedNames, []);
  fake.stopping = true;
  throws(() => resume(context, null), { message: "pooler is shutting down" });
});

Deno.test("suspend waits until everything that was read has been written", async () => {
  const { fake, context } = operator();
  const session = fake.addSession(1, fake.addPool(), { writing: true });
  const suspended = suspend(context);
  deepEqual([fake.control.mode, await settled(suspended)], ["suspended", false]);
  Object.assign(session, { writing: false });
  fake.clock.advance(100);
  equal(await settled(suspended), true);
  resume(context, null);
  fake.control.setPaused("app", true);
  await rejects(suspend(context), { message: "cannot suspend with paused databases" });
});

Deno.test("reconnect marks the pools of a database, and waitClose waits for what is marked", async () => {
  const { fake, context } = operator();
  const pool = fake.addPool({}, { staleCount: 1 });
  fake.addPool({ database: "other" }, { staleCount: 1 });
  reconnect(context, "app");
  deepEqual(fake.calls, ["recycle app", "closeUnused app"]);
  const closed = waitClose(context, "app");
  equal(await settled(closed), false);
  Object.assign(pool.pool, { staleCount: 0 });
  fake.control.receded();
  equal(await settled(closed), true);
  reconnect(context, null);
  deepEqual(fake.calls.slice(2), ["recycle app", "recycle other", "closeUnused app,other"]);
});

Deno.test("kill pauses a database by name and ends its clients, and no other's", () => {
  const { fake, context } = operator();
  fake.addSession(1, fake.addPool());
  fake.addSession(2, fake.addPool({ database: "other" }));
  fake.addReplication(3, { name: "app" });
  kill(context, "app");
  deepEqual(fake.control.pausedNames, ["app"]);
  deepEqual(fake.calls, [
    "applyControl",
    "end session 1: terminating connection due to administrator command",
    "end replication 3",
  ]);
});

Deno.test("kill of everything pauses each database, the aliases too", () => {
  const { fake, context } = operator();
  fake.addSession(1, fake.addPool());
  kill(context, null);
  deepEqual(fake.control.pausedNames, ["app", "reports"]);
  fake.control.mode = "suspended";
  throws(() => kill(context, null), { code: "wrong_state" });
});

Deno.test("killClient ends a session, a client of the console or a replication connection", () => {
  const { fake, context } = operator();
  const pool = fake.addPool();
  fake.addSession(1, pool);
  fake.addClient(2);
  fake.addReplication(3);
  fake.addSession(4, pool, { ending: true });
  for (const id of ["1", "2", "3"]) killClient(context, id);
  deepEqual(fake.calls, [
    "end session 1: terminating connection due to administrator command",
    "end client 2: terminating connection due to administrator command",
    "end replication 3",
  ]);
  throws(() => killClient(context, "4"), { code: "undefined_object", message: "client not found" });
  throws(() => killClient(context, "x"), { code: "invalid_parameter_value" });
});

Deno.test("setDisabled keeps new clients out of a database, and lets them in again", () => {
  const { fake, context } = operator();
  fake.addPool();
  setDisabled(context, "app", true);
  deepEqual(fake.control.disabledNames, ["app"]);
  setDisabled(context, "app", false);
  deepEqual(fake.control.disabledNames, []);
  throws(() => setDisabled(context, "nope", true), { code: "unknown_database" });
});

Deno.test("setDisabled takes a node that is named with its cluster out of the reads, but no primary", () => {
  const { fake, context } = operator();
  setDisabled(context, "main.main-2", true);
  setDisabled(context, "main.main-2", false);
  setDisabled(context, "main.main-1", false);
  deepEqual(fake.calls, ["disable main main-2", "enable main main-2", "enable main main-1"]);
  throws(() => setDisabled(context, "main.main-1", true), {
    code: "wrong_state",
    message: 'cannot disable "main.main-1" as it is the primary of its cluster',
  });
  throws(() => setDisabled(context, "main.main-3", true), { code: "unknown_database" });
});
