import { strictEqual as equal } from "node:assert/strict";
import { isTable } from "./answer.ts";
import { columns } from "./table.ts";

Deno.test("isTable is true for an answer with columns, also without rows", () => {
  equal(isTable({ columns: columns("n int4"), rows: [], notices: [] }), true);
  equal(isTable({}), false);
  equal(isTable({ tag: "SET", notices: [{ severity: "NOTICE", message: "m" }] }), false);
});
