import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { PreparedSet } from "./prepared_set.ts";
import { type Statement, StatementStore } from "./statement.ts";

/** What a server holds of these statements, the longest unused first. */
function held(set: PreparedSet): string[] {
  const names: string[] = [];
  for (;;) {
    const statement = set.evict(0);
    if (statement === null) return names;
    names.push(statement.definition);
  }
}

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
