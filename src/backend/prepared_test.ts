import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import * as frontend from "../../tests/harness/frontend.ts";
import { PreparedSet, type Statement, StatementStore } from "./prepared.ts";

const SELECT = "SELECT $1\0\0\x01\0\0\0\x17"; // text, NUL, one parameter type: int4

/** What a server holds of these statements, the longest unused first. */
function held(set: PreparedSet): string[] {
  const names: string[] = [];
  for (;;) {
    const statement = set.evict(0);
    if (statement === null) return names;
    names.push(statement.definition);
  }
}

Deno.test("Statement writes the Parse and the Close that a server gets under pgplex's own name", () => {
  const statement = new StatementStore().use(SELECT);
  equal(statement.name, "pgplex_1");
  deepEqual(statement.nameBytes, frontend.text("pgplex_1"));
  deepEqual(statement.encodeParse(), frontend.parse("SELECT $1", { name: "pgplex_1", types: [23] }));
  deepEqual(statement.encodeClose(), frontend.close("S", "pgplex_1"));
});

Deno.test("StatementStore has one statement for a text with its parameter types, and another for other types", () => {
  const store = new StatementStore();
  const first = store.use(SELECT);
  equal(store.use(SELECT), first);
  const other = store.use("SELECT $1\0\0\0");
  deepEqual([other === first, other.name, store.size], [false, "pgplex_2", 2]);
});

Deno.test("StatementStore tells statements with literals apart by the settings that read them", () => {
  const store = new StatementStore();
  equal(store.use(SELECT, "any"), store.use(SELECT, "other"));
  for (const text of ["SELECT 'a'", "SELECT $$a$$", "SELECT \xe9", 'SELECT U&"\\0061"']) {
    equal(store.use(text, "any") === store.use(text, "other"), false, text);
    equal(store.use(text, "any"), store.use(text, "any"), text);
  }
});

Deno.test("StatementStore forgets a statement with its last user, and never uses a name twice", () => {
  const store = new StatementStore();
  const first = store.use("a");
  store.share(first);
  store.release(first);
  equal(store.size, 1);
  store.release(first);
  equal(store.size, 0);
  equal(store.use("a").name, "pgplex_2");
});

Deno.test("StatementStore takes a statement back that has users again, unless there is a newer one", () => {
  const store = new StatementStore();
  const old = store.use("a");
  store.release(old);
  // Its Close was skipped by the server: it is in use again.
  store.share(old);
  equal(store.use("a"), old);
  store.release(old);
  store.release(old);
  const newer = store.use("a");
  store.share(old);
  store.release(old);
  equal(store.use("a"), newer);
  equal(store.size, 1);
});

Deno.test("PreparedSet counts itself once among a statement's users", () => {
  const store = new StatementStore();
  const set = new PreparedSet(store);
  const statement = store.use("a");
  set.add(statement);
  set.add(statement);
  equal(statement.users, 2);
  set.delete(statement);
  set.delete(statement);
  equal(statement.users, 1);
});

Deno.test("PreparedSet.touch says whether the server has it, and makes it the latest", () => {
  const store = new StatementStore();
  const set = new PreparedSet(store);
  const [a, b, c] = ["a", "b", "c"].map((definition) => store.use(definition)) as [
    Statement,
    Statement,
    Statement,
  ];
  equal(set.touch(a), false);
  for (const statement of [a, b, c]) set.add(statement);
  equal(set.touch(a), true);
  equal(set.touch(a), true);
  deepEqual(held(set), ["b", "c"]); // the latest stays
});

Deno.test("PreparedSet.evict leaves out what is at the limit, the latest, and what an earlier batch decides", () => {
  const store = new StatementStore();
  const set = new PreparedSet(store);
  const [a, b, c] = ["a", "b", "c"].map((definition) => store.use(definition)) as [
    Statement,
    Statement,
    Statement,
  ];
  for (const statement of [a, b, c]) set.add(statement);
  equal(set.evict(3), null);
  set.inFlight.begin(a, 0);
  equal(set.evict(2, 1), b);
  equal(set.evict(1, 1), null);
  set.inFlight.settle(a);
  equal(set.evict(1, 1), a);
  equal(set.evict(0, 1), null);
});

Deno.test("PreparedSet.forget keeps only what is in flight", () => {
  const store = new StatementStore();
  const set = new PreparedSet(store);
  const [a, b] = [store.use("a"), store.use("b")];
  set.add(a);
  set.add(b);
  set.inFlight.begin(b, 0);
  set.forget();
  deepEqual([set.touch(a), set.touch(b), a.users], [false, true, 1]);
});

Deno.test("PreparedSet behaves as a list by last use, and its users balance", () => {
  const step = fc.tuple(fc.constantFrom("add", "touch", "delete", "evict", "clear"), fc.nat(4));
  fc.assert(fc.property(fc.array(step, { size: "large" }), (steps) => {
    const store = new StatementStore();
    const set = new PreparedSet(store);
    const all = ["a", "b", "c", "d", "e"].map((definition) => store.use(definition));
    let model: Statement[] = [];
    for (const [kind, index] of steps) {
      const statement = all[index]!;
      const has = model.includes(statement);
      switch (kind) {
        case "add":
          set.add(statement);
          model = [...model.filter((other) => other !== statement), statement];
          break;
        case "touch":
          equal(set.touch(statement), has);
          if (has) model = [...model.filter((other) => other !== statement), statement];
          break;
        case "delete":
          set.delete(statement);
          model = model.filter((other) => other !== statement);
          break;
        case "evict": {
          const evicted = set.evict(index);
          if (model.length <= index) equal(evicted, null);
          if (evicted === null) break;
          equal(evicted, model[0]);
          model = model.slice(1);
          break;
        }
        case "clear":
          if (index > 0) break; // now and then
          set.clear();
          model = [];
          break;
      }
      equal(set.size, model.length);
      for (const other of all) equal(other.users, model.includes(other) ? 2 : 1);
    }
  }));
});
