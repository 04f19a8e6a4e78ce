import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { sqlTraits } from "../protocol/mod.ts";
import { HiddenCallers, HiddenCallerSearch, type Reach, type Routine } from "./hidden_callers.ts";

interface Source extends Partial<Routine> {
  readonly source?: string;
}

/** Routines by name; what is asked for is read, all of it at once. */
function search(
  sources: Readonly<Record<string, Source>>,
  named: readonly string[] = [],
): { found: HiddenCallers; read: string[] } {
  const routines = Object.entries(sources).map(([name, { source: _, ...routine }]): Routine => ({
    oid: name,
    name,
    reach: null,
    language: "plpgsql",
    single: false,
    uses: [],
    ...routine,
  }));
  const searching = new HiddenCallerSearch(routines, named);
  const read: string[] = [];
  for (let wanted = searching.wanted; wanted.length > 0; wanted = searching.wanted) {
    for (const routine of wanted) {
      read.push(routine.name);
      searching.read(routine, sources[routine.name]?.source ?? null);
    }
  }
  return { found: searching.found, read };
}

function reachOf(sources: Readonly<Record<string, Source>>): Reach | null {
  return search(sources).found.reach;
}

const SET_CONFIG: Source = { language: "opaque" };
const QUIET = "BEGIN NEW.at := now(); RETURN NEW; END";
const LOUD = "BEGIN IF NEW.a = 3 THEN SET ROLE b; END IF; RETURN NEW; END";

Deno.test("HiddenCallerSearch finds nothing, and reads nothing, where every routine is called by name", () => {
  const { found, read } = search({ f: { source: LOUD }, set_config: SET_CONFIG });
  equal(found.reach, null);
  deepEqual(read, []);
});

Deno.test("HiddenCallerSearch tells a trigger that sets something from one that does not", () => {
  equal(reachOf({ t: { reach: "writing", source: QUIET } }), null);
  equal(reachOf({ t: { reach: "writing", source: LOUD } }), "writing");
  equal(reachOf({ t: { reach: "any", source: LOUD } }), "any");
  equal(search({ t: { reach: "writing", source: LOUD } }).found.cause, "t");
});

Deno.test("HiddenCallerSearch follows names over several routines, circles and all of a name's routines", () => {
  const calls = (name: string) => `BEGIN PERFORM s.${name}(1); RETURN NEW; END`;
  const chain = (last: Source) => ({
    t: { reach: "writing" as const, source: calls("a") },
    a: { source: calls("b") },
    b: { source: `${calls("t")}; SELECT x.c FROM x` },
    c: { source: "BEGIN RETURN set_it('x'); END" },
    set_it: last,
    other: { source: LOUD },
  });
  equal(reachOf(chain({ source: "BEGIN PERFORM set_config('a.b', 'x', false); END" })), null);
  equal(
    reachOf({
      ...chain({ source: "BEGIN PERFORM set_config('a.b', 'x', false); END" }),
      set_config: SET_CONFIG,
    }),
    "writing",
  );
  equal(reachOf(chain({ language: "opaque" })), "writing");
  equal(reachOf(chain({ language: "harmless" })), null);
  equal(search(chain({ language: "harmless" })).read.includes("other"), false);
});

Deno.test("HiddenCallerSearch: what any statement reaches and writes reaches triggers, a reader does not", () => {
  const view = (source: string) => ({
    t: { reach: "writing" as const, source: LOUD },
    v: { reach: "any" as const, source },
  });
  equal(reachOf(view("BEGIN RETURN 1; END")), "writing");
  equal(reachOf(view("BEGIN INSERT INTO log VALUES (1); RETURN 1; END")), "any");
});

Deno.test("HiddenCallerSearch: a function that is called by name and writes reaches triggers, a reader does not", () => {
  const mayChange = (trigger: string, calls: string) =>
    search({
      t: { reach: "writing", source: trigger },
      f: { source: "BEGIN PERFORM g(); END" },
      g: { source: "BEGIN UPDATE log SET a = 1; END" },
      h: { source: "BEGIN PERFORM a FROM log FOR UPDATE; END" },
    }, ["f", "h"]).found.mayChange([calls]);
  equal(mayChange(LOUD, "f"), true);
  equal(mayChange(LOUD, "h"), false);
  equal(mayChange(QUIET, "f"), false);
});

Deno.test("HiddenCallers.stainedBy: who reaches what leaves what no look finds, whatever else was found first", () => {
  const linked = "BEGIN PERFORM dblink_connect('x', 'y'); RETURN NEW; END";
  const found = (reach: Reach, source: string) =>
    search({ first: { reach: "any", source: LOUD }, t: { reach, source } }).found;
  const stained = (hidden: HiddenCallers) =>
    ["INSERT INTO t VALUES (1)", "SELECT f()", "SELECT a FROM t", "SELECT 1"].map((sql) =>
      hidden.stainedBy(sqlTraits(sql))
    );
  deepEqual(stained(found("writing", linked)), [true, true, false, false]);
  deepEqual(stained(found("any", linked)), [true, true, true, false]);
  deepEqual(stained(found("writing", LOUD)), [false, false, false, false]);
});

