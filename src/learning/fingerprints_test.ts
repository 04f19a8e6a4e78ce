import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Fingerprint, Fingerprints, OPAQUE_FINGERPRINT } from "./fingerprints.ts";
import { HiddenCallers } from "./hidden_callers.ts";
import { Suspicion } from "./suspicion.ts";
import { sqlTraits } from "../protocol/mod.ts";

function isSuspect(fingerprint: Fingerprint, nowMs: number): boolean {
  return fingerprint.suspicion(nowMs) !== Suspicion.None;
}

function of(sql: string): Fingerprint {
  return new Fingerprint(sqlTraits(sql));
}

Deno.test("Fingerprint is suspect until three probes found no change, and then once in 1024 runs, twice a second at most", () => {
  const all = new Fingerprints();
  const f = of("INSERT INTO t (a) VALUES (1)");
  for (let i = 0; i < 3; i++) {
    equal(isSuspect(f, 0), true);
    all.probed([f], false);
  }
  // A run each millisecond, then ten.
  const suspect = Array.from({ length: 4096 }, (_, ms) => isSuspect(f, ms));
  equal(suspect.filter(Boolean).length, 4);
  equal(suspect.indexOf(true), 1023);
  const fast = Array.from({ length: 40_960 }, (_, i) => isSuspect(f, 4096 + i / 10));
  equal(fast.filter(Boolean).length, 8);
});

Deno.test("Fingerprint is not trusted for what failed or was rolled back", () => {
  const all = new Fingerprints();
  const f = of("INSERT INTO t (a) VALUES (1)");
  for (let i = 0; i < 5; i++) all.probed([f], false, true);
  equal(isSuspect(f, 0), true);
});

Deno.test("Fingerprint that was seen to change something is suspect for ever", () => {
  const all = new Fingerprints();
  const f = of("INSERT INTO t (a) VALUES (1)");
  for (let i = 0; i < 5; i++) all.probed([f], false);
  equal(isSuspect(f, 0), false);
  all.probed([f], true);
  for (let i = 0; i < 10; i++) {
    equal(isSuspect(f, 0), true);
    all.probed([f], false);
  }
  deepEqual([all.probes, all.changes], [16, 1]);
});

Deno.test("Fingerprint of what says that it changes state is always suspect, of BEGIN and COMMIT never", () => {
  const all = new Fingerprints();
  const [set, begin] = [of("SET a = 1"), of("BEGIN")];
  for (let i = 0; i < 10; i++) {
    equal(isSuspect(set, 0), true);
    equal(isSuspect(begin, 0), false);
    equal(isSuspect(OPAQUE_FINGERPRINT, 0), true);
    all.probed([set, begin, OPAQUE_FINGERPRINT], i % 2 === 0);
  }
});

Deno.test("Fingerprints.noteText keeps each custom setting once, the latest five hundred, and pgplex's own besides", () => {
  const all = new Fingerprints();
  all.noteText("SET a.b = 1; SET A.B = 2; SET c.d = 3");
  deepEqual(all.customSettings, ["a.b", "c.d"]);
  const before = all.customSettings;
  all.noteText("SET a.b = 4");
  equal(all.customSettings, before);
  for (let i = 0; i < 1000; i++) all.noteText(`SET x.n${i} = 1`);
  equal(all.customSettings.length, 500);
  equal(all.customSettings.at(-1), "x.n999");
  all.noteText("SET pgplex.tag = 'x'");
  for (let i = 0; i < 1000; i++) all.noteText(`SET y.n${i} = 1`);
  deepEqual([all.customSettings.length, all.customSettings[0]], [500, "pgplex.tag"]);
});

Deno.test("Fingerprints.noteText: what routines name is not pushed out by what statements name", () => {
  const all = new Fingerprints();
  all.noteText("SELECT set_config('of.routine', v, false)");
  for (let i = 0; i < 1000; i++) all.noteSettings([`of.statement${i}`]);
  for (let i = 0; i < 1000; i++) all.guessSettings([`guess.n${i}`, "of.routine"]);
  deepEqual(all.customSettings.filter((name) => name === "of.routine"), ["of.routine"]);
});

Deno.test("Fingerprints.guessSettings keeps the latest hundred names, and for good those that a probe found set", () => {
  const all = new Fingerprints();
  all.guessSettings(["my.name"]);
  deepEqual(all.customSettings, ["my.name"]);
  all.foundSettings(["my.name", "work_mem"]);
  for (let i = 0; i < 150; i++) all.guessSettings([`guess.n${i}`]);
  deepEqual([all.customSettings.length, all.customSettings[0], all.customSettings[1]], [
    101,
    "my.name",
    "guess.n50",
  ]);
});

Deno.test("Fingerprints.learn begins anew when there are too many, and find knows what was learned", () => {
  const all = new Fingerprints();
  const first = all.learn(1, "SELECT 1");
  equal(all.find(1), first);
  equal(all.find(2), null);
  for (let hash = 2; hash <= 20_001; hash++) all.learn(hash, "SELECT 1");
  equal(all.find(1), null);
  equal([...all.all()].length, 1);
});

Deno.test("Fingerprints.find keeps apart what has the same last bits, however often it is asked", () => {
  const all = new Fingerprints();
  const learned = [7, 7 + 256, 7 + 2 ** 52].map((hash) => all.learn(hash, "SELECT 1"));
  for (let round = 0; round < 3; round++) {
    deepEqual([7, 7 + 256, 7 + 2 ** 52, 7 + 512].map((hash) => all.find(hash)), [...learned, null]);
  }
});

