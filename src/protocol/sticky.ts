import type { BinaryString } from "./bytes.ts";
import { SESSION_FUNCTIONS, type SessionEffect } from "./server_functions.ts";
import { BEFORE_STATEMENT, isAssignment } from "./sql_statement.ts";
import { lowerCase } from "./sql_tokens.ts";

/** State that no probe can see and nothing takes back, and what ends it where something does. */
export type Sticky =
  | "load"
  | "setseed"
  | "dblink"
  | "origin"
  | "origin over"
  | "backup"
  | "backup over"
  | "extension"
  /** Of a routine alone: it names temp_buffers. */
  | "temp buffers"
  /** Of a routine alone: what it calls may be planned by settings that hold while it runs. */
  | "plans";

/** The function in C behind isn_weak. */
const ISN_WEAK = "accept_weak_input";

/** SET seed, whatever its scope; its name in quotes as well, and in capitals: names of settings are the same in any case. */
function setsSeedAt(words: readonly string[], index: number): boolean {
  const scope = /^(?:session|local)$/.test(words[index + 1] ?? "") ? 1 : 0;
  return words[index] === "set" && /^"?seed$/i.test(words[index + 1 + scope] ?? "");
}

/** State that no probe can see, by the words of statements, or of a routine's source. */
export function stickyIn(words: readonly string[]): Sticky[] {
  const sticky = new Set<Sticky>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const before = words[i - 1] ?? ";";
    const name = word.startsWith('"') ? word.slice(1) : word;
    if (word === "load" && BEFORE_STATEMENT.has(before) && !isAssignment(words, i)) sticky.add("load");
    else if (BEFORE_STATEMENT.has(before) && setsSeedAt(words, i)) sticky.add("setseed");
    // `x.f` calls f(x).
    else if (words[i + 1] !== "(" && before !== ".") continue;
    else if (name.startsWith("dblink_connect")) sticky.add("dblink");
    else if (name === "isn_weak" || name === ISN_WEAK) sticky.add("extension");
    else {
      const effect = SESSION_FUNCTIONS.get(name);
      if (effect === "seed") sticky.add("setseed");
      if (effect === "origin") sticky.add(name.endsWith("_session_reset") ? "origin over" : "origin");
      if (effect === "backup") sticky.add(name.includes("stop") ? "backup over" : "backup");
    }
  }
  return [...sticky];
}

/** No LOAD: what stands behind is no literal of any kind, no comment before it, and not what a language puts in its place. */
const OTHER_LOAD = /\bload\b(?!\s*(?:['"{]|e'|u&'|\$\w*\$|\$\{|%(?:\d+\$)?[lsi]|--|\/\*))/g;

/**
 * The same of a source in any language, strings included, as far as it says it in full: what it hands to the server may be in them. It
 * errs on the side of more.
 */
export function stickyWithin(source: BinaryString): Sticky[] {
  const plain = lowerCase(source).replace(OTHER_LOAD, "").replace(/['"`{]+|\$\w*\$/g, " ; ");
  return stickyIn(plain.match(/[a-z_][\w$]*|\S/g) ?? []);
}

/** Whether a text calls set_config and has the seed's name in a literal, which words do not tell. */
export function setsSeed(text: BinaryString): boolean {
  return /(['$])seed\1/i.test(text) && /set_config/i.test(text);
}

const OUTLASTING: readonly SessionEffect[] = ["lock", "unlock", "sequence advance", "slot"];

/** Whether what calls functions with these effects, or does what no probe sees, leaves something that no ROLLBACK takes back. */
export function outlastsTransaction(
  effects: ReadonlySet<SessionEffect>,
  sticky: readonly Sticky[],
): boolean {
  return sticky.length > 0 || OUTLASTING.some((effect) => effects.has(effect));
}
