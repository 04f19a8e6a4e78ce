import assert from "node:assert/strict";
import { errorOf, frontend, tagsOf, waitFor, WireClient } from "../harness/mod.ts";
import { failure, shown, shownRow, succeed } from "../harness/console_shown.ts";
import { one, Served } from "../harness/served.ts";

/** PgBouncer's operations, as its usage page describes them. */
const served = new Served({
  setup: "CREATE ROLE watcher LOGIN; ALTER ROLE postgres SET log_statement = 'none'",
  pools: {
    pause: { default_pool_size: 2 },
    pins: { default_pool_size: 2 },
    sessions: { pool_mode: "session" },
    late: { query_wait_timeout: "300ms" },
    impatient: {},
    reconnect: { default_pool_size: 3 },
    kill: {},
    one: {},
    closed: {},
    global: {},
    probe: { default_pool_size: 1, state_check: "always" },
    replicated: {},
    unused: {},
  },
});

const state = async (console: WireClient) =>
  Object.fromEntries((await shown(console, "SHOW STATE")).map(({ key, value }) => [key!, value]));

/** What a client sends to cancel its command. */
async function cancel({ key }: WireClient): Promise<void> {
  await using request = await WireClient.open(served.pgplex);
  await request.send(frontend.cancelRequest(key!.pid, key!.secret));
  await request.closed();
}

/** Waits until `console`'s command has begun, as another console sees it. */
async function begun(watcher: WireClient, database: string): Promise<void> {
  await waitFor(
    async () => (await shownRow(watcher, "SHOW DATABASES", "name", database))["paused"] === "1",
    { what: `${database} to be paused` },
  );
}

Deno.test("PAUSE waits for the running transaction, closes all connections, and clients wait for RESUME", async () => {
  await using console = await served.client("pgplex");
  await using watcher = await served.client("pgplex");
  await using busy = await served.client("pause");
  await using other = await served.client("pause");
  await one(busy, "BEGIN");
  await one(other, "SELECT 1");
  let paused = false;
  const pausing = console.query("PAUSE pause").finally(() => paused = true);
  await begun(watcher, "pause");
  const waiting = one(other, "SELECT 'after'");
  await waitFor(
    async () => (await shownRow(watcher, "SHOW POOLS", "database", "pause"))["cl_waiting"] === "1",
    { what: "a client to wait" },
  );
  assert.equal(await one(busy, "SELECT 'inside'"), "inside");
  assert.equal(paused, false);
  await one(busy, "COMMIT");
  assert.deepEqual(tagsOf(await pausing), ["PAUSE"]);
  const row = await shownRow(watcher, "SHOW POOLS", "database", "pause");
  assert.deepEqual([row["sv_active"], row["sv_idle"], row["sv_login"], row["paused"]], ["0", "0", "0", "1"]);
  assert.deepEqual((await shown(watcher, "SHOW SERVERS")).filter(({ database }) => database === "pause"), []);

  // Greeted from what is known already; its first statement waits.
  await using late = await served.client("pause");
  const lateWaits = one(late, "SELECT 'late'");
  assert.deepEqual(tagsOf(await succeed(console, "PAUSE pause")), ["PAUSE"]); // as in PgBouncer, by name no error
  assert.deepEqual(tagsOf(await succeed(console, "RESUME pause")), ["RESUME"]);
  assert.deepEqual([await waiting, await lateWaits], ["after", "late"]);
  assert.equal(await failure(console, "RESUME pause"), "08P01 database pause is not paused");
});

