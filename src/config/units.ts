import { assert } from "../kernel/mod.ts";

/** A unit's name and its worth in the base unit, largest first. */
export type Units = readonly (readonly [name: string, worth: number])[];

/**
 * A number with its unit (`"5s"`) in the base unit, or undefined when `text` is not one. The number may have a fraction
 * as long as the result is a whole number of base units. A bare `0` needs no unit, any other number does.
 */
export function parseWithUnit(text: string, units: Units): number | undefined {
  if (text === "0") return 0;
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([A-Za-z]+)$/.exec(text);
  if (match === null) return undefined;
  const unit = units.find(([name]) => name === match[2]);
  if (unit === undefined) return undefined;
  const value = Number(match[1]) * unit[1];
  return Number.isSafeInteger(value) ? value : undefined;
}

/** `value` in the largest unit that needs no fraction; 0 is written in `zeroUnit`. */
export function formatWithUnit(value: number, units: Units, zeroUnit: string): string {
  assert(Number.isSafeInteger(value) && value >= 0, "a value with a unit is a whole number");
  if (value === 0) return `0${zeroUnit}`;
  const unit = units.find(([, worth]) => value % worth === 0);
  assert(unit !== undefined, "the smallest unit is worth 1");
  return `${value / unit[1]}${unit[0]}`;
}
