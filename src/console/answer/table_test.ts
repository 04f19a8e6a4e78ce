import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { columns } from "./table.ts";

Deno.test("columns reads a list of names and types, whatever the white space", () => {
  deepEqual(columns("name text,port   int4 , free bool"), [
    { name: "name", type: "text" },
    { name: "port", type: "int4" },
    { name: "free", type: "bool" },
  ]);
});