Deno.test("PAUSE stays when the console that waits for it cancels or leaves, and RESUME ends the wait of others", async () => {
  await using watcher = await served.client("pgplex");
  await using busy = await served.client("impatient");
  await one(busy, "BEGIN");
  const leaver = await served.client("pgplex");
  await leaver.send(frontend.query("PAUSE impatient"));
  await begun(watcher, "impatient");
  await leaver.close();
  await using canceller = await served.client("pgplex");
  const canceled = canceller.query("PAUSE impatient");
  await waitFor(
    async () => (await shown(watcher, "SHOW CLIENTS")).filter((c) => c["state"] === "active").length > 1,
    { what: "the second PAUSE to wait" },
  );
  await waitFor(async () => {
    await cancel(canceller);
    const rows = await shown(watcher, "SHOW CLIENTS");
    return rows.filter((c) => c["database"] === "pgplex" && c["state"] === "active").length === 1;
  }, { what: "the second PAUSE to be cancelled" });
  assert.equal(errorOf(await canceled)!["C"], "57014");
  const resumed = canceller.query("PAUSE impatient");
  await waitFor(
    async () =>
      (await shown(watcher, "SHOW CLIENTS")).filter((c) =>
        c["database"] === "pgplex" && c["state"] === "active"
      ).length === 2,
    { what: "the third PAUSE to wait" },
  );
  await succeed(watcher, "RESUME impatient");
  assert.equal(errorOf(await resumed)!["M"], "canceling PAUSE due to RESUME");
  await one(busy, "COMMIT");
});

Deno.test("PAUSE waits for a pinned session until nothing pins it any more", async () => {
  await using console = await served.client("pgplex");
  await using watcher = await served.client("pgplex");
  await using pinned = await served.client("pins");
  await one(pinned, "SELECT pg_advisory_lock(4711)");
  await waitFor(async () => (await shown(watcher, "SHOW PINS")).length === 1, { what: "the pin" });
  let paused = false;
  const pausing = console.query("PAUSE pins").finally(() => paused = true);
  await begun(watcher, "pins");
  assert.equal(await one(pinned, "SELECT 1"), "1"); // as in session pooling: what is held, works
  const [pin] = await shown(watcher, "SHOW PINS");
  assert.deepEqual([pin!["database"], pin!["reason"]], ["pins", "advisory lock"]);
  assert.equal(pin!["statement"], "SELECT pg_advisory_lock(?)");
  assert.equal(paused, false);
  await one(pinned, "SELECT pg_advisory_unlock(4711)");
  assert.deepEqual(tagsOf(await pausing), ["PAUSE"]);
  await succeed(console, "RESUME pins");
  assert.equal(await one(pinned, "SELECT 2"), "2");
});

Deno.test("A client whose greeting nobody knows yet waits for RESUME before it is greeted", async () => {
  await using console = await served.client("pgplex");
  await succeed(console, 'PAUSE "template1@main"');
  const login = served.client("template1");
  await waitFor(
    async () =>
      (await shown(console, "SHOW POOLS")).some((p) =>
        p["database"] === "template1" && p["cl_waiting"] === "1"
      ),
    { what: "the client to wait" },
  );
  await succeed(console, 'RESUME "template1@main"');
  await using client = await login;
  assert.equal(await one(client, "SELECT current_database()"), "template1");
});

Deno.test("PAUSE waits in session pooling until the client leaves", async () => {
  await using console = await served.client("pgplex");
  await using watcher = await served.client("pgplex");
  const client = await served.client("sessions");
  await one(client, "SELECT 1");
  const pausing = console.query("PAUSE sessions");
  await begun(watcher, "sessions");
  assert.equal(await one(client, "SELECT 2"), "2");
  await client.close();
  assert.deepEqual(tagsOf(await pausing), ["PAUSE"]);
  await succeed(console, "RESUME sessions");
});

Deno.test("A lease does not go on behind its probe while its pool is paused", async () => {
  await using console = await served.client("pgplex");
  await using client = await served.client("probe");
  await one(client, "SELECT 1");
  let paused = false;
  const pausing = console.query("PAUSE probe").finally(() => paused = true);
  // A client that never rests: each statement is asked for while the last one is probed.
  let failed: unknown = null;
  const busy = (async () => {
    while (!paused && failed === null) {
      await Promise.race([one(client, "SELECT 1").catch((error) => failed = error), pausing]);
    }
  })();
  assert.deepEqual(tagsOf(await pausing), ["PAUSE"]);
  await busy;
  assert.equal(failed, null);
  await succeed(console, "RESUME probe");
});

Deno.test("query_wait_timeout ends the wait for RESUME as any other, and the session stays", async () => {
  await using console = await served.client("pgplex");
  await using client = await served.client("late");
  await one(client, "SELECT 1");
  await succeed(console, "PAUSE late");
  const error = errorOf(await client.query("SELECT 2"))!;
  assert.deepEqual([error["S"], error["C"]], ["ERROR", "53300"]);
  await succeed(console, "RESUME late");
  assert.equal(await one(client, "SELECT 3"), "3");
});

