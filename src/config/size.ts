import { formatWithUnit, parseWithUnit, type Units } from "./units.ts";

/** PostgreSQL's memory units, spelled as there: multiples of 1024, `kB` with a small k. */
const UNITS: Units = [["TB", 1024 ** 4], ["GB", 1024 ** 3], ["MB", 1024 ** 2], ["kB", 1024], ["B", 1]];

/** The bytes of `64kB`, `16MB`, `1GB`, or a bare `0`; undefined when `text` is none of these. */
export function parseSize(text: string): number | undefined {
  return parseWithUnit(text, UNITS);
}

/** Bytes in the largest unit that needs no fraction: 65536 is `64kB`, 0 is `0B`. {@link parseSize} reads it back. */
export function formatSize(bytes: number): string {
  return formatWithUnit(bytes, UNITS, "B");
}
