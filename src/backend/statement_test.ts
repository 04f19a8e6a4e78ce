import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { StatementStore } from "./statement.ts";

const SELECT = "SELECT $1\0\0\x01\0\0\0\x17"; // text, NUL, one parameter type: int4

const ANY = { literals: "any", constants: "" };
const OTHER = { literals: "other", constants: "" };

Deno.test("Statement writes the Parse and the Close that a server gets under pgplex's own name", () => {
  const statement = new StatementStore().use(SELECT);
  equal(statement.name, "pgplex:1");
  deepEqual(statement.nameBytes, frontend.text("pgplex:1"));
  deepEqual(statement.encodeParse(), frontend.parse("SELECT $1", { name: "pgplex:1", types: [23] }));
  deepEqual(statement.encodeClose(), frontend.close("S", "pgplex:1"));
});

Deno.test("StatementStore has one statement for a text with its parameter types, and another for other types", () => {
  const store = new StatementStore();
  const first = store.use(SELECT);
  equal(store.use(SELECT), first);
  const other = store.use("SELECT $1\0\0\0");
  deepEqual([other === first, other.name, store.size], [false, "pgplex:2", 2]);
});

Deno.test("StatementStore tells statements with literals apart by the settings that read them", () => {
  const store = new StatementStore();
  equal(store.use(SELECT, ANY), store.use(SELECT, OTHER));
  for (const text of ["SELECT 'a'", "SELECT $$a$$", "SELECT \xe9", 'SELECT U&"\\0061"']) {
    equal(store.use(text, ANY) === store.use(text, OTHER), false, text);
    equal(store.use(text, ANY), store.use(text, ANY), text);
  }
});

Deno.test("StatementStore tells all statements apart by what makes constants of them, and shares none that is read nobody knows how", () => {
  const store = new StatementStore();
  const escaped = store.use(SELECT, { ...ANY, constants: "escape" });
  equal(escaped === store.use(SELECT, ANY), false);
  equal(escaped, store.use(SELECT, { ...OTHER, constants: "escape" }));
  const own = store.use(SELECT, null);
  equal(own === store.use(SELECT, null), false);
  const typed = store.useTyped(escaped, "\0\0");
  equal(typed, store.useTyped(escaped, "\0\0"));
  equal(typed === store.useTyped(store.use(SELECT, ANY), "\0\0"), false);
});

Deno.test("StatementStore.useRead has the same text and what is known of it", () => {
  const store = new StatementStore();
  const first = store.use("SELECT 'a'", ANY);
  first.hash = 7;
  const second = store.useRead(first, OTHER);
  deepEqual([second.definition, second.hash, second.reading, second === first], [
    "SELECT 'a'",
    7,
    OTHER,
    false,
  ]);
});

Deno.test("StatementStore forgets a statement with its last user, and never uses a name twice", () => {
  const store = new StatementStore();
  const first = store.use("a");
  store.share(first);
  store.release(first);
  equal(store.size, 1);
  store.release(first);
  equal(store.size, 0);
  equal(store.use("a").name, "pgplex:2");
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