Deno.test("PAUSE, SUSPEND and KILL are refused while everything is paused or suspended, RESUME while nothing is", async () => {
  await using console = await served.client("pgplex");
  await using client = await served.client("global");
  await one(client, "SELECT 1");
  assert.equal(await failure(console, "RESUME"), "08P01 pooler is not paused/suspended");
  for (const command of ["PAUSE", "SUSPEND"]) {
    assert.deepEqual(tagsOf(await succeed(console, command)), [command]);
    const word = command === "PAUSE" ? "paused" : "suspended";
    const { active, [word]: held } = await state(console);
    assert.deepEqual([active, held], ["no", "yes"]);
    for (const other of ["PAUSE", "PAUSE global", "SUSPEND", "KILL", "KILL global"]) {
      assert.equal(await failure(console, other), "08P01 already suspended/paused");
    }
    assert.equal(await failure(console, "RESUME global"), "08P01 database global is not paused");
    const waiting = one(client, "SELECT 'waited'");
    // Who comes now waits too: for a lease, or to be greeted.
    const newcomer = served.client("global").then(async (client) => {
      await using _client = client;
      return await one(client, "SELECT 'new'");
    });
    await waitFor(
      async () =>
        (await shown(console, "SHOW CLIENTS")).filter((c) => c["database"] === "global").length === 2,
      { what: "the new client" },
    );
    assert.deepEqual(tagsOf(await succeed(console, "RESUME")), ["RESUME"]);
    assert.deepEqual([await waiting, await newcomer], ["waited", "new"]);
    assert.equal((await state(console))["active"], "yes");
  }
  await succeed(console, "PAUSE global");
  assert.equal(await failure(console, "SUSPEND"), "08P01 cannot suspend with paused databases");
  await succeed(console, "RESUME global");
});

Deno.test("RECONNECT replaces connections as they are released, and WAIT_CLOSE waits for the last", async () => {
  await using console = await served.client("pgplex");
  await using watcher = await served.client("pgplex");
  await using busy = await served.client("reconnect");
  await using other = await served.client("reconnect");
  const pid = "SELECT pg_backend_pid()";
  await one(busy, "BEGIN");
  const [held, idle] = [await one(busy, pid), await one(other, pid)];
  await succeed(console, "RECONNECT reconnect");
  const fresh = await one(other, pid);
  assert.ok(fresh !== idle && fresh !== held);
  let closed = false;
  const closing = console.query("WAIT_CLOSE reconnect").finally(() => closed = true);
  const needs = async () => (await shown(watcher, "SHOW SERVERS")).filter((s) => s["close_needed"] === "1");
  assert.deepEqual((await needs()).map((s) => s["remote_pid"]), [held]);
  assert.equal(await one(busy, pid), held);
  assert.equal(closed, false);
  await one(busy, "COMMIT");
  assert.deepEqual(tagsOf(await closing), ["WAIT_CLOSE"]);
  assert.notEqual(await one(busy, pid), held);
  assert.deepEqual(await needs(), []);
  assert.deepEqual(tagsOf(await succeed(console, "WAIT_CLOSE")), ["WAIT_CLOSE"]);
});

Deno.test("KILL ends every client and connection of a database, and lets nobody work before RESUME", async () => {
  await using console = await served.client("pgplex");
  await using bystander = await served.client("one");
  const idle = await served.client("kill");
  const busy = await served.client("kill");
  await one(idle, "SELECT 1");
  await one(bystander, "SELECT 1");
  await busy.send(frontend.query("SELECT pg_sleep(60)"));
  await waitFor(
    async () => (await shownRow(console, "SHOW POOLS", "database", "kill"))["sv_active"] === "1",
    { what: "the statement to run" },
  );
  await succeed(console, "KILL kill");
  for (const client of [idle, busy]) {
    const error = errorOf(await client.closed())!;
    assert.deepEqual([error["S"], error["C"]], ["FATAL", "57P01"]);
    await client.close();
  }
  await waitFor(
    async () => (await shown(console, "SHOW SERVERS")).every((s) => s["database"] !== "kill"),
    { what: "the connections to be gone" },
  );
  await waitFor(
    async () =>
      await served.value(
        "SELECT count(*)::int FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active'",
      ) === 0,
    { what: "the statement to be cancelled" },
  );
  await using next = await served.client("kill");
  const waiting = one(next, "SELECT 'alive'");
  await waitFor(
    async () => (await shownRow(console, "SHOW POOLS", "database", "kill"))["cl_waiting"] === "1",
    { what: "the new client to wait" },
  );
  await succeed(console, "RESUME kill");
  assert.equal(await waiting, "alive");
  assert.equal(await one(bystander, "SELECT 2"), "2");
});

