import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { sqlTraits } from "../protocol/mod.ts";
import { type HiddenCallers, HiddenCallerSearch, type Reach, type Routine } from "./hidden_callers.ts";

interface Source extends Partial<Routine> {
  readonly source?: string;
}

/** Routines by name; what is asked for is read, all of it at once. */
function search(sources: Readonly<Record<string, Source>>): { found: HiddenCallers; read: string[] } {
  const routines = Object.entries(sources).map(([name, { source: _, ...routine }]): Routine => ({
    oid: name,
    name,
    reach: null,
    language: "plpgsql",
    single: false,
    uses: [],
    ...routine,
  }));
  const searching = new HiddenCallerSearch(routines);
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
