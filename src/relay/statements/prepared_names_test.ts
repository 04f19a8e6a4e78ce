import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { InFlight, type Statement, StatementStore } from "../../backend/mod.ts";
import { findOption } from "../../config/mod.ts";
import { PreparedNames } from "./prepared_names.ts";

/** Two names with one FNV-1a hash. */
const COLLISION = ["s204154029", "s399317784"] as const;

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

function find(names: PreparedNames, name: string): Statement | null {
  const bytes = bytesOf(`..${name}..`);
  return names.find(bytes, 2, 2 + name.length);
}

Deno.test("PreparedNames behaves as a Map does, and counts itself once among each statement's users", () => {
  const name = fc.constantFrom("a", "b", "ab", "\xff\x80", "n".repeat(63), "");
  const step = fc.oneof(
    fc.tuple(fc.constant("set" as const), name, fc.constantFrom("Q1", "Q2", "Q3")),
    fc.tuple(fc.constant("remove" as const), name, fc.constant("")),
    fc.tuple(fc.constant("forget" as const), name, fc.constant("")),
    fc.tuple(fc.constant("clear" as const), fc.constant(""), fc.constant("")),
  );
  fc.assert(fc.property(fc.array(step, { size: "large" }), (steps) => {
    const store = new StatementStore();
    const names = new PreparedNames(store);
    const model = new Map<string, Statement>();
    for (const [kind, name, definition] of steps) {
      switch (kind) {
        case "set": {
          if (model.has(name)) continue; // the caller's business
          const statement = store.use(definition);
          names.set(name, statement);
          model.set(name, statement);
          break;
        }
        case "remove": {
          const removed = names.remove(name);
          equal(removed, model.get(name) ?? null);
          if (removed !== null) store.release(removed);
          model.delete(name);
          break;
        }
        case "forget": {
          const inFlight = new InFlight<string>();
          inFlight.begin(name, 0);
          names.forget(inFlight);
          for (const other of [...model.keys()]) if (other !== name) model.delete(other);
          break;
        }
        case "clear":
          names.clear();
          model.clear();
          break;
      }
      equal(names.size, model.size);
      deepEqual([...names.names()].sort(), [...model.keys()].sort());
      for (const other of ["a", "b", "ab", "\xff\x80", "n".repeat(63), ""]) {
        equal(find(names, other), model.get(other) ?? null);
      }
      equal(store.size, new Set(model.values()).size);
    }
    names.clear();
    equal(store.size, 0);
  }));
});

Deno.test("PreparedNames tells names apart that have the same hash", () => {
  const store = new StatementStore();
  const names = new PreparedNames(store);
  const [first, second] = COLLISION;
  names.set(first, store.use("first"));
  names.set(second, store.use("second"));
  deepEqual([find(names, first)?.definition, find(names, second)?.definition], ["first", "second"]);
  names.remove(first);
  deepEqual([find(names, first), find(names, second)?.definition], [null, "second"]);
});

Deno.test("PreparedNames keeps a directive with its name, whatever other names the statement has", () => {
  const store = new StatementStore();
  const names = new PreparedNames(store);
  const changes = [{ spec: findOption("tag")!, value: "a", text: "a" }];
  const order = { changes, remake: null, show: null };
  names.set("a", store.use("Q"), { order, path: "one" });
  equal(names.pathOf("a"), "one");
  names.set("b", store.use("Q"));
  deepEqual([names.orderOf("a"), names.orderOf("b"), names.hasOrders], [order, null, true]);
  const statement = names.remove("a")!;
  deepEqual([names.orderOf("a"), names.hasOrders], [null, false]);
  names.set("a", statement);
  equal(names.orderOf("a"), null);
  names.clear();
});

Deno.test("PreparedNames counts the statements that are SHOW of an option, and in session pooling keeps a bounded number", () => {
  const store = new StatementStore();
  const names = new PreparedNames(store);
  const show = { changes: [], remake: null, show: { setting: "pgplex.tag", text: () => "" } };
  names.set("a", store.use("Q"), { order: show });
  names.set("b", store.use("Q"), { order: { changes: [], remake: () => "", show: null } });
  equal(names.hasShows, true);
  store.release(names.remove("a")!);
  equal(names.hasShows, false);
  names.setOrder("", show);
  equal(names.hasShows, true);
  names.setOrder("", null);
  for (let i = 0; i <= 1000; i++) names.setOrder(`s${i}`, show);
  deepEqual([names.orderOf("s0"), names.orderOf("s1"), names.orderOf("s1000")], [null, show, show]);
  for (let i = 0; i <= 1000; i++) names.setOrder(`s${i}`, null);
  equal(names.hasShows, false);
  names.clear();
});