Deno.test("KILL without a name pauses every database of the file, also those that nobody uses", async () => {
  await using console = await served.client("pgplex");
  await succeed(console, "KILL");
  const paused = (await state(console))["paused_databases"]!.split(", ");
  assert.ok(paused.includes("unused"), paused.join());
  for (const name of paused) await succeed(console, `RESUME ${name}`);
  assert.equal((await state(console))["paused_databases"], "");
});

Deno.test("A paused database opens no replication connection either", async () => {
  await using console = await served.client("pgplex");
  const refusal = () => served.client("replicated", { replication: "database" }).then(() => null, String);
  for (const which of ["", " replicated"]) {
    await succeed(console, `PAUSE${which}`);
    assert.match((await refusal())!, /FATAL 57P03: database "replicated" is paused/);
    await succeed(console, `RESUME${which}`);
  }
  await using client = await served.client("replicated", { replication: "database" });
  assert.deepEqual(tagsOf(await client.query("IDENTIFY_SYSTEM")), ["IDENTIFY_SYSTEM"]);
});

Deno.test("KILL_CLIENT ends one client by its id, whatever it does, a console too", async () => {
  await using console = await served.client("pgplex");
  const victim = await served.client("one", { application_name: "victim" });
  await using bystander = await served.client("one");
  await one(victim, "BEGIN");
  const { id } = await shownRow(console, "SHOW CLIENTS", "application_name", "victim");
  assert.deepEqual(tagsOf(await succeed(console, `KILL_CLIENT ${id}`)), ["KILL_CLIENT"]);
  assert.equal(errorOf(await victim.closed())!["M"], "terminating connection due to administrator command");
  assert.equal(await one(bystander, "SELECT 1"), "1");
  assert.equal(await failure(console, `KILL_CLIENT ${id}`), "08P01 client not found");
  assert.equal(await failure(console, "KILL_CLIENT nonsense"), "08P01 invalid client pointer supplied");
  assert.match(await failure(console, "KILL_CLIENT"), /^08P01 /);
  const other = await served.client("pgplex", { application_name: "other console" });
  const { id: otherId } = await shownRow(console, "SHOW CLIENTS", "application_name", "other console");
  await succeed(console, `KILL_CLIENT ${otherId}`);
  assert.equal(errorOf(await other.closed())!["C"], "57P01");
  await Promise.all([victim.close(), other.close()]);
});

Deno.test("KILL_CLIENT ends a client that has asked for a connection while its last one is probed", async () => {
  await using console = await served.client("pgplex");
  await using direct = await served.direct();
  const victim = await served.client("probe", { application_name: "probed victim" });
  await one(victim, "SELECT 1");
  const victims = async () =>
    (await shown(console, "SHOW CLIENTS")).filter((c) => c["application_name"] === "probed victim");
  const tested = async () =>
    (await shownRow(console, "SHOW POOLS", "database", "probe"))["sv_tested"] === "1";
  await waitFor(async () => !await tested(), { what: "the first probe" });
  // The probe reads what is in the temporary schema: it waits for this lock.
  await one(direct, "BEGIN; LOCK TABLE pg_catalog.pg_proc IN ACCESS EXCLUSIVE MODE");
  await victim.query("SELECT 1");
  await waitFor(tested, { what: "the second probe" });
  const received = async () => (await shownRow(console, "SHOW STATS", "database", "probe"))["total_received"];
  const [before, receivedBefore] = [(await victims())[0], await received()];
  await victim.send(frontend.query("SELECT 2"));
  await waitFor(async () => await received() !== receivedBefore, { what: "the statement to be read" });
  await succeed(console, `KILL_CLIENT ${before!["id"]}`);
  assert.equal(errorOf(await victim.closed())!["C"], "57P01");
  await one(direct, "ROLLBACK");
  await waitFor(async () => (await victims()).length === 0, { what: "the session to be over" });
  await waitFor(
    async () => (await shownRow(console, "SHOW POOLS", "database", "probe"))["sv_tested"] === "0",
    { what: "its connection to be given back" },
  );
  await victim.close();
});

