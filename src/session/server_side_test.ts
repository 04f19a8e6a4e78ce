import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { Owed, type ServerConnection } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Pins, type PinsHost, UNREAD_MS } from "../lease/mod.ts";
import { Listening } from "../listen/mod.ts";
import { SessionOptions } from "../options/mod.ts";
import { encodeCommandComplete, encodeError, encodeParameterStatus, encodeQuery } from "../protocol/mod.ts";
import { type AlreadySo, Need, Relay, type Steering, ToldSettings } from "../relay/mod.ts";
import { HiddenCallers } from "../learning/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { type Destination, NO_PARAMS, type PooledServer } from "../servers/mod.ts";
import { Outbox } from "../transport/mod.ts";
import { destinationOf, factsOf, FakeClient, sessionParts } from "./fake_sessions_test.ts";
import { ServerSide } from "./server_side.ts";
import type { ServerSideHost } from "./server_side_parts.ts";
import type { SessionFacts } from "./session_facts.ts";
import type { TimeLimits } from "./time_limits.ts";
import { WorkTime } from "./work_time.ts";

/** What a server says that ends a connection. */
function fatal(sqlstate: string): Uint8Array {
  return encodeError("FATAL", new PgplexError("internal", "terminating", { sqlstate }));
}

/** The server's side of a session that was greeted, which asks its server by {@link ask}. */
function rig(pool?: string, facts: Partial<SessionFacts> = {}) {
  const parts = sessionParts(pool);
  const { clock, buffers, statements } = parts.runtime;
  const destination = destinationOf(parts);
  const client = new FakeClient();
  const out = new Outbox(client.stream, buffers);
  const relay = new Relay(out, statements, {
    renames: true,
    preparedMax: 10,
    fingerprints: destination.fingerprints,
  });
  const told = new ToldSettings(relay, out, null);
  const options = new SessionOptions();
  const heard: string[] = [];
  const limits = destination.settings;
  const pins = new Pins(
    {
      limits,
      options,
      watch: relay.watch,
      holdsUnnamed: false,
      nowMs: () => clock.nowMs(),
      warnOfPins: (reasons) => void heard.push(`pinned: ${reasons.join()}`),
      end() {},
    } satisfies PinsHost,
  );
  const work = new WorkTime(clock, destination.counters);
  const host = {
    limits,
    ending: false as boolean,
    pid: 4711,
    cancelCount: 0,
    refusal: () => null,
    failPending: (_type: number, { code }: PgplexError) => void heard.push(`failed: ${code}`),
    answered() {},
    rested: () => undefined,
    serverSaid: () => void heard.push("the server said it"),
    blockBegun: () => void heard.push("a block"),
    lost: ({ code }: PgplexError) => void heard.push(`lost: ${code}`),
    stateLost: () => void heard.push("state lost"),
  } satisfies ServerSideHost;
  const side = new ServerSide(parts, {
    facts: factsOf(facts),
    destination,
    options,
    relay,
    out,
    told,
    clientScan: {
      serverLost: (left) => void heard.push(`left: ${JSON.stringify(left)}`),
      scan: (_bytes, _start, end) => end,
      need: Need.Bytes,
      blocked: false,
      takesAhead: null,
      alreadySo: { serveBy() {} } as unknown as AlreadySo,
    },
    steering: { statementEnds() {} } as Steering,
    pins,
    times: {
      idles: () => void heard.push("idles"),
      statementEnds() {},
      canceledReply: () => null,
    } as unknown as TimeLimits,
    work,
    listening: new Listening(parts.listeners, {
      channelsHost() {
        throw new Error("nobody listens here");
      },
    }),
  }, host);
  const lease = async () => {
    await side.lease.obtain();
    if (told.current === null) told.greet(relay.server!.settings);
    return relay.server!;
  };
  /** Leases where there is no lease, sends a query, and lets everything come to rest. */
  const ask = async (sql: string) => {
    const server = relay.server ?? await lease();
    relay.watch.runs(relay.watch.look(new TextEncoder().encode(sql), 0, sql.length), true);
    server.out.put(encodeQuery(sql));
    server.owed.sent(Owed.Query);
    work.sent();
    void server.out.flush();
    await atRest();
  };
  const end = async () => {
    if (side.lease.held) side.endLease("broken");
    await parts.end();
  };
  const idle = () => destination.pool!.pool.idleCount;
  return {
    parts,
    clock,
    destination,
    client,
    relay,
    told,
    options,
    pins,
    work,
    host,
    side,
    heard,
    lease,
    ask,
    idle,
    end,
  };
}

