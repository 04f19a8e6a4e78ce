import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Fingerprint, Fingerprints, OPAQUE_FINGERPRINT } from "./fingerprints.ts";
import { sqlTraits } from "../protocol/mod.ts";

function of(sql: string): Fingerprint {
  return new Fingerprint(sqlTraits(sql));
}

Deno.test("Fingerprint is suspect until three probes found no change, and then once in 1024 runs, twice a second at most", () => {
  const all = new Fingerprints();
  const f = of("INSERT INTO t (a) VALUES (1)");
  for (let i = 0; i < 3; i++) {
    equal(f.suspect(0), true);
    all.probed([f], false);
  }
  // A run each millisecond, then ten.
  const suspect = Array.from({ length: 4096 }, (_, ms) => f.suspect(ms));
  equal(suspect.filter(Boolean).length, 4);
  equal(suspect.indexOf(true), 1023);
  const fast = Array.from({ length: 40_960 }, (_, i) => f.suspect(4096 + i / 10));
  equal(fast.filter(Boolean).length, 8);
});

Deno.test("Fingerprint is not trusted for what failed or was rolled back", () => {
  const all = new Fingerprints();
  const f = of("INSERT INTO t (a) VALUES (1)");
  for (let i = 0; i < 5; i++) all.probed([f], false, true);
  equal(f.suspect(0), true);
});

Deno.test("Fingerprint that was seen to change something is suspect for ever", () => {
  const all = new Fingerprints();
  const f = of("INSERT INTO t (a) VALUES (1)");
  for (let i = 0; i < 5; i++) all.probed([f], false);
  equal(f.suspect(0), false);
  all.probed([f], true);
  for (let i = 0; i < 10; i++) {
    equal(f.suspect(0), true);
    all.probed([f], false);
  }
  deepEqual([all.probes, all.changes], [16, 1]);
});

Deno.test("Fingerprint of what says that it changes state is always suspect, of BEGIN and COMMIT never", () => {
  const all = new Fingerprints();
  const [set, begin] = [of("SET a = 1"), of("BEGIN")];
  for (let i = 0; i < 10; i++) {
    equal(set.suspect(0), true);
    equal(begin.suspect(0), false);
    equal(OPAQUE_FINGERPRINT.suspect(0), true);
    all.probed([set, begin, OPAQUE_FINGERPRINT], i % 2 === 0);
  }
});

Deno.test("Fingerprints.noteText keeps each custom setting once, and five hundred at most", () => {
  const all = new Fingerprints();
  all.noteText("SET a.b = 1; SET A.B = 2; SET c.d = 3");
  deepEqual(all.customSettings, ["a.b", "c.d"]);
  const before = all.customSettings;
  all.noteText("SET a.b = 4");
  equal(all.customSettings, before);
  for (let i = 0; i < 1000; i++) all.noteText(`SET x.n${i} = 1`);
  equal(all.customSettings.length, 500);
  // Besides these there are pgplex's own options, and only those that exist.
  for (let i = 0; i < 1000; i++) all.noteText(`SET pgplex.n${i} = 1; SET pgplex.tag = 'x'`);
  deepEqual(all.customSettings.slice(500), ["pgplex.tag"]);
});

Deno.test("Fingerprints.guessIn keeps the latest hundred names, and for good those that a probe found set", () => {
  const all = new Fingerprints();
  all.guessIn("SELECT f('My.Name', 'no name', 'a.b c')");
  deepEqual(all.customSettings, ["my.name"]);
  all.foundSettings(["my.name", "work_mem"]);
  for (let i = 0; i < 150; i++) all.guessIn(`SELECT f('guess.n${i}')`);
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
  deepEqual([plain!.state, plain!.probes, plain!.hits, set!.hits], ["stateful", 4, 1, 1]);
});
