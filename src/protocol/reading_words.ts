import type { BinaryString } from "./bytes.ts";

/** Whether a text may set by what servers read texts. Each includes those before it. */
export const SetsReading = {
  No: 0,
  /** What they report when they have. */
  Reported: 1,
  /** What they do not report. */
  Unreported: 2,
} as const;
/** A value of {@link SetsReading}. */
export type SetsReading = (typeof SetsReading)[keyof typeof SetsReading];

const SETS = /\b(?:re)?set\b|set\w*"?\s*\(|\bdo\b/i;
const REPORTED =
  /client_encoding|\bset\s+(?:session\s+|local\s+)?(?:names|time\s+zone)\b|standard_conforming_strings|datestyle|timezone|intervalstyle/i;
const UNREPORTED =
  /array_nulls|bytea_output|extra_float_digits|lc_monetary|quote_all_identifiers|timezone_abbreviations|transform_null_equals|xml\s*option/i;

/** What the words of a text say of it, and of its literals. */
export function setsReading(text: BinaryString): SetsReading {
  return SETS.test(text) ? namesReading(text) : SetsReading.No;
}

/** The same of what is a name in any case: parameters of what sets, a DO. */
export function namesReading(text: BinaryString): SetsReading {
  return UNREPORTED.test(text)
    ? SetsReading.Unreported
    : REPORTED.test(text)
    ? SetsReading.Reported
    : SetsReading.No;
}
