import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { cellBinary, cellText, WIRE_TYPES } from "./cells.ts";
import { numericBinary } from "./numeric.ts";

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

Deno.test("numericBinary writes what numeric_send writes", () => {
  // digit count, weight, sign, display scale, digits of base 10000
  const words = (text: string) =>
    numericBinary(text).match(/[^]{2}/g)!.map((two) => two.charCodeAt(0) << 8 | two.charCodeAt(1));
  deepEqual(words("0"), [0, 0, 0, 0]);
  deepEqual(words("1"), [1, 0, 0, 0, 1]);
  deepEqual(words("10000"), [1, 1, 0, 0, 1]);
  deepEqual(words("-12.50"), [2, 0, 0x4000, 2, 12, 5000]);
  deepEqual(words("0.0001"), [1, 0xffff, 0, 4, 1]);
  deepEqual(words("123456789"), [3, 2, 0, 0, 1, 2345, 6789]);
  deepEqual(words("1e21"), [0, 0, 0xc000, 0]);
});

Deno.test("numericBinary loses no digit of a whole number", () => {
  fc.assert(fc.property(fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), (value) => {
    const text = numericBinary(String(value));
    const [count, weight, sign, , ...digits] = text.match(/[^]{2}/g)!.map((two) =>
      two.charCodeAt(0) << 8 | two.charCodeAt(1)
    );
    let read = 0n;
    for (const digit of digits) read = read * 10_000n + BigInt(digit);
    read *= 10_000n ** BigInt(digits.length === 0 ? 0 : weight! + 1 - count!);
    equal(sign === 0x4000 ? -read : read, value);
  }));
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