Deno.test("ServerSide ends a lease at the transaction's end, when the client has heard all of it", async () => {
  const { client, clock, destination, relay, side, work, heard, ask, idle, end } = rig();
  await ask("begin");
  deepEqual([client.heard(), side.lease.held, relay.server !== null, idle()], ["CZT", true, true, 0]);
  clock.advance(5);
  await ask("commit");
  deepEqual([client.heard(), side.lease.held, relay.server, idle()], ["CZ", false, null, 1]);
  deepEqual([work.endedMs, side.sinceMs, heard], [5, 5, ["idles"]]);
  const { queries, xacts, bytesToClients, leaseMs } = destination.counters;
  deepEqual([queries, xacts, leaseMs, bytesToClients > 0], [2, 1, 5, true]);
  await end();
});

Deno.test("ServerSide ends no lease while a cancel is on its way, or the session is over", async () => {
  for (const hold of ["cancelCount", "ending"] as const) {
    const { host, side, ask, end } = rig();
    if (hold === "ending") host.ending = true;
    else host.cancelCount = 1;
    await ask("SELECT 1");
    equal(side.lease.held, true, hold);
    host.ending = false;
    host.cancelCount = 0;
    side.settle();
    equal(side.lease.held, false, hold);
    await end();
  }
});

Deno.test("ServerSide goes on with the same connection where the session is pinned", async () => {
  const { options, relay, side, pins, destination, ask, end } = rig();
  options.askPin(true);
  await ask("SELECT 1");
  const { server } = relay;
  deepEqual([side.lease.held, server !== null, pins.reasons], [true, true, ["directive"]]);
  await ask("SELECT 1");
  deepEqual([relay.server === server, destination.counters.leases, destination.counters.xacts], [true, 1, 2]);
  options.askPin(false);
  await ask("SELECT 1");
  deepEqual([side.lease.held, pins.reasons], [false, []]);
  await end();
});

Deno.test("ServerSide goes on with the same connection in session pooling, and counts each transaction", async () => {
  const { parts, side, destination, ask, end } = rig("state_check: always", { mode: "session" });
  await ask("SELECT 1");
  await ask("SELECT 2");
  deepEqual([side.lease.held, destination.counters.queries], [true, 2]);
  deepEqual(parts.cluster.servers[0]!.asked, ["SELECT 1", "SELECT 2"], "nothing is probed");
  await end();
});

Deno.test("ServerSide has a suspicious statement probed before the connection is another's", async () => {
  const { parts, clock, relay, side, idle, ask, heard, end } = rig("state_check: always");
  const { cluster } = parts;
  let release = () => {};
  const probed: string[] = [];
  cluster.answer = (sql) => {
    if (!sql.includes("pg_show_all_settings()")) return null;
    probed.push(sql);
    deepEqual([relay.server, side.lease.held, idle()], [null, true, 0]);
    release();
    return new Uint8Array(0);
  };
  const asked = Promise.withResolvers<void>();
  release = asked.resolve;
  await ask("SELECT 1");
  await ask("SELECT 2");
  deepEqual([side.lease.unread, probed], [true, []], "whoever comes back at once is not looked at");
  clock.advance(UNREAD_MS);
  await asked.promise;
  await until(() => !side.lease.held);
  deepEqual([probed.length, idle(), heard], [1, 1, ["idles"]]);
  await end();
});

