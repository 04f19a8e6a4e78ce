import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { type SqlStatement, SqlTexts } from "./sql_texts.ts";

Deno.test("SqlTexts holds statements by name, and a map that was given out stays as it was", () => {
  const texts = new SqlTexts();
  const none = texts.map;
  const [a, b] = ["PREPARE a AS SELECT 1", "PREPARE b AS SELECT 2"].map((sql) => ({
    sql,
    literals: "",
    path: null,
  })) as [SqlStatement, SqlStatement];
  texts.add("a", a);
  texts.add("b", b);
  deepEqual([none.size, texts.size, texts.has("a"), texts.get("b")], [0, 2, true, b]);
  const two = texts.map;
  texts.delete("a");
  texts.delete("c");
  deepEqual([[...texts], two.size], [[["b", b]], 2]);
  texts.replace(two);
  texts.keepIf((name, { sql }) => name === "a" && sql.endsWith("1"));
  deepEqual([...texts.map.keys()], ["a"]);
  texts.clear();
  equal(texts.size, 0);
});
