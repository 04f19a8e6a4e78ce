import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Placeholders } from "./placeholders.ts";

/** Of each name: whether it is a placeholder, and whether a look would tell. */
function known(placeholders: Placeholders, ...names: string[]): [boolean, boolean][] {
  return names.map((name) => [placeholders.has(name), placeholders.wants(name)]);
}

Deno.test("Placeholders knows what looks have found", () => {
  const placeholders = new Placeholders();
  deepEqual(known(placeholders, "app.a"), [[false, true]]);
  placeholders.wasSet("app.a");
  placeholders.found(["app.a", "Ext.Limit", "work_mem"], ["app.a"]);
  deepEqual(known(placeholders, "app.a"), [[false, false]], "no server has taken it from a SET");
  placeholders.wasSet("app.a");
  deepEqual(known(placeholders, "app.a", "ext.limit", "app.b"), [[true, false], [false, false], [
    false,
    true,
  ]]);
});

Deno.test("Placeholders knows a setting no more for one that a library has defined somewhere", () => {
  const placeholders = new Placeholders();
  placeholders.found(["ext.limit"], ["ext.limit"]);
  placeholders.found(["ext.limit"], []);
  placeholders.found(["ext.limit"], ["ext.limit"]);
  deepEqual(known(placeholders, "ext.limit"), [[false, false]]);
});

Deno.test("Placeholders keeps so many names, and asks for no more then", () => {
  const placeholders = new Placeholders();
  const names = Array.from({ length: 501 }, (_, i) => `app.a${i}`);
  placeholders.found(names, names);
  for (const name of names) placeholders.wasSet(name);
  deepEqual(known(placeholders, "app.a499", "app.a500"), [[true, false], [false, false]]);
  placeholders.found(["app.a499"], []);
  deepEqual(known(placeholders, "app.a499"), [[false, false]]);
});
