import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { columns } from "../answer/mod.ts";
import { branch, leafNode, observed } from "./node.ts";
import { leavesOf, showPlace } from "./show.ts";

const tree = branch(
  new Map([
    ["a", observed(1, "one")],
    ["b", branch(new Map([["c d", observed(null)], ["e", branch(new Map())]]))],
  ]),
);

Deno.test("showPlace lists the leaves at and below a place, with paths that can be asked for", () => {
  deepEqual(showPlace({ node: tree, path: ["x"] }).rows, [
    ["x.a", "1", "state", "no", null, null, "one"],
    ['x.b."c d"', null, "state", "no", null, null, ""],
  ]);
});

Deno.test("showPlace shows of a leaf where it comes from, its default and what waits for a restart", () => {
  const leaf = leafNode({
    value: true,
    source: "file",
    changeable: "restart",
    default: "false",
    pending: "false",
    description: "d",
  });
  const { columns, rows } = showPlace({ node: leaf, path: ["p"] });
  deepEqual(rows, [["p", "true", "file", "restart", "false", "false", "d"]]);
  deepEqual(columns.map(({ name }) => name), [
    "name",
    "value",
    "source",
    "changeable",
    "pending",
    "default",
    "description",
  ]);
});

Deno.test("showPlace answers a place's own table where it has one", () => {
  const table = { columns: columns("n int4"), rows: [[1]] };
  equal(showPlace({ node: branch(new Map([["a", observed(1)]]), () => table), path: [] }), table);
});

Deno.test("showPlace cuts a branch with too many leaves, and says so", () => {
  const many = branch(new Map(Array.from({ length: 5001 }, (_, n) => [String(n), observed(n)])));
  const { rows } = showPlace({ node: many, path: [] });
  equal(rows.length, 5001);
  deepEqual(rows.at(-1), ["…", null, null, null, null, null, "more than 5000: ask for a place further down"]);
});

Deno.test("leavesOf gives each leaf its path", () => {
  deepEqual([...leavesOf(tree, [])].map(([name, { value }]) => [name, value]), [["a", 1], ['b."c d"', null]]);
});
