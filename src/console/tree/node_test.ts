import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { branch, merged, observed } from "./node.ts";

Deno.test("merged shows both views of an object, the first where both have a name", () => {
  const one = branch(new Map([["a", observed(1)], ["b", observed(2)]]));
  const two = branch(new Map([["b", observed(3)], ["c", observed(4)]]));
  const both = merged(one, undefined, two)!;
  deepEqual([...both.names()].map((name) => both.child(name)!.leaf!.value), [1, 2, 4]);
  equal(merged(undefined), undefined);
});
