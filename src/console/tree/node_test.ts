import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { columns } from "../answer/mod.ts";
import { branch, merged, nothingAt, observed } from "./node.ts";

Deno.test("merged shows both views of an object, the first where both have a name", () => {
  const one = branch(new Map([["a", observed(1)], ["b", observed(2)]]));
  const two = branch(new Map([["b", observed(3)], ["c", observed(4)]]));
  const both = merged(one, undefined, two)!;
  deepEqual([...both.names()].map((name) => both.child(name)!.leaf!.value), [1, 2, 4]);
  equal(merged(undefined), undefined);
});

Deno.test("merged takes the table and the place in the configuration from whichever view has one", () => {
  const table = { columns: columns("n int4"), rows: [] };
  const both = merged(
    { ...branch(new Map([["a", observed(1)]])), segments: ["pool"] },
    branch(new Map([["b", observed(2)]]), () => table),
  )!;
  deepEqual([both.table!(), both.segments, both.leaf], [table, ["pool"], undefined]);
  deepEqual(merged(branch(new Map()), observed(3))!.leaf!.value, 3);
  deepEqual(Object.keys(merged(branch(new Map()), branch(new Map()))!).sort(), ["child", "names"]);
});

Deno.test("nothingAt lists what is beside the place, the nearest first, and a bounded number of it", () => {
  const error = nothingAt("pool.tw", { parent: "pool", asked: "tw", names: ["one", "two", "a b"] });
  deepEqual([error.code, error.message], ["undefined_object", '"pool.tw" does not exist']);
  deepEqual([error.extra.detail, error.extra.hint], ['pool has: two, one, "a b".', 'Did you mean "two"?']);
  const names = Array.from({ length: 60 }, (_, n) => `name_${n}`);
  const { detail, hint } = nothingAt("x", { parent: "The console", asked: "x", names }).extra;
  equal(detail!.endsWith(", and 10 more."), true);
  equal(hint, undefined);
  equal(nothingAt("x", { parent: "p", asked: "x", names: [] }).extra.detail, "p has nothing below it.");
});

Deno.test("nothingAt may mean a name that it does not list, or one that was begun for certain", () => {
  const hint = (over: { meant?: string[]; begun?: string }) =>
    nothingAt("versoin", { parent: "The console", asked: "versoin", names: ["pools"], ...over }).extra.hint;
  equal(hint({}), undefined);
  equal(hint({ meant: ["version"] }), 'Did you mean "version"?');
  equal(hint({ begun: "ver.sion" }), 'Did you mean "ver.sion"?');
});
