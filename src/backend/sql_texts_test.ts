import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { SqlTexts } from "./sql_texts.ts";

Deno.test("SqlTexts holds texts by name, and a map that was given out stays as it was", () => {
  const texts = new SqlTexts();
  const none = texts.map;
  texts.add("a", "PREPARE a AS SELECT 1");
  texts.add("b", "PREPARE b AS SELECT 2");
  deepEqual([none.size, texts.size, texts.has("a"), texts.get("b")], [0, 2, true, "PREPARE b AS SELECT 2"]);
  const two = texts.map;
  texts.delete("a");
  texts.delete("c");
  deepEqual([[...texts], two.size], [[["b", "PREPARE b AS SELECT 2"]], 2]);
  texts.replace(two);
  texts.keepIf((name, sql) => name === "a" && sql.endsWith("1"));
  deepEqual([...texts.map.keys()], ["a"]);
  texts.clear();
  equal(texts.size, 0);
});