/** Somebody else waits for a connection to where `destination` goes: what it got. */
function waitElsewhere({ pool }: Destination): { granted: PooledServer | null } {
  const outcome: { granted: PooledServer | null } = { granted: null };
  const wish = { base: NO_PARAMS, settings: null, tenant: 2, sqlStatements: new Map() };
  const waiter = {
    wish,
    granted: (server: PooledServer) => outcome.granted = server,
    refused(error: PgplexError) {
      throw error;
    },
  };
  pool!.pool.wait(waiter, 0, Infinity);
  return outcome;
}

/** A look found that no routine of the database is reached. */
function knowsCatalogue({ fingerprints: { catalogue } }: Destination): void {
  // A look that failed when the connection was opened is tried again later.
  const check = catalogue.beginCheck(60_000)!;
  catalogue.found(check, "mark", new HiddenCallers(null, null, new Set()), 0);
}

Deno.test("ServerSide has an unread connection looked at as soon as somebody waits for one", async () => {
  const { parts, destination, relay, side, ask, end } = rig("state_check: always, default_pool_size: 1");
  parts.cluster.answer = (sql) => sql.includes("pg_show_all_settings()") ? new Uint8Array(0) : null;
  await ask("SELECT 1");
  const { server } = relay;
  equal(side.lease.unread, true);
  const other = waitElsewhere(destination);
  deepEqual([side.lease.probing, side.lease.unread, other.granted], [true, false, null]);
  await until(() => other.granted !== null);
  deepEqual([other.granted!.connection === server, side.lease.held], [true, false]);
  destination.pool!.pool.release(other.granted!, "clean", 0);
  await end();
});

Deno.test("ServerSide is looked at behind each transaction while somebody waits, and not in the middle of one", async () => {
  const { parts, destination, side, ask, end } = rig("state_check: always, default_pool_size: 1");
  parts.cluster.answer = (sql) => sql.includes("pg_show_all_settings()") ? new Uint8Array(0) : null;
  await ask("SELECT 1");
  await ask("begin");
  const other = waitElsewhere(destination);
  deepEqual([side.lease.unread, side.lease.probing], [true, false], "it is at work again");
  await ask("commit");
  await until(() => other.granted !== null);
  equal(side.lease.held, false);
  destination.pool!.pool.release(other.granted!, "clean", 0);
  await end();
});

Deno.test("ServerSide ends a lease behind a table that goes with its transaction, and knows of the temporary schema", async () => {
  const { destination, relay, side, told, lease, ask, end } = rig("state_check: learn");
  const CREATE = "CREATE TEMP TABLE t (x int) ON COMMIT DROP";
  knowsCatalogue(destination);
  relay.watch.look(new TextEncoder().encode(CREATE), 0, CREATE.length).clean = 3;
  const server = await lease();
  await ask(CREATE);
  deepEqual([side.lease.held, server.state.hasTempSchema], [false, true]);
  // Whoever makes tables there by the search_path may keep a schema of its own.
  await lease();
  told.current = told.current!.with("search_path", "pg_temp");
  await ask(CREATE);
  equal(side.lease.unread, true);
  await end();
});

Deno.test("ServerSide looks at once behind a search_path that may begin with a temporary schema that is there, by what the server says", async () => {
  for (const [reports, looks] of [["pg_temp", true], ["public", false], [null, true]] as const) {
    const { parts, destination, lease, ask, end } = rig("state_check: learn");
    const path = reports === null ? new Uint8Array(0) : encodeParameterStatus("search_path", reports);
    let looked = false;
    parts.cluster.answer = (sql) => {
      if (sql.includes("pg_show_all_settings()")) looked = true;
      return sql === "SET search_path = x" ? Buffer.concat([path, encodeCommandComplete("SET")]) : null;
    };
    knowsCatalogue(destination);
    (await lease()).state.tempSchemaMade();
    await ask("SET search_path = x");
    equal(looked, looks, String(reports));
    await end();
  }
});