Deno.test("HiddenCallerSearch follows what the catalogue says that an aggregate uses, and what cannot be read", () => {
  const uses = ["step"];
  equal(
    reachOf({ total: { reach: "any", language: "harmless", uses }, step: { language: "opaque" } }),
    "any",
  );
  equal(reachOf({ t: { reach: "writing" } }), "writing"); // gone, or too long
});

Deno.test("HiddenCallers.reachedBy: writing statements reach triggers, any reaches the rest, a point calls by name", () => {
  const statements = [
    "SELECT a FROM t FOR UPDATE",
    "INSERT INTO t VALUES (1)",
    "WITH q AS (DELETE FROM t RETURNING a) SELECT a FROM q",
    "SELECT t.shown FROM t",
    'SELECT "t"."shown" FROM t',
  ];
  const reached = (found: HiddenCallers) => statements.map((sql) => found.reachedBy(sqlTraits(sql).reach));
  const none = search({}).found;
  deepEqual(reached(none), [false, false, false, false, false]);
  const writing = search({ t: { reach: "writing", language: "opaque" } }).found;
  deepEqual(reached(writing), [false, true, true, false, false]);
  const any = search({ t: { reach: "any", language: "opaque" } }).found;
  deepEqual(reached(any), [true, true, true, true, true]);
  const member = search({ shown: { single: true }, a: { single: true, language: "harmless" } }).found;
  deepEqual(reached(member), [false, false, false, true, true]);
});

Deno.test("HiddenCallerSearch takes a long chain of routines without running out of stack", () => {
  const sources: Record<string, Source> = {};
  for (let i = 0; i < 20_000; i++) {
    sources[`f${i}`] = { language: "harmless", uses: [`f${i + 1}`], reach: i === 0 ? "any" : null };
  }
  equal(reachOf({ ...sources, f20000: { language: "opaque" } }), "any");
});

/** What becomes of statements that call each of these by name. */
function called(sources: Readonly<Record<string, Source>>, ...named: string[]) {
  const { found, read } = search(sources, named);
  return { changes: named.map((name) => found.mayChange([name])), found, read };
}

const CALL = (name: string) => `BEGIN PERFORM ${name}(1); END`;

Deno.test("HiddenCallerSearch finds what is called by name harmless through all that it calls in its turn", () => {
  const chain = (last: Source) => ({
    a: { source: CALL("b") },
    b: { source: CALL("c") },
    c: { source: `${CALL("last")}; SELECT lower(x)` },
    last,
    other: { source: LOUD },
  });
  const harmless = called(chain({ source: QUIET }), "a", "b", "other", "gone");
  deepEqual(harmless.changes, [false, false, true, true], "what is not there may be made at any time");
  deepEqual(called(chain({ language: "harmless" }), "a").changes, [false]);
  deepEqual(called(chain({ source: LOUD }), "a", "c").changes, [true, true]);
  deepEqual(called(chain({ language: "opaque" }), "a").changes, [true]);
  deepEqual(called(chain({}), "a").changes, [true], "its source is gone, or too long");
  deepEqual(harmless.read.includes("other"), true);
  deepEqual(called(chain({ source: QUIET }), "a").read, ["a", "b", "c", "last"], "no more than is called");
});

Deno.test("HiddenCallerSearch: what is only called by name is no reason to probe what does not call it", () => {
  const { found, read } = search({ loud: { source: LOUD }, quiet: { source: QUIET } }, ["loud"]);
  deepEqual([found.reach, found.cause, read], [null, null, ["loud"]]);
  deepEqual([found.mayChange([]), found.mayChange(["loud"]), found.mayChange(["quiet"])], [
    false,
    true,
    true,
  ]);
});

Deno.test("HiddenCallerSearch: routines that call each other are as harmless as all of them", () => {
  const circle = (source: string) => ({
    a: { source: CALL("b") },
    b: { source: CALL("c") },
    c: { source: `${CALL("a")}; ${source}` },
  });
  deepEqual(called(circle(""), "a", "b", "c").changes, [false, false, false]);
  deepEqual(called(circle("BEGIN SET ROLE x; END"), "a", "b", "c").changes, [true, true, true]);
  deepEqual(called({ a: { source: CALL("a") } }, "a").changes, [false]);
});

Deno.test("HiddenCallerSearch: all routines of a name count, and one statement may call several names", () => {
  const overloads: Record<string, Source> = {
    f1: { name: "f", source: QUIET },
    f2: { name: "f", source: LOUD },
    g: { source: QUIET },
    h: { language: "harmless" },
  };
  const { found, changes } = called(overloads, "f", "g", "h");
  deepEqual(changes, [true, false, false]);
  deepEqual([found.mayChange(["g", "h"]), found.mayChange(["g", "f"])], [false, true]);
});

