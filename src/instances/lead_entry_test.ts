import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { LeadEntry } from "./lead_entry.ts";

const entry = (modRevision: number) => ({ key: "leader", value: "somebody", createRevision: 1, modRevision });

/** What is known behind answers: [revision of the entry or null, of the store, sent at, come at]. */
function behind(...answers: readonly (readonly [number | null, number, number, number])[]) {
  const lead = new LeadEntry();
  for (const [modRevision, revision, sentMs, nowMs] of answers) {
    lead.saw(modRevision === null ? null : entry(modRevision), { revision, sentMs, nowMs });
  }
  return [lead.entry?.modRevision ?? null, lead.sinceMs, lead.emptyMs];
}

Deno.test("an entry is known since it was seen first as it is", () => {
  deepEqual(behind(), [null, Infinity, -Infinity]);
  deepEqual(behind([5, 5, 0, 1]), [5, 1, -Infinity]);
  deepEqual(behind([5, 5, 0, 1], [5, 9, 10, 11]), [5, 1, -Infinity]);
  deepEqual(behind([5, 5, 0, 1], [7, 9, 10, 11], [null, 12, 20, 21], [null, 13, 30, 31]), [
    null,
    21,
    -Infinity,
  ]);
});

Deno.test("a store without an entry in the first answer was empty then", () => {
  deepEqual(behind([null, 3, 0, 1], [null, 4, 10, 11]), [null, 1, 1]);
  deepEqual(behind([null, 3, 0, 1], [5, 5, 10, 11]), [5, 11, 1]);
});

Deno.test("an older answer that comes behind a newer one changes nothing", () => {
  deepEqual(behind([5, 5, 0, 1], [7, 8, 10, 15], [5, 6, 9, 20]), [7, 15, -Infinity]);
  // One that was asked for since is of a store that has begun anew.
  deepEqual(behind([5, 5, 0, 1], [7, 8, 10, 15], [2, 2, 16, 20]), [2, 20, -Infinity]);
});