Deno.test("ServerSide gives a connection to whoever waits without a look, where words tell all that was set", async () => {
  const { parts, destination, relay, side, told, ask, end } = rig(
    "state_check: learn, default_pool_size: 1",
  );
  parts.cluster.answer = (sql) => sql.startsWith("SET my.app") ? encodeCommandComplete("SET") : null;
  knowsCatalogue(destination);
  destination.fingerprints.placeholders.found(["my.app"], ["my.app"]);
  await ask("SET my.app = 'it''s'");
  equal(side.lease.unread, true);
  const { server } = relay;
  const other = waitElsewhere(destination);
  await until(() => other.granted !== null);
  deepEqual([side.lease.held, other.granted!.connection === server], [false, true]);
  deepEqual([told.current?.values.get("my.app"), server!.settings === told.current], ["it's", true]);
  deepEqual(parts.cluster.servers[0]!.asked.slice(1), []);
  destination.pool!.pool.release(other.granted!, "clean", 0);
  await end();
});

Deno.test("ServerSide looks at once behind SET of a custom setting that may be a library's", async () => {
  const { parts, destination, ask, end } = rig("state_check: learn");
  let looked = false;
  parts.cluster.answer = (sql) => {
    if (sql.includes("pg_show_all_settings()")) looked = true;
    return sql.startsWith("SET my.app") ? encodeCommandComplete("SET") : null;
  };
  knowsCatalogue(destination);
  await ask("SET my.app = 'x'");
  equal(looked, true);
  await end();
});

Deno.test("ServerSide marks a connection on which anything may have been set, though it goes on with it", async () => {
  const { destination, relay, side, ask, end } = rig("state_check: learn");
  await ask("SELECT a");
  equal(relay.server!.state.mixed, true, "nobody knows yet what any statement may reach");
  relay.server!.state.reset();
  knowsCatalogue(destination);
  relay.watch.begin();
  await ask("SELECT 2");
  deepEqual([side.lease.unread, relay.server!.state.mixed], [true, false]);
  await ask("SELECT app.f()");
  deepEqual([side.lease.unread, relay.server!.state.mixed], [true, true]);
  await end();
});

Deno.test("ServerSide pins for what a probe finds, and the next statement goes the same way", async () => {
  const { parts, clock, relay, side, pins, heard, ask, end } = rig("state_check: always");
  const lock = frontend.message(
    "D",
    frontend.int16(3),
    ...["k", "advisory lock", ""].flatMap((text) => [frontend.int32(text.length), frontend.text(text)]),
  );
  parts.cluster.answer = (sql) => sql.includes("pg_show_all_settings()") ? lock : null;
  await ask("SELECT 1");
  clock.advance(UNREAD_MS);
  await until(() => relay.server !== null);
  deepEqual([side.lease.held, pins.reasons, heard], [true, ["advisory lock"], [
    "pinned: advisory lock",
    "idles",
  ]]);
  await end();
});

Deno.test("ServerSide keeps a connection whose state cannot be read, and has it read again", async () => {
  const { parts, clock, side, heard, ask, end } = rig("state_check: always");
  let probes = 0;
  parts.cluster.answer = (sql) => {
    if (!sql.includes("pg_show_all_settings()")) return null;
    if (probes++ > 0) return new Uint8Array(0);
    return encodeError("ERROR", new PgplexError("internal", "no", { sqlstate: "53400" }));
  };
  await ask("SELECT 1");
  clock.advance(UNREAD_MS);
  await atRest();
  deepEqual([probes, side.lease.held, side.lease.unread, heard], [1, true, true, []]);
  await ask("SELECT 2");
  clock.advance(UNREAD_MS);
  await atRest();
  equal(probes, 1, "not at once");
  clock.advance(1000);
  await until(() => !side.lease.held);
  deepEqual([probes, heard], [2, ["idles"]]);
  await end();
});

Deno.test("ServerSide whose connection ends before its state was read goes on without it, and tells so", async () => {
  const { parts, client, side, heard, ask, end } = rig("state_check: always");
  await ask("SELECT 1");
  client.said();
  const { stream } = parts.cluster.servers[0]!;
  stream.say(encodeError("FATAL", new PgplexError("internal", "terminating", { sqlstate: "57P01" })));
  stream.end();
  await until(() => !side.lease.held);
  deepEqual([client.heard(), heard], ["", ["idles", "state lost"]]);
  await end();
});

