import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Fingerprints, OPAQUE_FINGERPRINT } from "./fingerprints.ts";
import { HiddenCallers, type Reach } from "./hidden_callers.ts";
import { StateWatch } from "./state_watch.ts";

/** A look at the catalogue finds what is reached by these statements. */
function look({ fingerprints: { catalogue } }: StateWatch, reach: Reach | null): void {
  catalogue.found(catalogue.beginCheck(0)!, "mark", new HiddenCallers(reach, null, new Set()), 0);
}

function watching(): { watch: StateWatch; run: (sql: string) => void } {
  const watch = new StateWatch(new Fingerprints());
  look(watch, null);
  const run = (sql: string) => {
    const bytes = new TextEncoder().encode(sql);
    watch.runs(watch.look(bytes, 0, bytes.length));
  };
  return { watch, run };
}

Deno.test("StateWatch.suspicious: nothing ran, or only BEGIN and COMMIT", () => {
  const { watch, run } = watching();
  equal(watch.suspicious("learn", 0), false);
  run("BEGIN");
  run("COMMIT");
  equal(watch.suspicious("learn", 0), false);
  equal(watch.suspicious("always", 0), false);
});

Deno.test("StateWatch.suspicious: a statement until it is trusted; always with always; never with off", () => {
  const { watch, run } = watching();
  for (let i = 0; i < 3; i++) {
    watch.begin();
    run(`SELECT ${i}`);
    equal(watch.suspicious("off", 0), false);
    equal(watch.suspicious("learn", 0), true);
    watch.fingerprints.probed(watch.ran, false);
  }
  watch.begin();
  run("SELECT 4");
  equal(watch.suspicious("learn", 0), false);
  equal(watch.suspicious("always", 0), true);
});

Deno.test("StateWatch.suspicious: one statement that sets something is enough, and so is one that is not known", () => {
  const { watch, run } = watching();
  for (let i = 0; i < 3; i++) run("SELECT 1"), watch.fingerprints.probed(watch.ran, false);
  equal(watch.suspicious("learn", 0), false);
  run("SET a = 1");
  equal(watch.suspicious("learn", 0), true);
  watch.begin();
  watch.runsOpaque();
  equal(watch.suspicious("learn", 0), true);
});

Deno.test("StateWatch.runs keeps each statement once in a row, and what is too much is suspect", () => {
  const { watch, run } = watching();
  for (let i = 0; i < 5; i++) run(`SELECT ${i}`);
  equal(watch.ran.length, 1);
  for (let i = 0; i < 100; i++) run(`SELECT a${i}`);
  equal(watch.ran.length, 64);
  equal(watch.ran.at(-1), OPAQUE_FINGERPRINT);
});

Deno.test("StateWatch.look notes custom settings in each run of what sets, and in the first of what reads", () => {
  const { watch, run } = watching();
  run("SELECT set_config('a.first', 'x', false)");
  run("SELECT set_config('a.second', 'x', false)");
  run("SELECT current_setting('b.first', true)");
  deepEqual(watch.fingerprints.customSettings, ["a.first", "a.second", "b.first"]);
  const bytes = new TextEncoder().encode("\0\0\0\x07c.third\0");
  watch.lookAtParameters(bytes, 0, bytes.length);
  equal(watch.fingerprints.customSettings.at(-1), "c.third");
});

Deno.test("StateWatch.mentions knows the prepared statements that SQL of this lease named", () => {
  const { watch, run } = watching();
  run("PREPARE s AS SELECT 1");
  equal(watch.mentions("s"), true);
  equal(watch.mentions("t"), false);
  for (let i = 0; i < 100; i++) run(`SELECT a${i}`);
  run("PREPARE late AS SELECT 1"); // behind all that are told apart
  equal(watch.mentions("late"), true);
  watch.begin();
  equal(watch.mentions("s"), false);
});

Deno.test("StateWatch.look reads strings as standard_conforming_strings says", () => {
  const { watch, run } = watching();
  watch.readBackslashes(true);
  run("SELECT '\\'; it is one string'");
  run("SELECT 'x'");
  equal(watch.ran.length, 1);
});

Deno.test("StateWatch keeps what no probe can see, however much runs besides", () => {
  const { watch, run } = watching();
  watch.begin();
  run("SELECT setseed(0.5)");
  run("DISCARD SEQUENCES");
  for (let i = 0; i < 200; i++) run(`SELECT a${i}`);
  run("SELECT currval('s')");
  run("DISCARD SEQUENCES");
  deepEqual(watch.unseen.map(({ traits }) => traits.sticky ?? traits.sequences), [
    "setseed",
    "read",
    "discard",
  ]);
  watch.begin();
  equal(watch.unseen.length, 0);
});

Deno.test("StateWatch.suspicious: with off nothing but a LISTEN or UNLISTEN", () => {
  const { watch, run } = watching();
  run("SET work_mem = 1");
  equal(watch.suspicious("off", 0), false);
  run("LISTEN a");
  equal(watch.suspicious("off", 0), true);
});

Deno.test("StateWatch.suspicious: what may reach a hidden caller, however clean it ran, and BEGIN and COMMIT never", () => {
  const { watch, run } = watching();
  const trusted = (sql: string) => {
    watch.begin();
    run(sql);
    for (let i = 0; i < 3; i++) watch.fingerprints.probed(watch.ran, false);
  };
  trusted("INSERT INTO t VALUES (1)");
  equal(watch.suspicious("learn", 0), false);
  watch.fingerprints.catalogue.changes();
  equal(watch.suspicious("learn", 0), true); // nobody knows
  look(watch, "writing");
  equal(watch.suspicious("learn", 0), true);
  equal(watch.suspicious("off", 0), false);
  trusted("SELECT 1");
  equal(watch.suspicious("learn", 0), false);
  watch.fingerprints.catalogue.changes();
  look(watch, "any");
  equal(watch.suspicious("learn", 0), true);
  watch.begin();
  run("BEGIN; COMMIT");
  equal(watch.suspicious("learn", 0), false);
});

Deno.test("StateWatch tells the catalogue of what may change it, as it is sent and when its transaction has ended", () => {
  const { watch, run } = watching();
  const { catalogue } = watch.fingerprints;
  run("SELECT 1");
  equal(catalogue.beginCheck(0), null);
  run("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
  look(watch, null); // before it is committed
  equal(catalogue.beginCheck(0), null);
  watch.suspicious("off", 0);
  equal(catalogue.beginCheck(0) === null, false);
});

Deno.test("StateWatch.look reads what stands behind a backslash as standard_conforming_strings says", () => {
  const { watch, run } = watching();
  watch.readBackslashes(true);
  run("SELECT '\\'', set_config('role', 'x', false) --'");
  equal(watch.ran[0]!.traits.stateful, true);
});
