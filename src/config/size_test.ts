import { strictEqual as equal } from "node:assert/strict";
import { formatSize, parseSize } from "./size.ts";

Deno.test("parseSize reads each unit as bytes, and formatSize writes it back", () => {
  const cases = {
    "0B": 0,
    "100B": 100,
    "64kB": 65_536,
    "16MB": 16_777_216,
    "1GB": 1_073_741_824,
    "2TB": 2 ** 41,
  };
  for (const [text, bytes] of Object.entries(cases)) {
    equal(parseSize(text), bytes, text);
    equal(formatSize(bytes), text);
  }
  equal(parseSize("0"), 0);
});

Deno.test("parseSize refuses a bare number and units spelled otherwise", () => {
  for (const text of ["64", "64KB", "64k", "64kb", "-1kB", "9999999999TB"]) {
    equal(parseSize(text), undefined, text);
  }
});
