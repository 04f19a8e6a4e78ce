import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import { AtRest, type AtRestParts, type AtRestSide } from "./at_rest.ts";

/** A session that has `app.a` set, but for what is changed. */
function resting({
  renames = true,
  leftMore = false,
  held = false,
  waiting = false,
  failed = false,
  pins = [] as string[],
  settled = true,
  wasSet = false,
  check = "learn",
  channels = [] as string[],
  suspicious = false,
} = {}) {
  const told = {
    current: Settings.from([["app.a", "1"]]),
    atLogin: Settings.none,
    wasSet: (name: string, value: string) => told.current = told.current.with(name, value),
  };
  const parts = {
    relay: {
      renames,
      leftMore,
      watch: { fingerprints: { placeholders: { has: (name: string) => name === "app.a" } } },
    },
    told,
    pins: { reasons: pins },
    listening: { channels, suspicious },
    options: { settled, wasSet },
    facts: { id: 7 },
  } as unknown as AtRestParts;
  const failure = failed ? {} : null;
  const side = { lease: { held, waiting, failure }, answeredItself() {} } as unknown as AtRestSide;
  return { told, rest: new AtRest(parts, side, { limits: { state_check: check } } as never) };
}

Deno.test("AtRest knows the settings of a session that has no server connection, and sets them", () => {
  const { told, rest } = resting();
  equal(rest.settings, told.current);
  equal(rest.settingsAtLogin, Settings.none);
  rest.sets("statement_timeout", "5s");
  deepEqual([...rest.settings!.values], [["app.a", "1"], ["statement_timeout", "5s"]]);
});

Deno.test("AtRest knows nothing where more may be on a connection, or something is to be said first", () => {
  for (
    const changed of [
      { renames: false },
      { held: true },
      { waiting: true },
      { failed: true },
      { pins: ["temporary object"] },
      { settled: false },
      { wasSet: true },
      { check: "off" },
    ]
  ) equal(resting(changed).rest.settings, null, JSON.stringify(changed));
});

Deno.test("AtRest is somebody else to server connections behind each of a million DISCARD ALL, and never another session", () => {
  const { rest } = resting();
  const known = new Set([rest.tenant]);
  while (rest.forgetsConnections()) known.add(rest.tenant);
  equal(known.size, 2 ** 20);
  equal(rest.tenant < 8 && known.has(7), true);
});

Deno.test("AtRest tells which settings take anything", () => {
  const { rest } = resting();
  deepEqual(["app.a", "app.b"].map((name) => rest.takesAnything(name)), [true, false]);
});

Deno.test("AtRest tells who listens, and who may have left more than is known", () => {
  equal(resting().rest.listens, false);
  equal(resting({ channels: ["c"] }).rest.listens, true);
  equal(resting({ suspicious: true }).rest.listens, true);
  equal(resting().rest.mayHaveMore, false);
  equal(resting({ leftMore: true }).rest.mayHaveMore, true);
});
