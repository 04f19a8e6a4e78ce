import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { isOfCopy, KIND, Mark, Owed } from "./owed_entries.ts";

Deno.test("kinds and marks share a byte without overlap", () => {
  const kinds = Object.values(Owed);
  const marks = Object.values(Mark);
  equal(new Set(kinds).size, kinds.length);
  for (const kind of kinds) equal(kind > 0 && (kind & KIND) === kind, true);
  equal(marks.reduce((all, mark) => all + mark, KIND), 0xff);
});

Deno.test("isOfCopy: data and ends of a COPY, and nothing that is answered", () => {
  deepEqual(Object.values(Owed).filter(isOfCopy), [Owed.CopyEnd, Owed.CopyData]);
  equal(isOfCopy(-1), false);
});
