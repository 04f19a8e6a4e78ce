import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { sqlReach, writesAt } from "./sql_reach.ts";
import { nameNumber, sqlWords } from "./sql_tokens.ts";

const reach = (text: string) => sqlReach(sqlWords(text), /\$\d/.test(text));

Deno.test("sqlReach: what begins as a read and holds no word that writes does not write", () => {
  for (
    const text of [
      "",
      ";",
      "SELECT 1",
      "(SELECT 1)",
      "WITH a AS (SELECT 1) TABLE a",
      "BEGIN; SHOW x; COMMIT",
      "SELECT 1 FROM t FOR UPDATE",
      "SELECT 1 FROM t FOR NO KEY UPDATE",
      "EXPLAIN SELECT 1",
      "SELECT 'insert', \"delete\"",
    ]
  ) {
    const { nothing: _, ...rest } = reach(text);
    deepEqual(rest, { writes: false, defines: false, members: [] }, text);
  }
});

Deno.test("sqlReach: what shows literals or settings alone reaches nothing", () => {
  for (
    const text of [
      "",
      "SELECT 1",
      "/* ping */ select 'x', 2;",
      "SHOW work_mem",
      "show my.v;",
      "SHOW TIME ZONE",
    ]
  ) equal(reach(text).nothing, true, text);
  for (
    const text of [
      "SELECT $1",
      "SELECT -1",
      "SELECT 1 + 1",
      "SELECT '1'::int",
      "SELECT now()",
      "SELECT now",
      "SELECT x 'a'",
      "SELECT 1 FROM t",
      "SELECT 1 WHERE f()",
      "SELECT 1; SELECT f()",
      "SHOW x; SELECT f()",
      "TABLE t",
    ]
  ) equal(reach(text).nothing, false, text);
});

Deno.test("sqlReach: a word that writes does so wherever it stands, and so does a statement of unknown kind", () => {
  for (
    const text of [
      "SELECT 1 AS a INTO t",
      "INSERT INTO t VALUES (1)",
      "WITH a AS (DELETE FROM t RETURNING 1) SELECT 1",
      "EXPLAIN ANALYZE UPDATE t SET a = 1",
      "SELECT 1; COPY t FROM STDIN",
      "UPDATE t SET a = 1",
      "VACUUM",
      "SELECT 1; VACUUM",
      "SELECT a update",
    ]
  ) equal(reach(text).writes, true, text);
});

Deno.test("sqlReach: only the first word of a statement makes routines", () => {
  for (const text of ["CREATE FUNCTION f()", "SELECT 1; DROP TABLE t", "DO ''", "EXECUTE s"]) {
    equal(reach(text).defines, true, text);
  }
  for (const text of ["SELECT create", "INSERT INTO alter VALUES (1)", "CALL p()"]) {
    equal(reach(text).defines, false, text);
  }
  equal(reach("COMMIT PREPARED 'p'").defines, true, "what was prepared may have made any");
  equal(reach("CALL p()").writes, true, "what it makes is for the catalogue to say");
});

Deno.test("sqlReach keeps names behind points once, but for calls and what is no name", () => {
  deepEqual(reach('SELECT x.f, x."G h", y.f, s.call(1), x.*, x.1').members, [
    nameNumber("f"),
    nameNumber("G h"),
  ]);
});

Deno.test("sqlReach keeps no more names than it says, and then none", () => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `x.a${i}`).join(", ");
  equal(reach(`SELECT ${names(200)}`).members?.length, 200);
  equal(reach(`SELECT ${names(201)}`).members, null);
  equal(reach(`SELECT ${names(100_000)}`).members, null);
});

Deno.test("writesAt looks at the word before UPDATE", () => {
  const words = ["for", "update", "update", "key", "update", "select"];
  deepEqual(words.map((_, index) => writesAt(words, index)), [false, false, true, false, false, false]);
  equal(writesAt(["update"], 0), true);
});
