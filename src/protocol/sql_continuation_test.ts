import { strictEqual as equal } from "node:assert/strict";
import { continuationOf } from "./sql_continuation.ts";

/** What stands behind the quote that opens the next part; null for none. */
function next(text: string, end = text.length): string | null {
  const at = continuationOf((place) => text.charCodeAt(place), 0, end);
  return at === 0 ? null : text.slice(at);
}

Deno.test("continuationOf finds the next part of a string behind a line's end, among blanks and comments of a line", () => {
  for (const gap of ["\n", "\r", " \t\n\f ", "-- x\n", "--'\n", " -- x\n\n --\r ", "\n--'\n"]) {
    equal(next(`${gap}'b'`), "b'", JSON.stringify(gap));
  }
});

Deno.test("continuationOf finds none on the same line, behind anything else, and at the end", () => {
  for (const gap of ["", " ", "/*\n*/", "\n/**/", "\n-", "\nx", ",\n", "-- x", "\n-- '"]) {
    equal(next(`${gap}'b'`), null, JSON.stringify(gap));
  }
  for (const text of ["", "\n", "\n--", "--"]) equal(next(text), null);
  equal(next("\n'b'", 1), null);
});
