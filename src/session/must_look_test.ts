import { strictEqual as equal } from "node:assert/strict";
import type { ServerConnection } from "../backend/mod.ts";
import { mustLook, type MustLookParts } from "./must_look.ts";

/** Whether a session must be looked at, but for what is changed, behind nothing at all. */
function looks({
  urgent = false,
  suspicious = false,
  foreign = false,
  wanted = false,
  nameDoubtful = false,
  assigned = null as Record<string, string> | null,
  wants = true,
  hasTempSchema = false,
  setsPath = false,
  mayCreateInTemp = false,
} = {}): boolean {
  const parts = {
    relay: {
      watch: {
        urgent,
        setsPath,
        assigned: assigned && new Map(Object.entries(assigned)),
        fingerprints: { placeholders: { wants: () => wants } },
      },
    },
    told: { nameDoubtful: () => nameDoubtful },
    listening: { suspicious, isForeign: () => foreign },
  } as unknown as MustLookParts;
  const server = { state: { hasTempSchema }, reported: { mayCreateInTemp } };
  return mustLook(parts, { wanted }, server as unknown as ServerConnection);
}

Deno.test("mustLook waits where nobody needs to know", () => {
  equal(looks(), false);
  equal(looks({ hasTempSchema: true, setsPath: true }), false);
});

Deno.test("mustLook looks where somebody waits, or what comes next depends on it", () => {
  for (
    const changed of [
      { urgent: true },
      { suspicious: true },
      { foreign: true },
      { wanted: true },
      { nameDoubtful: true },
      { hasTempSchema: true, setsPath: true, mayCreateInTemp: true },
    ]
  ) equal(looks(changed), true, JSON.stringify(changed));
});

Deno.test("mustLook looks behind SET of a custom setting of which nobody knows whether it takes any text", () => {
  equal(looks({ assigned: { "app.a": "1" } }), true);
  equal(looks({ assigned: { "app.a": "1" }, wants: false }), false);
  equal(looks({ assigned: { "app.a": "" } }), false);
});
