import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Fingerprints, OPAQUE_FINGERPRINT } from "./fingerprints.ts";
import { type Called, HiddenCallers, type Reach } from "./hidden_callers.ts";
import { StateWatch } from "./state_watch.ts";
import { Suspicion } from "./suspicion.ts";

/** Whether what has run so far is suspicious; it is judged again the next time. */
function suspicious({ fingerprints, ran }: StateWatch, check: "learn" | "always" | "off"): boolean {
  const watch = new StateWatch(fingerprints);
  watch.ran.push(...ran);
  return watch.judge(check, 0) !== Suspicion.None;
}

/** A look at the catalogue finds what is reached by these statements. */
function look(
  { fingerprints: { catalogue } }: StateWatch,
  reach: Reach | null,
  called: ReadonlyMap<string, Called> = new Map(),
): void {
  catalogue.found(catalogue.beginCheck(0)!, "mark", new HiddenCallers(reach, null, new Set(), called), 0);
}

function watching(known = true): { watch: StateWatch; run: (sql: string) => void } {
  const watch = new StateWatch(new Fingerprints());
  if (known) look(watch, null);
  const run = (sql: string) => {
    const bytes = new TextEncoder().encode(sql);
    watch.runs(watch.look(bytes, 0, bytes.length));
  };
  return { watch, run };
}

Deno.test("StateWatch.judge: advisory locks are given back: it is read only where the session is pinned", () => {
  const { watch, run } = watching();
  const unlocks = () => {
    run("SELECT pg_advisory_unlock_all()");
    return watch.ran.at(-1)!;
  };
  for (let i = 0; i < 3; i++) watch.fingerprints.probed([unlocks()], false);
  equal(watch.judge("learn", 0, false), Suspicion.None);
  const unlocking = unlocks();
  equal(watch.judge("learn", 0, true), Suspicion.State);
  // What became of the pin says nothing of the next time.
  watch.fingerprints.probed([unlocking], true);
  equal(unlocking.dirty, false);
});

Deno.test("StateWatch.judge: nothing ran, or only BEGIN and COMMIT", () => {
  const { watch, run } = watching();
  equal(suspicious(watch, "learn"), false);
  run("BEGIN");
  run("COMMIT");
  equal(suspicious(watch, "learn"), false);
  equal(suspicious(watch, "always"), false);
});

Deno.test("StateWatch.judge: a statement until it is trusted; always with always; never with off", () => {
  const { watch, run } = watching();
  for (let i = 0; i < 3; i++) {
    watch.begin();
    run(`SELECT ${i}`);
    equal(suspicious(watch, "off"), false);
    equal(suspicious(watch, "learn"), true);
    watch.fingerprints.probed(watch.ran, false);
  }
  watch.begin();
  run("SELECT 4");
  equal(suspicious(watch, "learn"), false);
  equal(suspicious(watch, "always"), true);
});

Deno.test("StateWatch.judge: one statement that sets something is enough, and so is one that is not known", () => {
  const { watch, run } = watching();
  for (let i = 0; i < 3; i++) run("SELECT 1"), watch.fingerprints.probed(watch.ran, false);
  equal(suspicious(watch, "learn"), false);
  run("SET a = 1");
  equal(suspicious(watch, "learn"), true);
  watch.begin();
  watch.runsOpaque();
  equal(suspicious(watch, "learn"), true);
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
  run("SELECT app.f()");
  deepEqual(
    watch.unseen.map(({ traits: { sticky, sequences, calls } }) => [...sticky, sequences, ...calls]),
    [
      ["setseed", null],
      ["read"],
      ["discard"],
      [null, "f"],
    ],
  );
  watch.begin();
  equal(watch.unseen.length, 0);
});

Deno.test("StateWatch.judge: with off nothing but a LISTEN or UNLISTEN", () => {
  const { watch, run } = watching();
  run("SET work_mem = 1");
  equal(suspicious(watch, "off"), false);
  run("LISTEN a");
  equal(suspicious(watch, "off"), true);
});

Deno.test("StateWatch.judge: what may reach a hidden caller, however clean it ran, and BEGIN and COMMIT never", () => {
  const { watch, run } = watching();
  const trusted = (sql: string) => {
    watch.begin();
    run(sql);
    for (let i = 0; i < 3; i++) watch.fingerprints.probed(watch.ran, false);
  };
  trusted("INSERT INTO t VALUES (1)");
  equal(suspicious(watch, "learn"), false);
  watch.fingerprints.catalogue.changes();
  equal(suspicious(watch, "learn"), true); // nobody knows
  look(watch, "writing");
  equal(suspicious(watch, "learn"), true);
  equal(suspicious(watch, "off"), false);
  trusted("SELECT a FROM t");
  equal(suspicious(watch, "learn"), false);
  watch.fingerprints.catalogue.changes();
  look(watch, "any");
  equal(suspicious(watch, "learn"), true);
  trusted("SELECT 1");
  equal(suspicious(watch, "learn"), false, "it reaches nothing");
  watch.begin();
  run("BEGIN; COMMIT");
  equal(suspicious(watch, "learn"), false);
});

