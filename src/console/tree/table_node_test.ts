import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { columns } from "../answer/mod.ts";
import { branch } from "./node.ts";
import { walk } from "./path.ts";
import { showPlace } from "./show.ts";
import { tableNode } from "./table_node.ts";

Deno.test("tableNode answers its table, a row by its keys, and a cell", async () => {
  const table = {
    columns: columns("database text, user text, n int4"),
    rows: [["a", "x", 1], ["a", "y", 2], ["b", "x", 3]],
  };
  const root = branch(new Map([["pools", tableNode(table, ["database", "user"])]]));
  const at = async (...path: string[]) =>
    showPlace(await walk(root, path.map((text) => ({ text, quoted: false })))).rows;
  deepEqual(await at("pools"), table.rows);
  deepEqual(await at("pools", "a"), [["a", "x", 1], ["a", "y", 2]]);
  deepEqual((await at("pools", "a", "y", "n"))[0]!.slice(0, 3), ["pools.a.y.n", "2", "state"]);
  equal((await at("pools", "b", "x")).length, 3);
  const pairs = { columns: columns("key text, value text"), rows: [["paused", "no"]] };
  const found = await walk(branch(new Map([["state", tableNode(pairs, ["key"])]])), [
    { text: "state", quoted: false },
    { text: "paused", quoted: false },
  ]);
  deepEqual(showPlace(found).rows.map((row) => row.slice(0, 2)), [["state.paused", "no"]]);
});
