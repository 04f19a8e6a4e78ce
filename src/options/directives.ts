import {
  findOption,
  nearest,
  OPTIONS,
  type OptionScope,
  type OptionSpec,
  parseOption,
} from "../config/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";

/** An option and the value that a directive gives it, in the form of the configuration and as it was written. */
export interface OptionChange {
  readonly spec: OptionSpec;
  readonly value: unknown;
  readonly text: string;
  /** It holds for the transaction in which the statement runs, not for the statement alone. */
  readonly forTransaction?: boolean;
}

/** What a prepared statement's text asks of pgplex each time that it runs. */
export interface StandingOrder {
  /** The options that directives give it. */
  readonly changes: readonly OptionChange[];
  /** Makes the text for servers again; null: it stays as it is. */
  readonly remake: (() => BinaryString) | null;
  /** Of SHOW of an option; null for anything else. */
  readonly show: ShownOption | null;
}

/** An option that SHOW asks for. */
export interface ShownOption {
  /** The column's name, as of any custom setting. */
  readonly setting: string;
  /** What holds as far as pgplex knows: all of it, unless a server connection is held or looked at. */
  text(): string;
}

/** What one directive says. */
export interface Directive {
  readonly scope: OptionScope;
  readonly changes: readonly OptionChange[];
  /** `pin` or `unpin`; null for neither. */
  readonly pin: boolean | null;
  readonly show: "session" | "options" | null;
}

/** Why a directive is not followed. */
export interface DirectiveProblem {
  /** Place in the arguments, in characters from 0. */
  readonly index: number;
  readonly message: string;
  readonly hint: string | undefined;
}

const SCOPES: readonly string[] = ["session", "transaction", "statement"];
/** Every word that an argument may begin with. */
const WORDS: readonly string[] = [
  ...OPTIONS.flatMap(({ name, short }) => short === null ? [name] : [name, short]),
  ...SCOPES,
  "pin",
  "unpin",
  "show",
];
const WORD = /\s*(?:,\s*)?([^\s=,']+)(?:\s*=\s*('(?:[^']|'')*'|[^\s,']*))?/y;
const ARGUMENTS_HINT =
  "A directive is [session | transaction | statement] followed by name=value, pin, unpin, " +
  "show session or show options.";

/**
 * Reads what stands behind `--!pgplex`; docs/DIRECTIVES.md is the grammar. A directive with a problem is not followed in any
 * part.
 */
export function parseDirective(text: string): Directive | DirectiveProblem {
  let scope: OptionScope | null = null;
  let pin: boolean | null = null;
  let show: Directive["show"] = null;
  const changes: OptionChange[] = [];
  let first = true;
  let at = 0;
  const end = text.trimEnd().length;
  while (at < end) {
    WORD.lastIndex = at;
    const match = WORD.exec(text);
    if (match === null) return problem(at, "syntax error in a directive", ARGUMENTS_HINT);
    const index = at + match[0].search(/[^\s,]/);
    const word = match[1]!.toLowerCase();
    const raw = match[2];
    at = WORD.lastIndex;
    if (raw === undefined) {
      if (first && SCOPES.includes(word)) scope = word as OptionScope;
      else if (word === "pin" || word === "unpin") {
        if (scope !== null && scope !== "session") {
          return problem(index, `"${word}" cannot be set for one ${scope}`, "It holds for the session.");
        }
        pin = word === "pin";
      } else if (word === "show") {
        const what = /\s+(session|options)(?![\w$])/iy;
        what.lastIndex = at;
        const found = what.exec(text);
        if (found === null) return problem(index, '"show" must be followed by session or options', undefined);
        show = found[1]!.toLowerCase() as "session" | "options";
        at = what.lastIndex;
      } else return unknown(index, word);
    } else {
      const spec = findOption(word, { short: true });
      if (spec === null) return unknown(index, word);
      const effective = scope ?? "statement";
      if (!spec.scopes.includes(effective)) {
        return problem(
          index,
          spec.scopes.length === 0
            ? `option "${spec.name}" cannot be set after connection start`
            : `option "${spec.name}" cannot be set for one ${effective}`,
          spec.scopes.length === 0
            ? `Give pgplex.${spec.name} in the connection string.`
            : `Write --!pgplex session ${spec.name}=…`,
        );
      }
      const value = raw.startsWith("'") ? raw.slice(1, -1).replaceAll("''", "'") : raw;
      const parsed = parseOption(spec, value);
      if ("expected" in parsed) {
        return problem(
          index,
          `invalid value for option "${spec.name}": "${value}"`,
          `It must be ${parsed.expected}.`,
        );
      }
      changes.push({ spec, value: parsed.value, text: value });
    }
    first = false;
  }
  if (changes.length === 0 && pin === null && show === null) {
    return problem(0, "a directive without arguments", ARGUMENTS_HINT);
  }
  return { scope: scope ?? "statement", changes, pin, show };
}

function unknown(index: number, word: string): DirectiveProblem {
  const near = nearest(word, WORDS);
  return problem(
    index,
    `unrecognized argument "${word}" of a directive`,
    near === undefined ? ARGUMENTS_HINT : `Perhaps you meant "${near}".`,
  );
}

function problem(index: number, message: string, hint: string | undefined): DirectiveProblem {
  return { index, message, hint };
}
