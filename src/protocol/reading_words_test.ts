import { strictEqual as equal } from "node:assert/strict";
import { bindsName, namesReading, SetsReading, setsReading } from "./reading_words.ts";

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
    ["SET TIME/**/ZONE 'UTC'", SetsReading.Reported],
    ["SET -- the\n TIME /* a /* b */ c */ ZONE 'UTC'", SetsReading.Reported],
    ["UPDATE t SET a = now() /* UTC */ AT TIME ZONE 'UTC'", SetsReading.No],
    [`SET U&"time\\007aone" = 'UTC'`, SetsReading.Reported],
    [`SELECT U&"set\\005fconfig"('a' || 'b', 'c', true)`, SetsReading.Unreported],
    ["SELECT set_config('Time' || 'Zone', 'UTC', true)", SetsReading.Unreported],
    ["SELECT set_config(a, b, true) FROM c", SetsReading.Unreported],
    ["SELECT set_config('app.a', 'b', true), set_config(c, 'd', true)", SetsReading.Unreported],
    ["SELECT set_config('work_mem', '5MB', true), set_config('app.' || a, b, true)", SetsReading.No],
    [
      "SELECT set_config(format('app.%s', a), b, true), set_config(concat('app.', a), b, true)",
      SetsReading.No,
    ],
    ["SELECT set_config($1, $2, true), set_config($1::text, $2, true)", SetsReading.No],
  ];
  for (const [text, sets] of cases) equal(setsReading(text), sets, text);
});

Deno.test("namesReading needs no word that sets", () => {
  equal(namesReading("bytea_output\0escape"), SetsReading.Unreported);
  equal(namesReading("DateStyle\0German"), SetsReading.Reported);
  equal(namesReading("app.user\0somebody"), SetsReading.No);
});

Deno.test("bindsName of a set_config whose name comes with a Bind", () => {
  equal(bindsName("SELECT set_config($1, $2, true)"), true);
  equal(bindsName("SELECT set_config('app.a', $1, true)"), false);
});
