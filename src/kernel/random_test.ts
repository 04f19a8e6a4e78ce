import {
  deepStrictEqual as deepEqual,
  notDeepStrictEqual as notDeepEqual,
  ok,
  strictEqual as equal,
} from "node:assert/strict";
import fc from "fast-check";
import { fraction, SeededRandom } from "./random.ts";

Deno.test("SeededRandom repeats itself for the same seed, and differs for another", () => {
  const numbers = (seed: number) => {
    const random = new SeededRandom(seed);
    return Array.from({ length: 20 }, () => random.u32());
  };
  fc.assert(fc.property(fc.integer(), (seed) => {
    deepEqual(numbers(seed), numbers(seed));
    notDeepEqual(numbers(seed), numbers(seed + 1));
  }));
});

Deno.test("SeededRandom.u32 is an integer of 32 bits, and each bit is set about half of the time", () => {
  const random = new SeededRandom(1);
  const ones = new Array<number>(32).fill(0);
  for (let i = 0; i < 4096; i++) {
    const value = random.u32();
    ok(Number.isInteger(value) && value >= 0 && value < 2 ** 32);
    for (let bit = 0; bit < 32; bit++) ones[bit]! += (value >>> bit) & 1;
  }
  for (const count of ones) ok(count > 1800 && count < 2300, `${ones}`);
});

Deno.test("SeededRandom.fill fills the very array it was given", () => {
  const bytes = new Uint8Array(64);
  equal(new SeededRandom(7).fill(bytes), bytes);
  ok(new Set(bytes).size > 32);
});

Deno.test("fraction is at least 0 and below 1, at both ends of the generator's range", () => {
  const of = (value: number) => fraction({ u32: () => value, fill: (bytes) => bytes });
  equal(of(0), 0);
  ok(of(2 ** 32 - 1) < 1);
  equal(of(2 ** 31), 0.5);
});
