import type { BinaryString } from "../../protocol/mod.ts";

/** Decimal digits in one digit of the binary format (NBASE 10000 in PostgreSQL's utils/adt/numeric.c). */
const DIGITS = 4;
const NEGATIVE = 0x4000;
const NAN = 0xc000;

/**
 * A decimal text (`-12.50`) as numeric_send writes it: digit count, weight, sign, display scale, then digits of base 10000.
 * Anything but a plain decimal (`1e21`, `Infinity`) becomes NaN.
 */
export function numericBinary(text: string): BinaryString {
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (match === null) return int16(0) + int16(0) + int16(NAN) + int16(0);
  const [, minus, before, after = ""] = match as unknown as [string, string, string, string?];
  const whole = before.padStart(Math.ceil(before.length / DIGITS) * DIGITS, "0");
  const fraction = after.padEnd(Math.ceil(after.length / DIGITS) * DIGITS, "0");
  const digits = (whole + fraction).match(/\d{4}/g)!.map(Number);
  let weight = whole.length / DIGITS - 1;
  while (digits[0] === 0) {
    digits.shift();
    weight--;
  }
  while (digits.at(-1) === 0) digits.pop();
  if (digits.length === 0) weight = 0;
  const sign = minus === "-" && digits.length > 0 ? NEGATIVE : 0;
  return [digits.length, weight, sign, after.length, ...digits].map(int16).join("");
}

function int16(value: number): BinaryString {
  return String.fromCharCode((value >> 8) & 0xff, value & 0xff);
}
