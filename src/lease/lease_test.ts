import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { type ServerConnection, Settings } from "../backend/mod.ts";
import { PgplexError, VirtualClock } from "../kernel/mod.ts";
import type { Recall, Recallable } from "../pool/mod.ts";
import { encodeError, encodeParameterStatus, encodeReadyForQuery } from "../protocol/mod.ts";
import { PoolCounters } from "../telemetry/mod.ts";
import { settingsLost } from "./lease_errors.ts";
import { Lease } from "./lease.ts";
import type { Fingerprints } from "../learning/mod.ts";
import type { LeaseHolder } from "./lease_holder.ts";
import type { Destination, PooledServer, ServerPool } from "../servers/mod.ts";
import type { LeaseParts } from "./lease_parts.ts";
import type { LostSetting } from "./restore.ts";
import { UNREAD_MS, UnreadLeases } from "./unread_leases.ts";

const READY = encodeReadyForQuery("I".charCodeAt(0));
const errorOf = (sqlstate: string) =>
  encodeError("ERROR", new PgplexError("internal", `no: ${sqlstate}`, { sqlstate }));

/** Where connections come from, and go back to broken. */
const HOME = {
  pool: {
    release: (_: PooledServer, how: string) => equal(how, "broken"),
    proved() {},
  },
} as unknown as ServerPool;

/** What a server does with TimeZone where it is asked to set it: takes it, or fails by an SQLSTATE. */
type Takes = "takes it" | "57014" | "22023";

/** A server connection that says UTC until it is asked to change. */
function pooled(takes: Takes, home: ServerPool = HOME): { server: PooledServer; reader: Promise<void> } {
  const { server, stream } = fakeServer({ settings: Settings.from([["TimeZone", "UTC"]]) });
  stream.onWrite = (bytes) => {
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
      const type = String.fromCharCode(bytes[at]!);
      if (/TimeZone/.test(new TextDecoder().decode(bytes.subarray(at, end)))) {
        stream.say(takes === "takes it" ? encodeParameterStatus("TimeZone", "CET") : errorOf(takes));
      }
      if (type === "Q" || type === "S") stream.say(READY);
      at = end;
    }
  };
  const fitness = (wish: { settings: Settings | null }) => wish.settings!.equals(server.settings) ? 2 : 1;
  return { server: { connection: server, home, openedMs: 0, fitness }, reader: server.start() };
}

/** A session that wants CET obtains a connection where so many restores are cancelled: what it got, or the error. */
async function obtain(canceled: number): Promise<{ got: ServerConnection | null; error: string | null }> {
  const { statements } = fakeServer();
  const made: ReturnType<typeof pooled>[] = [];
  const next = () => {
    made.push(pooled(made.length < canceled ? "57014" : "takes it"));
    return made.at(-1)!.server;
  };
  let got: ServerConnection | null = null;
  const holder = {
    base: { key: "", params: new Map() },
    settings: Settings.from([["TimeZone", "CET"]]),
    sqlStatements: new Map(),
    queryWaitTimeoutMs: 0,
    leaseBegins: (server: ServerConnection) => got = server,
    ended() {},
  } as unknown as LeaseHolder;
  const destination = {
    counters: new PoolCounters(),
    tryAcquire: next,
    wait: (lease: Lease) => lease.granted(next()),
  } as unknown as Destination;
  const parts = { runtime: { clock: new VirtualClock(), statements } } as unknown as LeaseParts;
  const lease = new Lease(parts, destination, holder, { reasons: [], forLife: false });
  await lease.obtain();
  for (const { server, reader } of made) {
    equal(server.connection.closed, server.connection !== got);
    server.connection.close();
    await reader;
  }
  return { got, error: lease.error?.sqlstate ?? null };
}

Deno.test("Lease takes another connection where a statement_timeout cancels its restore, and gives up at last", async () => {
  for (const canceled of [0, 1, 5]) {
    const { got, error } = await obtain(canceled);
    equal(got !== null, true, `${canceled} restores cancelled`);
    equal(error, null);
  }
  equal((await obtain(6)).error, "57014");
});

/** A lease of a connection that its session wants as it is, or with another TimeZone; all that pool and session hear. */
function rig({ takes = "takes it", wants = "UTC" }: { takes?: Takes; wants?: string } = {}) {
  const clock = new VirtualClock();
  const heard: string[] = [];
  const lent: Recallable[] = [];
  const pool = {
    waitingCount: 0,
    failure: null,
    mustEnd: () => false,
    proved() {},
    release: (_: PooledServer, how: string) => void heard.push(`released ${how}`),
    lends: (_: PooledServer, holder: Recallable) => {
      heard.push("lent");
      lent.push(holder);
    },
    kept: () => void heard.push("kept"),
  };
  const home = { pool } as unknown as ServerPool;
  const { server, reader } = pooled(takes, home);
  const holder = {
    base: { key: "", params: new Map() },
    settings: Settings.from([["TimeZone", wants]]),
    sqlStatements: new Map(),
    queryWaitTimeoutMs: 0,
    restsSinceMs: 0,
    looks: "looking" as Recall,
    leaseBegins: () => void heard.push("begins"),
    look: () => {
      heard.push("look");
      return holder.looks;
    },
    settingsLost: (connection: ServerConnection, lost: readonly LostSetting[]) => {
      heard.push(`lost ${lost.map(({ name }) => name)}`);
      holder.settings = connection.settings;
      return settingsLost(lost);
    },
    ended() {},
    stateLost: () => void heard.push("state lost"),
  };
  const settings = { server_reset: "changed" };
  const destination = {
    counters: new PoolCounters(),
    pool: home as ServerPool | null,
    settings,
    serves: (pool: ServerPool) => pool === destination.pool,
    tryAcquire: () => server,
  };
  const { statements } = fakeServer();
  const unread = new UnreadLeases(clock);
  const warnings = { say() {} };
  const parts = { runtime: { clock, statements }, unread, warnings } as unknown as LeaseParts;
  const lease = new Lease(
    parts,
    destination as unknown as Destination,
    holder as unknown as LeaseHolder,
    { reasons: [], forLife: false },
  );
  const end = async () => {
    server.connection.close();
    await reader;
  };
  return { clock, heard, lent, pool, holder, settings, destination, lease, server, end };
}