Deno.test("Fingerprint.state and its counts tell the console what is known of a statement", () => {
  const fingerprints = new Fingerprints();
  const [plain, set, begin] = ["SELECT 1", "SET a = 1", "BEGIN"].map((sql, i) => fingerprints.learn(i, sql));
  deepEqual([plain, set, begin].map((fingerprint) => fingerprint!.state), [
    "learning",
    "stateful",
    "neutral",
  ]);
  for (let i = 0; i < 3; i++) fingerprints.probed([plain!], false);
  deepEqual([plain!.state, plain!.probes, plain!.hits], ["trusted", 3, 0]);
  fingerprints.probed([plain!, set!, OPAQUE_FINGERPRINT], true);
  deepEqual([plain!.state, plain!.hits, set!.hits], ["trusted", 1, 1], "what SET explains is no other's");
  fingerprints.probed([plain!, begin!], true);
  deepEqual([plain!.state, plain!.probes, plain!.hits, set!.hits], ["stateful", 5, 2, 1]);
});

Deno.test("Fingerprint.suspicion tells what only has to be learned from what a look finds, and from what it cannot", () => {
  const suspicions = (sql: string) => of(sql).suspicion(0);
  deepEqual(["BEGIN", "SELECT 1", "SET a = 1", "LOAD 'x'"].map(suspicions), [
    Suspicion.None,
    Suspicion.Learn,
    Suspicion.State,
    Suspicion.Anything,
  ]);
  equal(OPAQUE_FINGERPRINT.suspicion(0), Suspicion.Anything);
  const dirty = of("SELECT 1");
  dirty.dirty = true;
  equal(dirty.suspicion(0), Suspicion.Anything, "nobody knows what it changed");
});

Deno.test("Fingerprint.plain is what needs nothing before it, and unseen what no probe sees", () => {
  const flags = (sql: string) => [of(sql).plain, of(sql).unseen];
  deepEqual(flags("SELECT a FROM t"), [true, false]);
  deepEqual(flags("INSERT INTO t VALUES (now())"), [true, false]);
  for (const sql of ["SELECT f()", "SELECT nextval('s')", "SELECT setseed(0.1)", "ALTER ROLE a SET b = 1"]) {
    deepEqual(flags(sql), [false, true], sql);
  }
  for (const sql of ["BEGIN", "SET a = 1", "SHOW a.b", "EXECUTE s", "DROP TABLE t"]) {
    equal(of(sql).plain, false, sql);
  }
});

Deno.test("Fingerprints.learnDo knows each DO by its body, and what that calls is looked for", () => {
  const all = new Fingerprints();
  const sql = "DO $$ BEGIN PERFORM app.f(currval('s')); END $$";
  const generic = all.learn(1, sql);
  const exact = all.learnDo(2, sql, generic);
  deepEqual([all.find(1), all.find(2)], [generic, exact]);
  deepEqual([exact.traits.calls, exact.traits.sequences, all.readsSequences], [["f"], "read", true]);
  deepEqual(all.catalogue.beginCheck(0)!.named, ["f"]);
});

Deno.test("Fingerprints.stateOf tells the console what a statement reaches and calls in this database", () => {
  const all = new Fingerprints();
  const [insert, calls, begin] = ["INSERT INTO t VALUES (1)", "SELECT f()", "BEGIN"].map((sql, i) =>
    all.learn(i, sql)
  );
  const states = () => [insert, calls, begin].map((fingerprint) => all.stateOf(fingerprint!));
  for (let i = 0; i < 3; i++) all.probed([insert!, calls!, begin!], false);
  deepEqual(states(), ["exposed", "stateful", "neutral"], "nothing is known yet");
  const found = (reach: "writing" | null, harmless: boolean) => {
    all.catalogue.changes();
    const called = new Map([["f", { harmless, sticky: [] }]]);
    all.catalogue.found(
      all.catalogue.beginCheck(0)!,
      "m",
      new HiddenCallers(reach, null, new Set(), called),
      0,
    );
  };
  found(null, true);
  deepEqual(states(), ["trusted", "trusted", "neutral"]);
  found("writing", false);
  deepEqual(states(), ["exposed", "stateful", "neutral"]);
});

Deno.test("Fingerprints.mixPlans where the catalogue says so of what ran", () => {
  const all = new Fingerprints();
  const ran = ["SELECT f()", "SELECT g()"].map((sql, i) => all.learn(i, sql));
  equal(all.mixPlans(ran), false);
  const called = new Map([["f", { harmless: true, sticky: ["plans" as const] }], ["g", {
    harmless: true,
    sticky: [],
  }]]);
  all.catalogue.found(all.catalogue.beginCheck(0)!, "m", new HiddenCallers(null, null, new Set(), called), 0);
  deepEqual([all.mixPlans(ran), all.mixPlans(ran.slice(1))], [true, false]);
});

Deno.test("Fingerprint.setsByParameter where parameters are handed to what may set something, or name it", () => {
  const all = new Fingerprints();
  const sets = (sql: string, hash: number) => all.learn(hash, sql).setsByParameter;
  deepEqual(
    ["SELECT set_config($1, $2, true)", "SELECT set_config('app.a', $1, true)", "SELECT f($1)"].map(sets),
    [true, false, true],
  );
});
