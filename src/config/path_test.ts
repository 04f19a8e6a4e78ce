import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { formatPath, valueAt, withValue } from "./path.ts";

Deno.test("formatPath writes names, places and odd names", () => {
  equal(formatPath([]), "");
  equal(formatPath(["clusters", "main", "nodes", 0, "host"]), "clusters.main.nodes[0].host");
  equal(formatPath(["routing", "databases", "a.b", "cluster"]), 'routing.databases."a.b".cluster');
});

Deno.test("withValue copies only what lies on the way", () => {
  const root = { users: new Map([["a", { list: [1, 2] }]]), beside: {} };
  const copy = withValue(root, ["users", "a", "list", 1], 3);
  deepEqual(copy.users.get("a"), { list: [1, 3] });
  deepEqual(root.users.get("a"), { list: [1, 2] });
  equal(copy.beside, root.beside);
});

Deno.test("valueAt finds own keys only", () => {
  const root = { users: new Map([["a", { list: [1, 2] }]]) };
  equal(valueAt(root, ["users", "a", "list", 1]), 2);
  equal(valueAt(root, ["users", "constructor"]), undefined);
  equal(valueAt(root, ["constructor"]), undefined);
  equal(valueAt(root, ["users", "b", "list"]), undefined);
});
