import type { BinaryString } from "../protocol/mod.ts";

/** By these servers make values of the literals of a text, when they parse it. */
const LITERALS = [
  ...["client_encoding", "standard_conforming_strings", "DateStyle", "TimeZone", "IntervalStyle"],
  ...["array_nulls", "lc_monetary", "timezone_abbreviations", "xmloption"],
];

/** By these they make what is kept of any text: its operators, and results of functions that are marked IMMUTABLE all the same. */
const CONSTANTS = ["bytea_output", "extra_float_digits", "quote_all_identifiers", "transform_null_equals"];

/**
 * By these a server makes what it keeps of the plans of routines, which DISCARD PLANS makes it forget. How it reads the source of a
 * routine it keeps all the same; and that comes in the encoding of the database.
 */
export const IN_PLANS: ReadonlySet<string> = new Set(
  [...LITERALS, ...CONSTANTS].filter((name) =>
    name !== "client_encoding" && name !== "standard_conforming_strings"
  ),
);

/** Whether plans that were made by another value of this setting may answer otherwise. */
export function isInPlans(name: string): boolean {
  return IN_PLANS.has(name);
}

const SEPARATOR = "\x01";

/** What settings say of how a text is read: two that are equal read all texts alike. */
export interface Reading {
  /** Of texts with literals. */
  readonly literals: BinaryString;
  /** Of all texts; empty where nobody has set any of it. */
  readonly constants: BinaryString;
}

/** What these settings say. */
export function readingOf(values: ReadonlyMap<string, BinaryString>): Reading {
  const all = (names: readonly string[]) => names.map((name) => values.get(name) ?? "").join(SEPARATOR);
  const constants = CONSTANTS.some((name) => values.has(name)) ? all(CONSTANTS) : "";
  return { literals: all(LITERALS), constants };
}

/** The client_encoding of a reading of literals. */
export function encodingIn(literals: BinaryString): BinaryString {
  return literals.slice(0, literals.indexOf(SEPARATOR));
}

/** A reading of literals in another client_encoding. */
export function readIn(literals: BinaryString, encoding: BinaryString): BinaryString {
  return `${encoding}${literals.slice(literals.indexOf(SEPARATOR))}`;
}

/** By what a server reads one text. */
export interface ReadBy {
  /** {@link Reading.literals}. */
  readonly literals: BinaryString;
  /** The search_path, by which it finds what the text names. */
  readonly path: BinaryString;
}

/** Their names, in the order of {@link valuesOf}. */
const NAMES = [...LITERALS, "search_path"];

function valuesOf({ literals, path }: ReadBy): BinaryString[] {
  return [...literals.split(SEPARATOR), path];
}

/** A query that makes a server read by other settings, until the transaction ends, with its parameters. */
export interface Rereading {
  readonly sql: BinaryString;
  readonly values: readonly (BinaryString | null)[];
}

/** How to come from one to the other. What nobody has set is reset. */
export function rereading(from: ReadBy, to: ReadBy): Rereading {
  const [before, after] = [valuesOf(from), valuesOf(to)];
  const calls: string[] = [];
  const values: (BinaryString | null)[] = [];
  for (const [i, name] of NAMES.entries()) {
    if (before[i] === after[i]) continue;
    values.push(after[i] === "" ? null : after[i]!);
    calls.push(`pg_catalog.set_config('${name}', $${values.length}, true)`);
  }
  // It returns no row: a concat is never null.
  return { sql: `SELECT WHERE pg_catalog.concat(${calls.join(", ")}) IS NULL`, values };
}
