import { strictEqual as equal } from "node:assert/strict";
import { DURATION_MS_MAX, formatDuration, parseDuration } from "./duration.ts";

Deno.test("parseDuration reads each unit as milliseconds", () => {
  const cases = {
    "250ms": 250,
    "5s": 5_000,
    "2m": 120_000,
    "1h": 3_600_000,
    "1d": 86_400_000,
    "0": 0,
    "0s": 0,
    "1.5s": 1_500,
  };
  for (const [text, ms] of Object.entries(cases)) equal(parseDuration(text), ms, text);
});

Deno.test("parseDuration refuses what has no known unit, no number, or no whole milliseconds", () => {
  for (
    const text of ["", "5", "s", "-5s", "5 s", "5S", "5sec", "1e3s", "0.5ms", "1.s", "5s ", "1h30m", "5kB"]
  ) {
    equal(parseDuration(text), undefined, text);
  }
});

Deno.test("parseDuration refuses what a timer cannot wait for", () => {
  equal(parseDuration(`${DURATION_MS_MAX}ms`), DURATION_MS_MAX);
  equal(parseDuration(`${DURATION_MS_MAX + 1}ms`), undefined);
  equal(parseDuration("24d"), 24 * 86_400_000);
  equal(parseDuration("25d"), undefined);
});

Deno.test("formatDuration writes the largest unit without a fraction, and parseDuration reads it back", () => {
  const cases = {
    0: "0s",
    250: "250ms",
    1_500: "1500ms",
    60_000: "1m",
    90_000: "90s",
    3_600_000: "1h",
    172_800_000: "2d",
  };
  for (const [ms, text] of Object.entries(cases)) {
    equal(formatDuration(Number(ms)), text);
    equal(parseDuration(text), Number(ms));
  }
});
