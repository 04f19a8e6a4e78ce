import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { cellBinary, cellText, WIRE_TYPES } from "./cells.ts";

const bytes = (text: string | null) => text === null ? null : [...text].map((unit) => unit.charCodeAt(0));

Deno.test("cellText writes each type as PostgreSQL does", () => {
  equal(cellText("text", "é"), "Ã©"); // two bytes, a unit each
  equal(cellText("int4", 5), "5");
  equal(cellText("int4", 2 ** 40), "2147483647");
  equal(cellText("int8", 2n ** 62n), "4611686018427387904");
  equal(cellText("int8", 1.9), "1");
  equal(cellText("numeric", 12.5), "12.5");
  equal(cellText("bool", true), "t");
  equal(cellText("bool", false), "f");
  equal(cellText("text", null), null);
});

Deno.test("cellBinary writes each type as its send function does", () => {
  deepEqual(bytes(cellBinary("int4", -2)), [255, 255, 255, 254]);
  deepEqual(bytes(cellBinary("int8", 258)), [0, 0, 0, 0, 0, 0, 1, 2]);
  deepEqual(bytes(cellBinary("bool", true)), [1]);
  deepEqual(bytes(cellBinary("text", "é")), [0xc3, 0xa9]);
  equal(cellBinary("numeric", null), null);
});

Deno.test("WIRE_TYPES are pg_type's", () => {
  deepEqual(Object.values(WIRE_TYPES).map(({ oid, length }) => [oid, length]), [[16, 1], [20, 8], [23, 4], [
    25,
    -1,
  ], [
    1700,
    -1,
  ]]);
});
