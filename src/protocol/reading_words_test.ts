import { strictEqual as equal } from "node:assert/strict";
import { namesReading, SetsReading, setsReading } from "./reading_words.ts";

Deno.test("setsReading finds what is set by its name, in words and in literals, and tells what servers report of it", () => {
  const cases: readonly [string, SetsReading][] = [
    ["SET DateStyle = 'German'", SetsReading.Reported],
    ["SET LOCAL TIME  ZONE 'UTC'", SetsReading.Reported],
    ["SET NAMES 'LATIN1'", SetsReading.Reported],
    ["SELECT set_config('TimeZone', 'UTC', true)", SetsReading.Reported],
    ["SELECT app.set_it('array_nulls', 'off')", SetsReading.Unreported],
    ["RESET bytea_output", SetsReading.Unreported],
    ["SET DateStyle = ISO; SET XML OPTION DOCUMENT", SetsReading.Unreported],
    ["DO $$BEGIN SET extra_float_digits = 0; END$$", SetsReading.Unreported],
    ["SET work_mem = '5MB'", SetsReading.No],
    ["SELECT now() AT TIME ZONE 'UTC'", SetsReading.No],
    ["SELECT timezone FROM settings OFFSET 3", SetsReading.No],
    ["SHOW TimeZone", SetsReading.No],
  ];
  for (const [text, sets] of cases) equal(setsReading(text), sets, text);
});

Deno.test("namesReading needs no word that sets", () => {
  equal(namesReading("bytea_output\0escape"), SetsReading.Unreported);
  equal(namesReading("DateStyle\0German"), SetsReading.Reported);
  equal(namesReading("app.user\0somebody"), SetsReading.No);
});
