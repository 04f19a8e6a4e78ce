import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { VirtualClock } from "../kernel/mod.ts";
import { TimeLimits, type TimeLimitsHost } from "./time_limits.ts";

/** A session without a server connection, and when it was ended. */
function session(clock: VirtualClock, settings: Settings) {
  const endedMs: number[] = [];
  const host = {
    limits: { client_idle_timeout: 0, pin_timeout: 0, query_timeout: 0 } as PoolSettings,
    settings,
    keepsServer: false as boolean,
    idle: true as boolean,
    idleSinceMs: clock.nowMs(),
    pins: [],
    server: null,
    ending: false as boolean,
    querySinceMs: -1,
    cancelOn: () => Promise.resolve(),
    end() {
      host.ending = true;
      endedMs.push(clock.nowMs());
    },
  } satisfies TimeLimitsHost;
  return { host, endedMs, times: new TimeLimits(clock, host) };
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
