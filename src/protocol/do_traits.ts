import type { BinaryString } from "./bytes.ts";
import { namesReading, setsReading } from "./reading_words.ts";
import { routineTraits } from "./routine_traits.ts";
import { sqlCalls } from "./sql_calls.ts";
import { sqlReach } from "./sql_reach.ts";
import { isBlank, lowerCase, sqlTokens, sqlWords } from "./sql_tokens.ts";
import { setsTempBuffers, type SqlTraits } from "./sql_traits.ts";
import { outlastsTransaction, stickyIn, stickyWithin } from "./sticky.ts";

/**
 * Reads the traits of a DO, whose body is a literal. It errs on the side of `stateful`, as {@link sqlTraits} does.
 *
 * `generic`: what {@link sqlTraits} says of it.
 */
export function doTraits(text: BinaryString, generic: SqlTraits, backslashes = false): SqlTraits {
  const tokens = [...sqlTokens(text, backslashes)].map(({ token }) => token).filter((token) =>
    !isBlank(token)
  );
  const literals = tokens.filter((token) => token.startsWith("$") || token.startsWith("'"));
  const other = tokens.some((token) => lowerCase(token) === "language" || /^[eEuU]&?'/.test(token));
  const body = literals.length === 1 && !other ? bodyOf(literals[0]!) : null;
  if (body === null) return { ...generic, hasBody: false, setsAside: true, sticky: stickyWithin(text) };
  const traits = routineTraits(body, "plpgsql");
  // It is read by the standard_conforming_strings of whoever runs it, as that is when it runs.
  const words = [...sqlWords(body), ...(body.includes("\\") ? [";", ...sqlWords(body, true)] : [])];
  const { effects, names } = sqlCalls(words);
  const sticky = [...new Set([...stickyIn(words), ...traits.sticky])];
  const stateful = traits.stateful || effects.size > 0 || words.includes("uescape");
  return {
    ...generic,
    neutral: false,
    stateful,
    anything: stateful,
    calls: names,
    callsProcedure: words.includes("call"),
    hasBody: false,
    setsTempBuffers: setsTempBuffers(words) || body.includes("'temp_buffers'"),
    setsPath: stateful || names.length > 0,
    setsAside: true,
    setsReading: setsReading(body) || namesReading(body),
    setsByFunction: stateful || names.length > 0,
    sticky,
    outlasts: outlastsTransaction(effects, sticky),
    sequences: effects.has("sequence read") ? "read" : effects.has("sequence advance") ? "advance" : null,
    rollsBack: words.includes("rollback"),
    reach: { ...sqlReach(words, true), writes: traits.writes, defines: stateful },
  };
}

/** What stands in a literal as it is; null where it would have to be unescaped. */
function bodyOf(literal: BinaryString): BinaryString | null {
  if (literal.startsWith("'")) {
    return literal.includes("\\") ? null : literal.slice(1, -1).replaceAll("''", "'");
  }
  const tag = /^\$[^$]*\$/.exec(literal)?.[0];
  return tag === undefined || !literal.endsWith(tag) ? null : literal.slice(tag.length, -tag.length);
}
