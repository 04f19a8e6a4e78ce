import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { type PgplexError, VirtualClock } from "../kernel/mod.ts";
import { factsOf } from "./fake_sessions_test.ts";
import { TimeLimits, type TimeLimitsHost } from "./time_limits.ts";

/** A session without a server connection, and when it was ended. */
function session(clock: VirtualClock, settings: Settings) {
  const endedMs: number[] = [];
  const notices: string[] = [];
  const said: string[] = [];
  const log = { poolerError: (_: unknown, { message }: PgplexError) => void said.push(message) };
  const host = {
    facts: factsOf(),
    limits: {
      client_idle_timeout: 0,
      pin_timeout: 0,
      query_timeout: 0,
      query_wait_notify: 5000,
      transaction_timeout: 0,
      idle_transaction_timeout: 0,
    } as PoolSettings,
    waits: null as TimeLimitsHost["waits"],
    waiting: false as boolean,
    stopWaiting: ({ message }: PgplexError) => {
      host.waiting = false;
      said.push(message);
    },
    notice: (error: PgplexError) => void notices.push(error.extra.detail!),
    settings,
    keepsServer: false as boolean,
    idle: true as boolean,
    idleSinceMs: clock.nowMs(),
    pins: [],
    server: null as TimeLimitsHost["server"],
    ending: false as boolean,
    work: { statementSinceMs: -1, xactSinceMs: -1, idleInXactSinceMs: -1 },
    cancelOn: () => Promise.resolve(),
    end() {
      host.ending = true;
      endedMs.push(clock.nowMs());
    },
  } satisfies TimeLimitsHost;
  return { host, endedMs, notices, said, times: new TimeLimits(clock, host, log) };
}

const LIMITED = Settings.from([["idle_session_timeout", "200"]]);

Deno.test("TimeLimits ends a session at its own idle_session_timeout, counted from when it was idle last", () => {
  const clock = new VirtualClock();
  const { host, endedMs, times } = session(clock, LIMITED);
  times.idles();
  clock.advance(100);
  host.idle = false;
  clock.advance(500);
  deepEqual(endedMs, []);
  host.idle = true;
  host.idleSinceMs = clock.nowMs();
  times.idles();
  clock.advance(150);
  host.idleSinceMs = clock.nowMs(); // something was answered without a lease
  clock.advance(199);
  deepEqual(endedMs, []);
  clock.advance(1);
  deepEqual(endedMs, [950]);
  clock.advance(1000);
  deepEqual(endedMs, [950]);
});

Deno.test("TimeLimits sets no timer for a session without idle_session_timeout, where the server keeps it, or behind its end", () => {
  for (
    const [settings, keepsServer, closed] of [
      [Settings.none, false, false],
      [Settings.from([["idle_session_timeout", "0"]]), false, false],
      [LIMITED, true, false],
      [LIMITED, false, true],
    ] as const
  ) {
    const clock = new VirtualClock();
    const { host, endedMs, times } = session(clock, settings);
    host.keepsServer = keepsServer;
    times.idles();
    if (closed) times.close();
    clock.advance(10_000);
    deepEqual(endedMs, []);
  }
});

Deno.test("TimeLimits tells a client once that it waits, and again when it waits anew", () => {
  const clock = new VirtualClock();
  const { host, notices, times } = session(clock, Settings.none);
  host.idle = false;
  host.waiting = true;
  const wait = { sinceMs: clock.nowMs(), reason: "no primary" };
  host.waits = wait;
  times.check(wait.sinceMs + 4999);
  deepEqual(notices, []);
  times.check(wait.sinceMs + 5000);
  times.check(wait.sinceMs + 9000);
  deepEqual(notices, ["It has waited for 5 s: no primary."]);
  host.waits = null;
  times.check(wait.sinceMs + 10_000);
  host.waits = { ...wait, sinceMs: wait.sinceMs + 20_000 };
  times.check(wait.sinceMs + 26_000);
  deepEqual(notices.length, 2);
  (host.limits as { query_wait_notify: number }).query_wait_notify = 0;
  host.waits = { ...wait, sinceMs: wait.sinceMs + 30_000 };
  times.check(wait.sinceMs + 90_000);
  deepEqual(notices.length, 2);
});

Deno.test("TimeLimits ends a session whose transaction takes too long, or waits for its client for too long", () => {
  for (
    const [limit, since] of [["transaction_timeout", "xactSinceMs"], [
      "idle_transaction_timeout",
      "idleInXactSinceMs",
    ]] as const
  ) {
    const clock = new VirtualClock();
    const { host, endedMs, times } = session(clock, Settings.none);
    host.idle = false;
    host.server = { owed: { settled: true } } as unknown as TimeLimitsHost["server"];
    host.limits = { ...host.limits, [limit]: 2000 };
    host.work[since] = 100;
    clock.advance(2099);
    times.check(clock.nowMs());
    deepEqual(endedMs, [], limit);
    clock.advance(1);
    times.check(clock.nowMs());
    deepEqual(endedMs, [2100], limit);
  }
});

Deno.test("TimeLimits says in the log that a statement ended for its time, and nothing of one that the client cancelled", () => {
  const clock = new VirtualClock();
  const { host, said, times } = session(clock, Settings.from([]));
  host.idle = false;
  host.limits = { ...host.limits, query_timeout: 1000 };
  host.work.statementSinceMs = clock.nowMs();
  host.server = { owed: { settled: false } } as unknown as TimeLimitsHost["server"];
  clock.advance(1000);
  times.check(clock.nowMs());
  deepEqual([times.canceledReply() !== null, said], [true, ["canceling statement due to query_timeout"]]);
  times.statementEnds();
  times.clientCancels();
  times.check(clock.nowMs());
  deepEqual([times.canceledReply(), said.length], [null, 1]);
});

Deno.test("TimeLimits ends a wait for a server connection at query_timeout, and no wait without one", () => {
  const clock = new VirtualClock();
  const { host, said, times } = session(clock, Settings.none);
  host.idle = false;
  host.waiting = true;
  host.work.statementSinceMs = clock.nowMs();
  clock.advance(10_000);
  times.check(clock.nowMs());
  deepEqual(said, []);
  host.limits = { ...host.limits, query_timeout: 10_001 };
  times.check(clock.nowMs());
  deepEqual(said, []);
  clock.advance(1);
  times.check(clock.nowMs());
  deepEqual([said, host.ending], [["canceling statement due to query_timeout"], false]);
});

Deno.test("TimeLimits counts the wait for a server connection into the time that a statement has of its own", () => {
  const clock = new VirtualClock();
  const { host, times } = session(clock, Settings.none);
  const cancelledMs: number[] = [];
  host.cancelOn = () => {
    cancelledMs.push(clock.nowMs());
    return Promise.resolve();
  };
  host.idle = false;
  host.work.statementSinceMs = clock.nowMs();
  host.server = { owed: { settled: false } } as unknown as TimeLimitsHost["server"];
  const sinceMs = clock.nowMs();
  clock.advance(700);
  times.statementBegins(1000);
  clock.advance(1000);
  times.statementEnds();
  times.statementBegins(null);
  deepEqual(cancelledMs, [sinceMs + 1000]);
});
