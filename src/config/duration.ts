import { formatWithUnit, parseWithUnit, type Units } from "./units.ts";

/** The longest duration, in milliseconds, about 24.8 days: a JavaScript timer set to more fires at once (HTML, "timers"). */
export const DURATION_MS_MAX = 2_147_483_647;

const UNITS: Units = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1_000], ["ms", 1]];

/**
 * The milliseconds of `250ms`, `5s`, `2m`, `1h`, `1d`, or a bare `0`; undefined when `text` is none of these or is longer
 * than {@link DURATION_MS_MAX}.
 */
export function parseDuration(text: string): number | undefined {
  const ms = parseWithUnit(text, UNITS);
  return ms === undefined || ms > DURATION_MS_MAX ? undefined : ms;
}

/** Milliseconds in the largest unit that needs no fraction: 90000 is `90s`, 0 is `0s`. {@link parseDuration} reads it back. */
export function formatDuration(ms: number): string {
  return formatWithUnit(ms, UNITS, "s");
}
