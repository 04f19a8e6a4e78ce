import type { BinaryString } from "./bytes.ts";
import { sqlWords } from "./sql_tokens.ts";

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

/** Comments, and words that are looked for together with one before them. */
const COMMENT = /--|\/\*/;
const SECOND = /\b(?:zone|names|option)\b/i;
const ESCAPED = /u&"/i;

/** What a set_config() says of the name that it sets: it, its first part, or that it is a parameter, which comes with a Bind. */
const TOLD =
  /set_config"?\s*\(\s*(?:'[a-z_][\w$]*'\s*,|\$\d+(?:::\w+)?\s*,|(?:(?:concat|format)\s*\(\s*)?'[a-z_][\w$]*\.)/gi;
const BOUND = /set_config"?\s*\(\s*\$\d/i;

/** What the words of a text say of it, and of its literals. A name that it computes may be any. */
export function setsReading(text: BinaryString): SetsReading {
  const apart = ESCAPED.test(text) || (COMMENT.test(text) && SECOND.test(text));
  const words = apart ? `${text} ; ${sqlWords(text).join(" ")}` : text;
  if (!SETS.test(words)) return SetsReading.No;
  const calls = text.match(/set_config/gi)?.length ?? 0;
  const isTold = calls === (text.match(TOLD)?.length ?? 0) && (calls > 0 || !/set_config/i.test(words));
  return isTold ? namesReading(words) : SetsReading.Unreported;
}

/** Whether a set_config() in a text has the name that it sets from a parameter. */
export function bindsName(text: BinaryString): boolean {
  return BOUND.test(text);
}

/** The same of what is a name in any case: parameters of what sets, a DO. */
export function namesReading(text: BinaryString): SetsReading {
  return UNREPORTED.test(text)
    ? SetsReading.Unreported
    : REPORTED.test(text)
    ? SetsReading.Reported
    : SetsReading.No;
}