Deno.test("HiddenCallerSearch: an aggregate does what its functions do, a default of a parameter what it calls", () => {
  const total = (step: Source) => ({ total: { language: "harmless" as const, uses: ["step"] }, step });
  deepEqual(called(total({ source: QUIET }), "total").changes, [false]);
  deepEqual(called(total({ source: LOUD }), "total").changes, [true]);
  deepEqual(called(total({ language: "opaque" }), "total").changes, [true]);
});

Deno.test("HiddenCallerSearch tells what routines do that no probe sees, also through what they call", () => {
  const { found } = search({
    draw: { source: "BEGIN PERFORM setseed(0.5); RETURN random(); END" },
    both: { source: `${CALL("draw")}; LOAD 'x';` },
    far: { source: CALL("both") },
    quiet: { source: QUIET },
    dblink_connect: { language: "opaque" },
    remote: { source: CALL("dblink_connect") },
  }, ["draw", "far", "quiet", "dblink_connect", "remote"]);
  const sticky = (...names: string[]) => [...found.stickyOf(names)].sort();
  deepEqual(sticky("draw"), ["setseed"]);
  deepEqual(sticky("far"), ["load", "setseed"]);
  deepEqual(sticky("quiet"), []);
  const { found: renamed } = search({ sprout: { language: "opaque", symbol: "setseed" } }, ["sprout"]);
  deepEqual(renamed.stickyOf(["sprout"]), ["setseed"]);
  deepEqual([sticky("dblink_connect"), sticky("remote")], [["dblink"], ["dblink"]]);
  deepEqual(sticky("quiet", "draw", "remote"), ["dblink", "setseed"]);
  deepEqual(sticky("not looked at"), []);
});

Deno.test("HiddenCallerSearch reads what is called by name also where any statement may change anything", () => {
  const { found, read } = search({
    view: { reach: "any", source: LOUD },
    on_write: { reach: "writing", source: LOUD },
    quiet: { source: QUIET },
  }, ["quiet"]);
  deepEqual([found.reach, found.mayChange(["quiet"]), read.includes("quiet")], ["any", false, true]);
});

Deno.test("HiddenCallerSearch takes a long chain of calls by name from its end to its beginning", () => {
  const sources: Record<string, Source> = {};
  for (let i = 0; i < 300; i++) sources[`f${i}`] = { source: CALL(`f${i + 1}`) };
  deepEqual(called({ ...sources, f300: { source: QUIET } }, "f0").changes, [false]);
  deepEqual(called({ ...sources, f300: { source: LOUD } }, "f0").changes, [true]);
});

Deno.test("HiddenCallerSearch tells behind what others may be planned by settings that held for a while", () => {
  const mixes = (sources: Readonly<Record<string, Source>>, ...texts: string[]) => {
    const { found } = search(sources, ["f", "quiet", "put"]);
    return [found.mixesAny, ...texts.map((text) => found.mixesPlans(sqlTraits(text)))];
  };
  const texts = [
    "SELECT 1",
    "SELECT a FROM t",
    "SELECT f()",
    "SELECT quiet()",
    "SELECT put()",
    "INSERT INTO t VALUES (1)",
  ];
  const quiet = { quiet: { source: QUIET }, put: { source: "BEGIN INSERT INTO t VALUES (1); END" } };
  deepEqual(mixes({ f: { source: QUIET }, ...quiet }, ...texts), [false, ...texts.map(() => false)]);
  const header: Source = { source: QUIET, setsInPlans: true };
  const called = [true, false, false, true, false, false, false];
  deepEqual(mixes({ f: header, ...quiet }, ...texts), called);
  deepEqual(mixes({ f: { source: CALL("g") }, g: header, ...quiet }, ...texts), called);
  const local: Source = { source: "BEGIN SET LOCAL DateStyle = ISO; RETURN NEW; END" };
  deepEqual(mixes({ t: { ...local, reach: "writing" }, f: { source: QUIET }, ...quiet }, ...texts), [
    ...[true, false, false, false, false, true, true],
  ]);
  deepEqual(mixes({ v: { ...local, reach: "any" }, f: { source: QUIET }, ...quiet }, ...texts), [
    ...[true, false, true, true, true, true, true],
  ]);
});

Deno.test("HiddenCallers.UNKNOWN: anything may be reached, and any name may change anything", () => {
  const { UNKNOWN } = HiddenCallers;
  deepEqual([UNKNOWN.knows(["f"]), UNKNOWN.knows([])], [false, true]);
  deepEqual([UNKNOWN.reach, UNKNOWN.mayChange(["f"]), UNKNOWN.mayChange([]), UNKNOWN.stickyOf(["f"])], [
    "any",
    true,
    false,
    [],
  ]);
});
