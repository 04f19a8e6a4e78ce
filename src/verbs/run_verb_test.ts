import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { NodeVerbs } from "./node_verbs.ts";
import { runVerb, type Verb } from "./run_verb.ts";

const UPSTREAM = { name: "n2", host: "h", port: 5432 };
const SETTING = { instance: 3, supervised: true, slot: "pgplex_n1" };

/** A node of which every verb ends like this; the calls so far. */
function fake(result: object) {
  const calls: unknown[] = [];
  const node = new Proxy({}, {
    get: (_, name) => (...args: unknown[]) => {
      calls.push([name, ...args]);
      return Promise.resolve(result);
    },
  }) as NodeVerbs;
  return { calls, run: (verb: Verb) => runVerb(node, verb, SETTING) };
}

Deno.test("runVerb calls the verb of its kind, with what the file says of the node", async () => {
  const { calls, run } = fake({ ok: true });
  await run({ kind: "takeOver", epoch: 2, system: "111" });
  await run({ kind: "repoint", upstream: UPSTREAM });
  await run({ kind: "promote", timeoutMs: 5 });
  await run({ kind: "demote", upstream: UPSTREAM, timeoutMs: 900 });
  await run({ kind: "rejoin", upstream: UPSTREAM, mode: "rewind", token: "t1" });
  await run({ kind: "rejoinState", token: "t1" });
  await run({ kind: "witness", of: UPSTREAM });
  await run({ kind: "synchronousNames", text: "a" });
  await run({ kind: "recordEpoch", epoch: 2, text: "t" });
  for (const kind of ["fence", "unfence", "checkpoint", "stayPrimary"] as const) await run({ kind });
  deepEqual(calls, [
    ["takeOver", { epoch: 2, instance: 3, system: "111" }],
    ["repoint", { upstream: UPSTREAM, slot: "pgplex_n1" }],
    ["promote", { timeoutMs: 5 }],
    ["demote", { upstream: UPSTREAM, supervised: true, slot: "pgplex_n1", timeoutMs: 900 }],
    ["rejoin", { upstream: UPSTREAM, mode: "rewind", token: "t1", supervised: true, slot: "pgplex_n1" }],
    ["rejoinState", "t1"],
    ["witness", UPSTREAM],
    ["synchronousNames", "a"],
    ["recordEpoch", { epoch: 2, text: "t" }],
    ["fence"],
    ["unfence"],
    ["checkpoint"],
    ["stayPrimary"],
  ]);
});

Deno.test("runVerb brings values under the names that the arbiter knows, and failures as they are", async () => {
  const one = async (verb: Verb, result: object) => await fake(result).run(verb);
  deepEqual(await one({ kind: "inspect" }, { ok: true, lsn: 1n }), { ok: true, inspected: { lsn: 1n } });
  deepEqual(await one({ kind: "freeze" }, { ok: true, lsn: 1n, xidWatermark: 7n, system: "1" }), {
    ok: true,
    frozen: { lsn: 1n, xidWatermark: "7" },
    system: "1",
  });
  deepEqual(await one({ kind: "endSessions" }, { ok: true, ended: 2 }), { ok: true, count: 2 });
  deepEqual(await one({ kind: "rejoinState", token: "" }, { ok: true, state: "failed", why: "x" }), {
    ok: true,
    state: "failed",
    reason: "x",
  });
  const failure = { ok: false, kind: "unknown", reason: "lost" };
  deepEqual(await one({ kind: "rejoinState", token: "" }, failure), failure);
  for (const kind of ["inspect", "freeze", "endSessions", "fence"] as const) {
    deepEqual(await one({ kind }, failure), failure);
  }
});