Deno.test("StateWatch tells the catalogue of what may change it, as it is sent and when its transaction has ended", () => {
  const { watch, run } = watching();
  const { catalogue } = watch.fingerprints;
  run("SELECT 1");
  equal(catalogue.beginCheck(0), null);
  run("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
  look(watch, null); // before it is committed
  equal(catalogue.beginCheck(0), null);
  suspicious(watch, "off");
  equal(catalogue.beginCheck(0) === null, false);
});

Deno.test("StateWatch.look reads what stands behind a backslash as standard_conforming_strings says", () => {
  const { watch, run } = watching();
  watch.readBackslashes(true);
  run("SELECT '\\'', set_config('role', 'x', false) --'");
  equal(watch.ran[0]!.traits.stateful, true);
});

Deno.test("StateWatch.judge keeps what is suspicious, each once, and the gravest of what it found until the next look", () => {
  const { watch, run } = watching();
  for (let i = 0; i < 3; i++) run("SELECT 1"), watch.fingerprints.probed(watch.ran, false);
  const judged = (...texts: string[]) => {
    for (const text of texts) run(text);
    const suspicion = watch.judge("learn", 0);
    return [suspicion, watch.ran.map(({ traits }) => traits.text)];
  };
  watch.begin();
  deepEqual(judged("BEGIN", "SELECT 1", "COMMIT"), [Suspicion.None, []]);
  deepEqual(judged("SELECT 1", "SELECT a"), [Suspicion.Learn, ["SELECT a"]]);
  deepEqual(judged("SET a = 1", "SELECT 1", "SELECT a"), [Suspicion.State, ["SELECT a", "SET a = ?"]]);
  deepEqual(judged("SELECT 1", "SET a = 2"), [Suspicion.State, ["SELECT a", "SET a = ?"]]);
  deepEqual(judged("DO 'x'"), [Suspicion.State, ["SELECT a", "SET a = ?", "DO ?"]], "its body is read");
  deepEqual(judged("LOAD 'x'", "SET a = 3"), [Suspicion.Anything, [
    "SELECT a",
    "SET a = ?",
    "DO ?",
    "LOAD ?",
  ]]);
  watch.begin();
  deepEqual(judged("SELECT 1"), [Suspicion.None, []]);
});

/** What it judges once these ran. */
function judged(watch: StateWatch, run: (sql: string) => void, ...texts: string[]): Suspicion {
  watch.begin();
  for (const text of texts) run(text);
  return watch.judge("learn", 0);
}

Deno.test("StateWatch.judge: a call of what is not the server's own may change anything, until the catalogue tells that it is harmless", () => {
  const { watch, run } = watching();
  const trusted = () => {
    for (let i = 0; i < 3; i++) {
      run("SELECT app.f()"), watch.fingerprints.probed(watch.ran, false), watch.begin();
    }
  };
  trusted();
  equal(judged(watch, run, "SELECT app.f()"), Suspicion.Anything);
  const harmless = (is: boolean) => new Map([["f", { harmless: is, sticky: [] }]]);
  watch.fingerprints.catalogue.changes();
  look(watch, null, harmless(true));
  equal(judged(watch, run, "SELECT app.f()"), Suspicion.None);
  watch.fingerprints.catalogue.changes();
  equal(judged(watch, run, "SELECT app.f()"), Suspicion.Anything, "it may be another by now");
  look(watch, null, harmless(false));
  equal(judged(watch, run, "SELECT app.f()"), Suspicion.Anything);
  equal(judged(watch, run, "SELECT 1"), Suspicion.Learn);
});

Deno.test("StateWatch.judge: sequences that advance are state once something reads what is remembered of them", () => {
  const { watch, run } = watching();
  equal(judged(watch, run, "SELECT nextval('s')"), Suspicion.Learn);
  watch.fingerprints.readsSequences = true;
  equal(judged(watch, run, "SELECT nextval('s')"), Suspicion.State);
});

Deno.test("StateWatch.judge goes on where it was, and looks again at what is too much to be told apart", () => {
  const { watch, run } = watching();
  equal(judged(watch, run, "SET a = 1"), Suspicion.State);
  for (let i = 0; i < 100; i++) run(`SELECT a${i}`);
  deepEqual([watch.judge("learn", 0), watch.ran.length, watch.ran.at(-1)], [
    Suspicion.Anything,
    64,
    OPAQUE_FINGERPRINT,
  ]);
  run("SELECT b");
  deepEqual([watch.judge("learn", 0), watch.ran.length], [Suspicion.Anything, 64]);
});

Deno.test("StateWatch reads the body of each DO, though they look alike but for that", () => {
  const { watch, run } = watching();
  run("DO $$ BEGIN SET ROLE x; END $$");
  run("DO $$ BEGIN UPDATE t SET a = 1; END $$");
  run("DO $$ BEGIN UPDATE t SET a = 2; END $$");
  deepEqual(watch.ran.map(({ traits }) => [traits.text, traits.stateful]), [
    ["DO ?", true],
    ["DO ?", false],
    ["DO ?", false],
  ]);
  const known = (sql: string) => {
    const bytes = new TextEncoder().encode(sql);
    return watch.known(bytes, 0, bytes.length);
  };
  equal(known("DO $$ BEGIN SET ROLE x; END $$"), watch.ran[0]);
  equal(known("DO $$ BEGIN UPDATE t SET a = 2; END $$"), watch.ran[2]);
  equal(known("DO $$ BEGIN SET ROLE y; END $$"), null, "nobody has read that one");
});

Deno.test("StateWatch.loses is true where state may be lost with the connection, but for channels", () => {
  const { watch, run } = watching();
  const loses = (...texts: string[]) => {
    judged(watch, run, ...texts);
    return watch.loses;
  };
  equal(loses("SELECT 1", "INSERT INTO t VALUES (1)"), false, "they are only not known yet");
  const unknown = watching(false);
  for (
    const [text, lost] of [["INSERT INTO t VALUES (1)", true], ["SELECT $1", true], [
      "SELECT 1",
      false,
    ]] as const
  ) {
    judged(unknown.watch, unknown.run, text);
    equal(unknown.watch.loses, lost, `${text}, while nobody knows what it may reach`);
  }
  equal(loses("SELECT 1", "SET a = 1"), true);
  equal(loses("SELECT app.f()"), true);
  equal(loses("LISTEN a"), false);
  equal(loses("LISTEN a", "SET a = 1"), true);
  equal(loses(), false);
  const dirty = () => {
    judged(watch, run, "SELECT b");
    watch.fingerprints.probed(watch.ran, true);
  };
  dirty();
  equal(loses("SELECT b"), true, "it changed something the last time");
  watch.fingerprints.catalogue.changes();
  look(watch, "writing");
  deepEqual([loses("INSERT INTO t VALUES (1)"), loses("SELECT 1")], [true, false]);
});

Deno.test("StateWatch.urgent: a LISTEN, another's defaults and pgplex's options are looked at before the session goes on", () => {
  const { watch, run } = watching();
  const urgent = (...texts: string[]) => {
    judged(watch, run, ...texts);
    return watch.urgent;
  };
  deepEqual([urgent("SET a = 1"), urgent("UNLISTEN *"), urgent("LOAD 'x'")], [false, false, false]);
  deepEqual([urgent("SELECT 1", "LISTEN a"), urgent("ALTER ROLE a SET b = 1")], [true, true]);
  watch.begin();
  equal(watch.urgent, false);
  watch.mentionsOptions();
  equal(watch.urgent, true);
  watch.begin();
  equal(watch.urgent, false);
});

Deno.test("StateWatch.setsPath is about the search_path, also where anything may have been set", () => {
  const { watch, run } = watching();
  const sets = (...texts: string[]) => {
    judged(watch, run, ...texts);
    return watch.setsPath;
  };
  deepEqual([sets("SET work_mem = 1"), sets("SELECT 1"), sets("LISTEN a")], [false, false, false]);
  deepEqual([sets("SET a = 1", "SET search_path = b"), sets("RESET ALL"), sets("LOAD 'x'")], [
    true,
    true,
    true,
  ]);
});

Deno.test("StateWatch.settings has the custom settings that texts named since the lease began", () => {
  const { watch, run } = watching();
  deepEqual([...watch.settings], []);
  run("SELECT set_config('a.first', 'x', false)");
  run("SELECT set_config('A.Second', 'x', false), set_config('a.first', 'y', false)");
  run("SHOW b.shown");
  run("SELECT current_setting('b.first', true)");
  run("SELECT current_setting('b.second', true)");
  deepEqual([...watch.settings], ["a.first", "a.second", "b.shown", "b.first", "b.second"]);
  watch.begin();
  deepEqual([...watch.settings], []);
});

Deno.test("StateWatch.look finds in a text what stands in it, also where it has read one of its shape before", () => {
  const { watch, run } = watching();
  const set = (value: string) => {
    watch.begin();
    const bytes = new TextEncoder().encode(`SET app.tenant = '${value}'`);
    watch.runs(watch.look(bytes, 0, bytes.length), true);
    watch.judge("learn", 0);
    return watch.assigned;
  };
  for (const value of ["first", "second", "third", "1", "2-a", "it''s", "it''s", "fourth"]) {
    deepEqual(set(value), new Map([["app.tenant", value.replace("''", "'")]]), value);
  }
  // A value that is not read does not leave the one before.
  equal(set("a\\b"), null);
  equal(set("a\\b"), null);
  deepEqual(set("fifth"), new Map([["app.tenant", "fifth"]]));
  for (const name of ["a.x", "a.x", "b.x", "a.x", "pgplex.tag"]) {
    watch.begin();
    run(`SELECT set_config('${name}', '7', false)`);
    deepEqual([[...watch.settings], watch.optionsMentioned], [[name], name === "pgplex.tag"]);
  }
});

Deno.test("StateWatch guesses names of settings among what a routine is given, until that is known to be harmless", () => {
  const { watch, run } = watching();
  run("SELECT app.put('my.first')");
  run("SELECT app.put('my.second')");
  deepEqual(watch.fingerprints.customSettings, ["my.first", "my.second"]);
  watch.fingerprints.catalogue.changes();
  look(watch, null, new Map([["put", { harmless: true, sticky: [] }]]));
  run("SELECT app.put('my.third')");
  deepEqual(watch.fingerprints.customSettings, ["my.first", "my.second"]);
});

Deno.test("StateWatch tells the catalogue of a CALL that may make routines, and not of one that is harmless", () => {
  const { watch, run } = watching();
  const { catalogue } = watch.fingerprints;
  lookFor(watch, true);
  run("CALL app.p()");
  equal(catalogue.beginCheck(1), null, "it changes nothing");
  catalogue.changes();
  lookFor(watch, false);
  run("CALL app.p()");
  equal(catalogue.beginCheck(1) === null, false);
});

/** A look that finds the procedure p, which is called, harmless or not. */
function lookFor(watch: StateWatch, harmless: boolean): void {
  const { catalogue } = watch.fingerprints;
  catalogue.calls(["p"]);
  const check = catalogue.beginCheck(0) ?? catalogue.beginCheck(1000)!;
  const called = new Map([["p", { harmless, sticky: [] }]]);
  catalogue.found(check, "mark", new HiddenCallers(null, null, new Set(), called), 0);
}

Deno.test("StateWatch.wrote holds once a statement does more than read, ranAny once anything ran, until a lease begins", () => {
  const { watch, run } = watching();
  const said = () => [watch.ranAny, watch.wrote];
  deepEqual(said(), [false, false]);
  run("COMMIT PREPARED 'x'");
  deepEqual(said(), [true, false]);
  for (const sql of ["SELECT a FROM t FOR UPDATE", "WITH x AS (SELECT 1) TABLE x", "EXPLAIN SELECT 1"]) {
    run(sql);
  }
  deepEqual(said(), [true, false]);
  for (
    const sql of [
      "INSERT INTO t VALUES (1)",
      "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
      "SELECT nextval('s')",
      "SELECT 1 AS a INTO t",
    ]
  ) {
    watch.begin();
    deepEqual(said(), [false, false]);
    run(sql);
    watch.judge("learn", 0);
    deepEqual(said(), [true, true], sql);
  }
  watch.begin();
  watch.runsOpaque();
  deepEqual(said(), [true, true]);
});

Deno.test("StateWatch.readsOtherwise until somebody has looked, and of what servers report until they have answered", () => {
  const readings = (sql: string) => {
    const { watch, run } = watching();
    for (let i = 0; i < 2; i++) run(sql);
    const seen = [watch.readsOtherwise(false), watch.readsOtherwise(true)];
    watch.begin();
    equal(watch.readsOtherwise(false), false);
    return seen;
  };
  deepEqual(readings("SET LOCAL DateStyle = 'German'"), [true, false]);
  deepEqual(readings("SELECT set_config('array_nulls', 'off', true)"), [true, true]);
  deepEqual(readings("SET work_mem = '5MB'"), [false, false]);
  const { watch, run } = watching();
  for (let i = 0; i < 3; i++) run("SELECT set_config('jit', 'off', false)");
  equal(watch.readsOtherwise(false), false);
  // It has the same shape.
  run("SELECT set_config('DateStyle', 'German', false)");
  equal(watch.readsOtherwise(false), true);
});
