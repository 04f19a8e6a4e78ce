import type { BinaryString } from "./bytes.ts";
import { SetsReading, setsReading } from "./reading_words.ts";
import { commandsAt, updatesSettings, writesAt } from "./sql_reach.ts";
import { isName, nameOf, sqlWords } from "./sql_tokens.ts";
import { BEFORE_STATEMENT, isAssignment, isLocalSet, STATEFUL_FIRST } from "./sql_statement.ts";
import { setsSeed, type Sticky, stickyIn, stickyWithin } from "./sticky.ts";

/**
 * The language of a routine's source; `body`: SQL from BEGIN ATOMIC or RETURN on, as pg_get_functiondef() shows it; `other`: one that
 * is not read, but for what it says of what no probe sees.
 */
export type RoutineLanguage = "sql" | "plpgsql" | "body" | "other";

/** What a routine's source says. */
export interface RoutineTraits {
  /** By its own words it may change session state; what it calls is in {@link calls}. */
  readonly stateful: boolean;
  /** It may do more than read: triggers may run. */
  readonly writes: boolean;
  /** Names of all that it may call, in the encoding of the source; many are of no routine. */
  readonly calls: ReadonlySet<BinaryString>;
  /** What it does that no probe sees. */
  readonly sticky: readonly Sticky[];
}

/** A source of which nothing is known. */
export const OPAQUE_ROUTINE: RoutineTraits = Object.freeze({
  stateful: true,
  writes: true,
  calls: new Set<string>(),
  sticky: [],
});

/** Words that begin a statement of PL/pgSQL, where SQL has others; a CALL is judged by what it calls. */
const OF_PLPGSQL: ReadonlySet<string> = new Set(["call", "close", "declare"]);

/** Reads what a routine's source says. It errs on the side of more. */
export function routineTraits(source: BinaryString, language: RoutineLanguage): RoutineTraits {
  // What the escapes stand for depends on the server's encoding.
  if (language === "other" || /u&"/i.test(source)) return withNamed(OPAQUE_ROUTINE, source);
  const traits = withNamed(traitsOf(sqlWords(source), language), source);
  if (!source.includes("\\")) return traits;
  // It is read by the standard_conforming_strings of whoever runs it.
  const other = traitsOf(sqlWords(source, true), language);
  return {
    stateful: traits.stateful || other.stateful,
    writes: traits.writes || other.writes,
    calls: new Set([...traits.calls, ...other.calls]),
    sticky: [...new Set([...traits.sticky, ...other.sticky])],
  };
}

/** Names may be literals, and so may whole statements, where it may run any. */
function withNamed(traits: RoutineTraits, source: BinaryString): RoutineTraits {
  const sticky = new Set(traits.stateful ? [...traits.sticky, ...stickyWithin(source)] : traits.sticky);
  if (/temp_buffers/i.test(source)) sticky.add("temp buffers");
  if (setsSeed(source)) sticky.add("setseed");
  if (setsReading(source) !== SetsReading.No) sticky.add("plans");
  return { ...traits, sticky: [...sticky] };
}

function traitsOf(words: readonly string[], language: RoutineLanguage): RoutineTraits {
  const calls = new Set<BinaryString>();
  let [stateful, writes] = [updatesSettings(words), false];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const [before, next] = [words[i - 1] ?? (language === "body" ? "" : ";"), words[i + 1] ?? ""];
    if (BEFORE_STATEMENT.has(before) && mayChangeState(words, i, language)) stateful = true;
    if (writesAt(words, i) || (BEFORE_STATEMENT.has(before) && commandsAt(words, i))) writes = true;
    // Dynamic SQL; a table that EXPLAIN makes; and what exists for this session alone.
    if (
      word === "execute" || (word === "create" && i > 0) || /^"?pg_temp/.test(word) || word === "temp" ||
      word === "temporary"
    ) {
      stateful = true;
    }
    if (word === "into" && language === "sql" && before !== "insert" && before !== "merge") stateful = true;
    if (isName(word) && (next === "(" || before === ".")) calls.add(nameOf(word));
  }
  return { stateful, writes, calls, sticky: stickyIn(words) };
}

/** Whether a statement that begins at `index` may change session state. */
function mayChangeState(words: readonly string[], index: number, language: RoutineLanguage): boolean {
  const word = words[index]!;
  if (!STATEFUL_FIRST.has(word) || isLocalSet(words, index)) return false;
  if (language === "plpgsql" && isAssignment(words, index)) return false;
  return word !== "call" && (language !== "plpgsql" || !OF_PLPGSQL.has(word));
}
