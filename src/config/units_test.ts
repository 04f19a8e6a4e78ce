import { strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { formatWithUnit, parseWithUnit, type Units } from "./units.ts";

const UNITS: Units = [["k", 1000], ["d", 12], ["u", 1]];

Deno.test("parseWithUnit takes a fraction where a whole number of base units comes out of it", () => {
  const cases: Record<string, number | undefined> = {
    "3d": 36,
    "1.5d": 18,
    "0.001k": 1,
    "0.0001k": undefined,
    "1.1d": undefined,
    "0": 0,
    "0u": 0,
    "00": undefined,
    "1": undefined,
    "1x": undefined,
    "1D": undefined,
    ".5d": undefined,
    " 1d": undefined,
  };
  for (const [text, value] of Object.entries(cases)) equal(parseWithUnit(text, UNITS), value, text);
});

Deno.test("parseWithUnit refuses what a number cannot hold exactly, and what is written too long", () => {
  equal(parseWithUnit(`${Number.MAX_SAFE_INTEGER}u`, UNITS), undefined, "sixteen digits");
  equal(parseWithUnit("999999999999999u", UNITS), 999_999_999_999_999);
  equal(parseWithUnit("999999999999999k", UNITS), undefined);
  equal(parseWithUnit("1.0000000k", UNITS), undefined, "seven digits behind the point");
});

Deno.test("formatWithUnit takes the largest unit without a fraction, and parseWithUnit reads it back", () => {
  equal(formatWithUnit(0, UNITS, "d"), "0d");
  equal(formatWithUnit(36, UNITS, "u"), "3d");
  equal(formatWithUnit(3000, UNITS, "u"), "3k");
  equal(formatWithUnit(1001, UNITS, "u"), "1001u");
  fc.assert(
    fc.property(fc.nat(), (value) => equal(parseWithUnit(formatWithUnit(value, UNITS, "u"), UNITS), value)),
  );
});

Deno.test("formatWithUnit is not for negative numbers or fractions", () => {
  for (const value of [-1, 0.5, NaN, Infinity]) {
    throws(() => formatWithUnit(value, UNITS, "u"), /whole number/);
  }
});