Deno.test("ServerSide closes a connection that is lost to its probe, and tells that nobody knows its state", async () => {
  const { parts, clock, side, heard, ask, idle, end } = rig("state_check: always");
  const { servers } = parts.cluster;
  parts.cluster.answer = (sql) => {
    if (!sql.includes("pg_show_all_settings()")) return null;
    servers[0]!.stream.end();
    return new Uint8Array(0);
  };
  await ask("SELECT 1");
  clock.advance(UNREAD_MS);
  await until(() => !side.lease.held);
  deepEqual([heard, idle(), parts.log.of("warning").slice(-1)], [["state lost"], 0, [
    "cannot look at a session's state",
  ]]);
  await end();
});

Deno.test("ServerSide ends a broken lease and counts it, and the client stays", async () => {
  const { parts, destination, relay, side, heard, ask, idle, end } = rig();
  await ask("begin");
  parts.cluster.servers[0]!.stream.end();
  await until(() => !side.lease.held);
  deepEqual([relay.server, idle(), destination.counters.lost], [null, 0, 1]);
  equal(heard.length, 2);
  match(heard[1]!, /^left: .*"inTransaction":true,"skipping":false.*"transaction_lost"/);
  deepEqual(parts.log.of("warning"), ["server connection lost while in use"]);
  await end();
});

Deno.test("ServerSide passes no FATAL to a client that stays, and does not wait for the connection's end", async () => {
  const { parts, client, heard, side, ask, end } = rig();
  await ask("begin");
  client.said();
  parts.cluster.servers[0]!.stream.say(fatal("57P01"));
  await until(() => !side.lease.held);
  deepEqual([client.heard(), heard[0]], ["", "idles"]);
  await end();
});

Deno.test("ServerSide passes a FATAL for which the session has itself to blame, and ends", async () => {
  const { parts, client, heard, ask, end } = rig();
  await ask("begin");
  client.said();
  const { stream } = parts.cluster.servers[0]!;
  stream.say(fatal("25P03"));
  stream.end();
  await atRest();
  equal(client.heard(), "(FATAL 25P03 terminating)");
  deepEqual(heard, ["the server said it", "idles", "lost: server_lost"]);
  await end();
});

Deno.test("ServerSide ends the session where a reply was cut in the middle of a message, and counts that", async () => {
  const { parts, client, heard, ask, end } = rig();
  await ask("begin");
  client.said();
  const { stream } = parts.cluster.servers[0]!;
  stream.say(frontend.message("D", frontend.int16(1), frontend.int32(100)).subarray(0, 8));
  stream.end();
  await atRest();
  deepEqual([heard, parts.counters.repliesCut], [["idles", "lost: server_lost"], 1]);
  await end();
});

Deno.test("ServerSide gives the client its own process id in notifications of its own connection", async () => {
  const { parts, client, ask, end } = rig();
  await ask("begin");
  client.said();
  const { stream, pid } = parts.cluster.servers[0]!;
  const notification = (pid: number) =>
    frontend.message("A", frontend.int32(pid), frontend.cstring("news"), frontend.cstring("text"));
  stream.say(notification(pid), notification(12));
  await atRest();
  deepEqual(client.said().map(({ notification }) => notification!.pid), [4711, 12]);
  await end();
});

Deno.test("ServerSide: a lease begins anew, and what the last holder read of sequences is foreign to another", async () => {
  const { parts, relay, side, lease, end } = rig();
  const first: ServerConnection = await lease();
  equal(relay.preamble.sequencesForeign, true, "nobody had it before");
  side.endLease("clean");
  equal(await lease(), first);
  equal(relay.preamble.sequencesForeign, false);
  side.endLease("clean");
  first.tenancy.isOf(2);
  await lease();
  deepEqual([relay.preamble.sequencesForeign, relay.progress.openBatch, relay.progress.boundary], [
    true,
    false,
    false,
  ]);
  equal(parts.cluster.servers.length, 1);
  await end();
});

Deno.test("ServerSide.answeredItself counts as the last that the session did", async () => {
  const { clock, side, end } = rig();
  clock.advance(9);
  equal(side.sinceMs, 0);
  side.answeredItself();
  equal(side.sinceMs, 9);
  await end();
});
