import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { ServerConnection } from "../backend/mod.ts";
import { asksForKinds, takeToldByWords, type ToldByWordsParts } from "./told_by_words.ts";

/** What the session takes for set, or null where a look has to tell. */
function taken(
  assigned: Record<string, string> | null,
  { pinned = false, suspicious = false, greeted = true, foreign = 0, hasNoDefault = false, unknown = false } =
    {},
): [string, string][] | null {
  let values: [string, string][] | null = null;
  const parts = {
    relay: {
      watch: {
        assigned: assigned && new Map(Object.entries(assigned)),
        fingerprints: { placeholders: { wants: () => unknown } },
      },
    },
    told: {
      current: greeted ? {} : null,
      assigned: (_: ServerConnection, found: ReadonlyMap<string, string>) => values = [...found],
    },
    pins: { reasons: pinned ? ["temp table"] : [] },
    listening: { suspicious },
  } as unknown as ToldByWordsParts;
  equal(asksForKinds(parts.relay), unknown && assigned !== null && Object.values(assigned).join() !== "");
  const server = { foreignNames: { size: foreign }, state: { hasNoDefault: () => hasNoDefault } };
  equal(takeToldByWords(parts, server as unknown as ServerConnection), values !== null);
  return values;
}

Deno.test("takeToldByWords takes what the statements say", () => {
  deepEqual(taken({ "app.a": "1" }), [["app.a", "1"]]);
  deepEqual(taken({ "app.a": "" }, { hasNoDefault: true, unknown: true }), [["app.a", ""]]);
});

Deno.test("takeToldByWords takes nothing where more may have changed, or nothing may be a value", () => {
  equal(taken(null), null);
  equal(taken({ "app.a": "" }), null);
  const plain = { "app.a": "1" };
  equal(taken(plain, { unknown: true }), null);
  equal(taken(null, { unknown: true }), null);
  equal(taken(plain, { pinned: true }), null);
  equal(taken(plain, { suspicious: true }), null);
  equal(taken(plain, { greeted: false }), null);
  equal(taken(plain, { foreign: 1 }), null);
});
