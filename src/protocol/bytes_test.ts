import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import {
  binaryFromUtf8,
  binaryString,
  findNul,
  holdsByte,
  holdsOdd,
  int32At,
  putBinary,
  putInt32,
  uint16At,
  uint32At,
  utf8FromBinary,
} from "./bytes.ts";

Deno.test("int32At is signed and big-endian, uint32At is the same without a sign", () => {
  const bytes = Uint8Array.of(9, 0xff, 0xff, 0xff, 0xfe, 0x01, 0x02);
  equal(int32At(bytes, 1), -2);
  equal(uint32At(bytes, 1), 0xfffffffe);
  equal(int32At(bytes, 3), 0xfffe0102 | 0);
  equal(uint16At(bytes, 5), 0x0102);
});

Deno.test("putInt32 writes what int32At and uint32At read", () => {
  fc.assert(fc.property(fc.integer(), fc.nat(4), (value, at) => {
    const bytes = new Uint8Array(8);
    putInt32(bytes, at, value);
    equal(int32At(bytes, at), value);
    equal(uint32At(bytes, at), value >>> 0);
  }));
});

Deno.test("findNul finds the first zero from its start, and none at or behind its end", () => {
  const bytes = Uint8Array.of(0, 1, 0, 2, 0);
  equal(findNul(bytes, 0, 5), 0);
  equal(findNul(bytes, 1, 5), 2);
  equal(findNul(bytes, 3, 4), -1);
  equal(findNul(bytes, 5, 5), -1);
});

Deno.test("binaryString and putBinary keep every byte, also of texts longer than one piece", () => {
  const edges = fc.constantFrom(0, 1, 8191, 8192, 8193, 20_000);
  fc.assert(fc.property(edges, fc.integer(), (length, seed) => {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff);
    const text = binaryString(bytes, 0, length);
    equal(text.length, length);
    const back = new Uint8Array(length + 2);
    equal(putBinary(back, 1, text), length + 1);
    deepEqual(back.subarray(1, length + 1), bytes);
    deepEqual([back[0], back[length + 1]], [0, 0]);
  }));
});

Deno.test("binaryFromUtf8 and utf8FromBinary are each other's inverse for every text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const binary = binaryFromUtf8(text);
    equal([...binary].every((character) => character.charCodeAt(0) < 256), true);
    // The decoder takes a byte order mark at the beginning for what it is.
    if (!text.startsWith("\ufeff")) equal(utf8FromBinary(binary), text);
  }));
  equal(binaryFromUtf8("é"), "\xc3\xa9");
});

Deno.test("utf8FromBinary shows bytes that are no UTF-8 as replacement characters", () => {
  equal(utf8FromBinary("caf\xe9"), "caf\ufffd");
});

Deno.test("holdsByte looks between two places alone", () => {
  const bytes = new Uint8Array([1, 2, 3]);
  deepEqual([0, 1, 2].map((start) => holdsByte(bytes, start, 2, 2)), [true, true, false]);
  deepEqual([holdsByte(bytes, 0, 2, 3), holdsByte(bytes, 0, 3, 9)], [false, false]);
});

Deno.test("holdsOdd finds backslashes and what is not ASCII, between two places alone", () => {
  const bytes = new Uint8Array([0x5c, 0x61, 0x7f, 0x80]);
  deepEqual([0, 1, 3].map((start) => holdsOdd(bytes, start, 4)), [true, true, true]);
  deepEqual([holdsOdd(bytes, 0, 1), holdsOdd(bytes, 1, 3), holdsOdd(bytes, 1, 1)], [true, false, false]);
});