Deno.test("Lease.fails: the next time that the session asks it hears why, once, and gets no connection", async () => {
  const { heard, lease, end } = rig();
  lease.fails(new PgplexError("state_lost", "gone"));
  equal(lease.obtain(), null);
  deepEqual([lease.error?.code, lease.held, heard], ["state_lost", false, []]);
  equal(lease.obtain(), null);
  deepEqual([lease.error, lease.held, heard], [null, true, ["begins"]]);
  await end();
});

Deno.test("Lease whose session's settings are refused gives the connection back clean, tells so, and begins the next time", async () => {
  const { heard, lease, server, end } = rig({ takes: "22023", wants: "secret/zone" });
  await lease.obtain();
  const { error } = lease;
  deepEqual([error?.code, error?.sqlstate, lease.held], ["settings_lost", "22023", false]);
  equal(error?.message, "the session's TimeZone cannot be restored: no: 22023");
  equal(error?.extra.detail, "The session goes on without TimeZone.");
  deepEqual([heard, server.connection.closed], [["lost TimeZone", "released clean"], false]);
  equal(lease.obtain(), null);
  deepEqual([lease.error, lease.held], [null, true]);
  await end();
});

Deno.test("Lease.obtain right behind a look that has ended begins, and does not wait for that look", async () => {
  const { heard, pool, destination, lease, server, end } = rig();
  const other = pooled("takes it", destination.pool!);
  equal(lease.obtain(), null);
  let asked: Promise<void> | null | undefined;
  pool.release = (_, how) => {
    heard.push(`released ${how}`);
    destination.tryAcquire = () => other.server;
    // Before the look's own promise is settled.
    queueMicrotask(() => asked = lease.obtain());
  };
  server.connection.close();
  lease.probe({} as Fingerprints);
  for (let turn = 0; turn < 20; turn++) await null;
  deepEqual([asked, lease.held, heard], [null, true, ["begins", "released broken", "state lost", "begins"]]);
  other.server.connection.close();
  await other.reader;
  await end();
});

Deno.test("Lease.leaveUnread lends the connection to whoever waits, until it is looked at or over", async () => {
  const { clock, heard, lent, holder, lease, end } = rig();
  await lease.obtain();
  equal(lease.unread, false);
  lease.leaveUnread();
  lease.leaveUnread();
  deepEqual([lease.unread, lease.held, lent, heard], [true, true, [lease], ["begins", "lent"]]);
  equal(lease.recall(), "looking");
  holder.looks = null;
  equal(lease.recall(), null, "the session is at work");
  lease.end("clean");
  deepEqual([lease.unread, heard], [false, ["begins", "lent", "look", "look", "kept", "released clean"]]);
  equal(lease.recall(), null, "it is over");
  clock.advance(UNREAD_MS);
  equal(clock.pending, 0);
  await end();
});

Deno.test("Lease that is unread is looked at once its session has been at rest for a while", async () => {
  const { clock, heard, holder, lease, end } = rig();
  const looks = () => heard.filter((what) => what === "look").length;
  await lease.obtain();
  lease.leaveUnread();
  clock.advance(UNREAD_MS - 1);
  holder.restsSinceMs = clock.nowMs();
  clock.advance(1);
  equal(looks(), 0, "it did something meanwhile");
  clock.advance(UNREAD_MS);
  equal(looks(), 1);
  lease.end("clean");
  clock.advance(100);
  equal(looks(), 1);
  await end();
});

Deno.test("Lease is wanted where somebody waits, or where the connection goes elsewhere or ends", async () => {
  const { pool, settings, destination, lease, end } = rig();
  await lease.obtain();
  equal(lease.wanted, false);
  pool.waitingCount = 1;
  equal(lease.wanted, true);
  pool.waitingCount = 0;
  pool.mustEnd = () => true;
  equal(lease.wanted, true);
  pool.mustEnd = () => false;
  settings.server_reset = "always";
  equal(lease.wanted, true);
  settings.server_reset = "changed";
  destination.pool = null;
  equal(lease.wanted, true);
  destination.pool = lease.home;
  equal(lease.wanted, false);
  await end();
});
