import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { ServerConnection } from "../backend/mod.ts";
import { takeToldByWords, type ToldByWordsParts } from "./told_by_words.ts";

/** What the session takes for set, or null where a look has to tell. */
function taken(
  assigned: Record<string, string> | null,
  {
    pinned = false,
    suspicious = false,
    greeted = true,
    foreign = 0,
    hasNoDefault = false,
    unknown = false,
    seeds = false,
    madeTempSchema = false,
  } = {},
): [string, string][] | null {
  let values: [string, string][] | null = null;
  const set: string[] = [];
  const parts = {
    relay: {
      watch: {
        assigned: assigned && new Map(Object.entries(assigned)),
        fingerprints: { placeholders: { wants: () => unknown, wasSet: (name: string) => set.push(name) } },
        seeds,
        madeTempSchema,
      },
    },
    told: {
      current: greeted ? { createsInTemp: true } : null,
      assigned: (_: ServerConnection, found: ReadonlyMap<string, string>) => values = [...found],
    },
    pins: { mayHold: pinned },
    listening: { suspicious },
  } as unknown as ToldByWordsParts;
  const server = { foreignNames: { size: foreign }, state: { hasNoDefault: () => hasNoDefault } };
  equal(takeToldByWords(parts, server as unknown as ServerConnection), values !== null);
  deepEqual(set, values === null ? [] : Object.keys(assigned!));
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
  equal(taken(plain, { seeds: true }), null);
  equal(taken(plain, { madeTempSchema: true }), null);
  equal(taken(plain, { pinned: true }), null);
  equal(taken(plain, { suspicious: true }), null);
  equal(taken(plain, { greeted: false }), null);
  equal(taken(plain, { foreign: 1 }), null);
});
