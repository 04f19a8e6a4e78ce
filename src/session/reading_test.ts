import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { Settings } from "../backend/mod.ts";
import { findOption } from "../config/mod.ts";
import type { Lease } from "../lease/mod.ts";
import { SessionOptions } from "../options/mod.ts";
import type { ToldSettings } from "../relay/mod.ts";
import { type Destination, NO_PARAMS } from "../servers/mod.ts";
import { Reading } from "./reading.ts";

const HOME = {} as Lease["home"];
const INTENT = findOption("intent")!.name;

function reading(
  { intent, readOnly = false, counts = true, home = HOME, isForWrites = false, ...ran }: {
    intent?: "read" | "write";
    readOnly?: boolean;
    counts?: boolean;
    home?: Lease["home"];
    isForWrites?: boolean;
    on?: boolean;
    renames?: boolean;
    wrote?: boolean;
    ranAny?: boolean;
    hotStandby?: string;
  } = {},
): Reading {
  const settings = Settings.from([["default_transaction_read_only", readOnly ? "on" : "off"]]);
  const destination = {
    readOnlyIsRead: counts,
    greetings: { of: () => null },
    isForWrites: () => isForWrites,
    goesOn: () => false,
  } as unknown as Destination;
  const options = new SessionOptions(new Map(intent === undefined ? [] : [[INTENT, intent]]));
  const told = { current: settings } as ToldSettings;
  const { on = false, renames = true, wrote = false, ranAny = false, hotStandby = "off" } = ran;
  const connection = { reported: { hotStandby } };
  const lease = { home, wish: {}, connection } as unknown as Pick<Lease, "home" | "wish" | "connection">;
  const relay = { reads: { on }, renames, watch: { wrote, ranAny } };
  return new Reading(
    { facts: { base: NO_PARAMS }, destination, options, told, out: { handedOver: 0 }, relay },
    lease,
    () => true,
  );
}

Deno.test("Reading takes what the client said before what READ ONLY means, and that only where it counts", () => {
  const cases: [Parameters<typeof reading>[0], boolean][] = [
    [{}, false],
    [{ intent: "read" }, true],
    [{ readOnly: true }, true],
    [{ readOnly: true, counts: false }, false],
    [{ readOnly: true, intent: "write" }, false],
  ];
  for (const [given, reads] of cases) {
    const it = reading(given);
    deepEqual([it.reads, it.usuallyReads], [reads, reads], JSON.stringify(given));
    deepEqual(it.intentSaid, given?.intent !== undefined);
  }
});

Deno.test("Reading knows where the lease is, and whether it may go on there", () => {
  deepEqual([reading().atStandby, reading({ isForWrites: true }).atStandby], [true, false]);
  deepEqual([reading({ home: null }).atStandby, reading({ home: null }).goesOn()], [false, true]);
  deepEqual([reading().goesOn(), reading().leave()], [false, true]);
});

Deno.test("Reading takes for a write what may have been one, and nothing on a standby", () => {
  const cases: [Parameters<typeof reading>[0], boolean][] = [
    [{}, false],
    [{ ranAny: true }, true],
    // In session pooling nobody reads along.
    [{ renames: false }, true],
    [{ on: true, ranAny: true }, false],
    [{ on: true, ranAny: true, wrote: true }, true],
    [{ ranAny: true, hotStandby: "on" }, false],
  ];
  for (const [given, writes] of cases) {
    deepEqual(reading(given).mayHaveWritten, writes, JSON.stringify(given));
  }
});
