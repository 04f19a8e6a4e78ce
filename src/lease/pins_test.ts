import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { PoolSettings } from "../config/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import { Fingerprints, StateWatch } from "../learning/mod.ts";
import { SessionOptions } from "../options/mod.ts";
import { PIN_KINDS, PIN_REASONS } from "./pin_kinds.ts";
import { Pins } from "./pins.ts";
import type { PinsHost } from "./pins_host.ts";

function rig(limits: Partial<PoolSettings> = {}) {
  const watch = new StateWatch(new Fingerprints());
  const heard: string[] = [];
  const host = {
    limits: { pool_mode: "transaction", pin_policy: "allow", currval: "pin", ...limits } as PoolSettings,
    options: new SessionOptions(),
    watch,
    holdsUnnamed: false as boolean,
    nowMs: () => 7,
    warnOfPins: (reasons: readonly string[], statement: string | null) =>
      void heard.push(`${reasons.join(", ")} by ${statement}`),
    end: ({ message }: PgplexError) => void heard.push(message),
  } satisfies PinsHost;
  const run = (sql: string) => watch.runs(watch.look(new TextEncoder().encode(sql), 0, sql.length));
  return { pins: new Pins(host), host, watch, run, heard };
}

Deno.test("PIN_KINDS: each kind is found by a probe, by words or by the session, but for three that are asked for apart", () => {
  const apart = ["temporary object", "unrestorable setting", "listen"];
  for (const reason of PIN_REASONS) {
    const { probe, words, holds } = PIN_KINDS[reason];
    const ways = [probe, words, holds].filter((way) => way !== undefined).length;
    equal(ways, apart.includes(reason) ? 0 : 1, reason);
  }
});

Deno.test("Pins.after adds what words tell to what a probe found, and keeps it until words take it back", () => {
  const { pins, watch, run } = rig();
  run("LOAD 'auto_explain'");
  run("SELECT currval('s')");
  deepEqual(pins.after(["advisory lock"]), ["advisory lock", "load", "sequence"]);
  watch.begin();
  deepEqual(pins.after([]), ["load", "sequence"]);
  run("DISCARD SEQUENCES");
  deepEqual(pins.after([]), ["load"]);
});

Deno.test("Pins: nextval pins only where something reads what the session remembers, and not where that is ignored", () => {
  const { pins, run, watch } = rig();
  run("SELECT nextval('s')");
  deepEqual(pins.after([]), []);
  watch.fingerprints.readsSequences = true;
  deepEqual(pins.after([]), ["sequence"]);
  const ignoring = rig({ currval: "ignore" });
  ignoring.run("SELECT currval('s')");
  deepEqual(ignoring.pins.after([]), []);
});

Deno.test("Pins.forLife is about what no reset takes back, and ends with the connection", () => {
  const { pins, run, watch } = rig();
  pins.set(["temporary object"]);
  equal(pins.forLife, false);
  run("SELECT setseed(0.5)");
  equal(pins.forLife, true, "nobody has looked yet");
  pins.set(pins.after([]));
  equal(pins.forLife, true);
  pins.clear();
  deepEqual([pins.reasons, pins.pinned], [[], null]);
  equal(pins.forLife, true, "its statement is still among those that ran");
  deepEqual(pins.after([]), ["setseed"]);
  watch.begin();
  pins.clear();
  deepEqual([pins.forLife, pins.after([])], [false, []]);
});

Deno.test("Pins.transactionEnds follows what the session itself knows, without a probe", () => {
  const { pins, host } = rig();
  pins.transactionEnds();
  deepEqual(pins.reasons, []);
  host.holdsUnnamed = true;
  pins.transactionEnds();
  deepEqual(pins.reasons, ["unnamed statement"]);
  host.holdsUnnamed = false;
  pins.transactionEnds();
  deepEqual(pins.reasons, []);
});

Deno.test("Pins.set warns once, with the statement that most likely did it, and never of what the client wished", () => {
  const { pins, run, heard } = rig();
  pins.set(["directive"]);
  deepEqual([heard, pins.pinned], [[], { sinceMs: 7, statement: null }]);
  pins.set([]);
  run("CREATE TEMP TABLE t (a int)");
  run("SELECT 1");
  pins.set(["temporary object"]);
  pins.set(["temporary object", "advisory lock"]);
  deepEqual(heard, ["temporary object by CREATE TEMP TABLE t (a int)"]);
});

Deno.test("Pins.set ends the session where pin_policy refuses, but not for what the client wished", () => {
  const { pins, heard } = rig({ pin_policy: "refuse" });
  pins.set(["pool_mode"]);
  deepEqual(heard, []);
  pins.set(["pool_mode", "load"]);
  deepEqual(heard, ["terminating connection: the session would have to be pinned (load)"]);
});
