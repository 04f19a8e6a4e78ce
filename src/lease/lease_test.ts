import { strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../backend/fake_server_test.ts";
import { type ServerConnection, Settings } from "../backend/mod.ts";
import { PgplexError, VirtualClock } from "../kernel/mod.ts";
import { encodeError, encodeParameterStatus, encodeReadyForQuery } from "../protocol/mod.ts";
import { PoolCounters } from "../telemetry/mod.ts";
import { Lease, type LeaseHolder } from "./lease.ts";
import type { Destination, PooledServer, ServerPool } from "../servers/mod.ts";
import type { LeaseParts } from "./lease_parts.ts";

const READY = encodeReadyForQuery("I".charCodeAt(0));
const CANCELED = encodeError(
  "ERROR",
  new PgplexError("query_canceled", "canceling statement due to statement timeout"),
);

/** Where connections come from, and go back to. */
const HOME = {
  pool: {
    release: (_: PooledServer, how: string) => equal(how, "broken"),
    proved() {},
  },
} as unknown as ServerPool;

/** A server connection that says UTC until it is asked to change, and then does so, or is cancelled. */
function pooled(isCanceled: boolean): { server: PooledServer; reader: Promise<void> } {
  const { server, stream } = fakeServer({ settings: Settings.from([["TimeZone", "UTC"]]) });
  stream.onWrite = () => stream.say(isCanceled ? CANCELED : encodeParameterStatus("TimeZone", "CET"), READY);
  const fitness = (wish: { settings: Settings | null }) => wish.settings!.equals(server.settings) ? 2 : 1;
  return { server: { connection: server, home: HOME, openedMs: 0, fitness }, reader: server.start() };
}

/** A session that wants CET obtains a connection where so many restores are cancelled: what it got, or the error. */
async function obtain(canceled: number): Promise<{ got: ServerConnection | null; error: string | null }> {
  const { statements } = fakeServer();
  const made: ReturnType<typeof pooled>[] = [];
  const next = () => {
    made.push(pooled(made.length < canceled));
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
  const lease = new Lease(parts, destination, holder, { reasons: [], forLife: false, clear: () => {} });
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
