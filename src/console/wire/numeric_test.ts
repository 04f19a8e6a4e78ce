import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { numericBinary } from "./numeric.ts";

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