Deno.test("DISABLE keeps new clients out and leaves those that are in, until ENABLE", async () => {
  await using console = await served.client("pgplex");
  await using inside = await served.client("closed");
  await succeed(console, "DISABLE closed");
  assert.equal((await shownRow(console, "SHOW DATABASES", "name", "closed"))["disabled"], "1");
  await assert.rejects(served.client("closed"), /FATAL 55000: database "closed" is not currently accepting/);
  assert.equal(await one(inside, "SELECT 1"), "1");
  await succeed(console, "ENABLE closed");
  await using next = await served.client("closed");
  assert.equal(await one(next, "SELECT 2"), "2");
  assert.equal(await failure(console, "ENABLE"), "08P01 a database is required");
});

Deno.test("A database that does not exist is refused with those that do, and the console's own is left alone", async () => {
  await using console = await served.client("pgplex");
  for (const command of ["PAUSE", "RESUME", "KILL", "RECONNECT", "WAIT_CLOSE", "ENABLE", "DISABLE"]) {
    const error = errorOf(await console.query(`${command} nonsense`))!;
    assert.deepEqual([error["C"], error["M"]], ["08P01", "no such database: nonsense"]);
    assert.match(error["D"]!, /Databases: .*\bpause\b/);
    for (const own of ["pgplex", "pgbouncer"]) {
      assert.match(
        await failure(console, `${command} ${own}`),
        /^08P01 cannot .* the console's own database/,
      );
    }
  }
  // Spelled out, or in use, a name need not be an alias.
  await using client = await served.client("postgres");
  await one(client, "SELECT 1");
  for (const name of ["postgres", "postgres@main", '"template1@main"']) {
    await succeed(console, `PAUSE ${name}`);
    await succeed(console, `RESUME ${name}`);
  }
});

Deno.test("A user who may only look pauses nothing", async () => {
  await using watcher = await served.client("pgplex", {}, "watcher");
  for (
    const command of [
      "PAUSE",
      "RESUME",
      "KILL",
      "SUSPEND",
      "SHUTDOWN",
      "RELOAD",
      "KILL_CLIENT 1",
      "SHOW STATE 1",
    ]
  ) {
    assert.match(await failure(watcher, command), /^42501 /);
  }
  assert.equal((await state(watcher))["active"], "yes");
});

Deno.test("The counters of all databases agree with what was done", async () => {
  await using console = await served.client("pgplex");
  await using client = await served.client("one");
  const before = await shownRow(console, "SHOW STATS_TOTALS", "database", "one");
  for (let i = 0; i < 5; i++) await one(client, "SELECT 1");
  await one(client, "BEGIN");
  await one(client, "SELECT pg_sleep(0.05)");
  await one(client, "COMMIT");
  await client.extended("SELECT $1::int", ["1"]);
  await waitFor(async () => {
    const after = await shownRow(console, "SHOW STATS_TOTALS", "database", "one");
    const grown = (name: string) => Number(after[name]) - Number(before[name]);
    if (grown("query_count") < 9) return false;
    assert.deepEqual(
      ["query_count", "xact_count", "client_parse_count", "bind_count"].map(grown),
      [9, 7, 1, 1],
    );
    // A session that speaks again while its connection is probed keeps it: that is no new assignment.
    assert.ok(grown("server_assignment_count") >= 1 && grown("server_assignment_count") <= 7);
    assert.ok(grown("query_time") >= 50_000 && grown("xact_time") >= grown("query_time"));
    assert.ok(grown("bytes_received") > 0 && grown("bytes_sent") > 0);
    return true;
  }, { what: "the counters to be collected" });
});
