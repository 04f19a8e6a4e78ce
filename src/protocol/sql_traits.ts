import type { BinaryString } from "./bytes.ts";
import { SetsReading, setsReading } from "./reading_words.ts";
import { setsLocally, sqlCalls } from "./sql_calls.ts";
import { type SqlReach, sqlReach, updatesSettings } from "./sql_reach.ts";
import { isLocalSet, isTwoPhase, STATEFUL_FIRST } from "./sql_statement.ts";
import { outlastsTransaction, type Sticky, stickyIn } from "./sticky.ts";
import { Control, controlOf } from "./transaction_words.ts";
import { isBlank, isLiteral, isName, lowerCase, nameOf, sqlTokens, sqlWords, wordOf } from "./sql_tokens.ts";

/** What a text says that a pooler must know, beyond what the server's replies and a probe tell. Found once a fingerprint. */
export interface SqlTraits {
  /** It only opens, ends or marks transactions: it changes no session state by itself. */
  readonly neutral: boolean;
  /**
   * By its words it may change session state: SET, PREPARE, CREATE, set_config() and advisory locks but for those of the
   * transaction, …
   */
  readonly stateful: boolean;
  /** It may set what has a name that nobody has read: it is {@link stateful} in a way that no look finds all of. */
  readonly anything: boolean;
  /** By its words it may reset application_name. */
  readonly resetsName: boolean;
  /** Names of functions and procedures that it calls, other than the server's own: what they do is not in its words. */
  readonly calls: readonly BinaryString[];
  /** It begins with CALL, by which a routine may also commit, and make others. */
  readonly callsProcedure: boolean;
  /** What it does is in a literal: a DO. It is read each time, by {@link doTraits}. */
  readonly hasBody: boolean;
  /** The custom setting that it sets, where that is all it does, by a value that {@link assignedIn} finds in the text. */
  readonly assigns: string | null;
  /** Names of custom settings that it SETs, in lower case. */
  readonly sets: readonly string[];
  /** It reads or sets settings by names, which may be in its literals. */
  readonly namesSettings: boolean;
  /** It holds a SET of temp_buffers, which a backend that has used temporary tables refuses. */
  readonly setsTempBuffers: boolean;
  /** It may set the search_path. */
  readonly setsPath: boolean;
  /** It may set one of the settings that a look puts aside for itself, as far as its words tell. */
  readonly setsAside: boolean;
  /** It may set by what servers read texts. */
  readonly setsReading: SetsReading;
  /**
   * It makes a temporary table that goes with its transaction (ON COMMIT DROP). What stays is the temporary schema of the backend, where
   * there was none.
   */
  readonly makesTempSchema: boolean;
  /** It calls set_config, or a function that is not known to be harmless: names of settings may be in its parameters. */
  readonly setsByFunction: boolean;
  /** Session state that no probe can see and nothing takes back. */
  readonly sticky: readonly Sticky[];
  /** It may leave what no ROLLBACK takes back: prepared statements, locks of the session, what it remembers of sequences, … */
  readonly outlasts: boolean;
  /** It gives advisory locks of the session back, which pin it. */
  readonly unlocks: boolean;
  /**
   * What it does, by its words, with what the session remembers of sequences: reads it (currval, lastval), adds to it (nextval,
   * setval), or drops it (DISCARD SEQUENCES or ALL).
   */
  readonly sequences: "read" | "advance" | "discard" | null;
  /** Names of prepared statements that it mentions in PREPARE, EXECUTE or DEALLOCATE. */
  readonly statements: readonly BinaryString[];
  /** It reads pg_prepared_statements, where the session's own statements must stand and no others. */
  readonly listsStatements: boolean;
  /** It holds a LISTEN, or else an UNLISTEN. */
  readonly listens: "listen" | "unlisten" | null;
  /** It holds a NOTIFY, or mentions pg_notify. */
  readonly notifies: boolean;
  /** It mentions pg_listening_channels, which must show the session's own. */
  readonly listsChannels: boolean;
  /** It may take back what was done before it in the same transaction. */
  readonly rollsBack: boolean;
  /** What it does to the transaction that it runs in: a sum of `Control`. */
  readonly control: number;
  /**
   * The database in which nobody may be while it runs: DROP DATABASE, ALTER DATABASE … RENAME, CREATE DATABASE … TEMPLATE.
   * Empty where its name is a literal: it may be any.
   */
  readonly vacates: BinaryString | null;
  /** Servers may read this one text otherwise; others that look like it need not be so. */
  readonly misread: boolean;
  /** It changes what later sessions begin with: ALTER ROLE or ALTER DATABASE … SET. */
  readonly altersDefaults: boolean;
  /** What of the database's own routines it may reach without calling them by name. */
  readonly reach: SqlReach;
  /** The text with `?` for literals, at most 200 characters: for logs and the console. */
  readonly text: string;
}

/** A text of which nothing is known: too long to be looked at. */
export const OPAQUE_TRAITS: SqlTraits = Object.freeze({
  neutral: false,
  stateful: true,
  anything: true,
  calls: [],
  assigns: null,
  sets: [],
  namesSettings: true,
  callsProcedure: false,
  hasBody: false,
  setsTempBuffers: false,
  resetsName: false,
  setsPath: true,
  setsAside: true,
  setsReading: SetsReading.No, // or each that calls one would have statements of its own
  makesTempSchema: false, // it is looked at
  setsByFunction: true,
  sticky: [],
  outlasts: true,
  unlocks: false, // it is looked at
  sequences: null,
  statements: [],
  listsStatements: false,
  listens: null,
  notifies: false,
  listsChannels: false,
  rollsBack: true,
  control: Control.Commits, // it may have

  altersDefaults: false,
  vacates: null,
  misread: false,
  reach: { nothing: false, writes: true, defines: true, members: null },
  text: "(a long statement)",
});

const TEXT_MAX = 200;

/** What CREATE DATABASE copies where nothing else is said. */
const TEMPLATE = "template1";

function vacatedBy(words: readonly string[]): BinaryString | null {
  if (words[1] !== "database") return null;
  const name = (index: number) => isName(words[index] ?? "") ? nameOf(words[index]!) : null;
  switch (words[0]) {
    case "drop":
      return name(words[2] === "if" && words[3] === "exists" ? 4 : 2);
    case "alter": {
      const moves = words[3] === "rename" || (words[3] === "set" && words[4] === "tablespace");
      return moves ? name(2) : null;
    }
    case "create": {
      const at = words.indexOf("template", 3);
      if (at < 0) return TEMPLATE;
      const value = words[at + 1] === "=" ? at + 2 : at + 1;
      return words[value] === "?" ? "" : name(value);
    }
    default:
      return null;
  }
}

/** The custom setting whose name, of two parts or more, stands behind SET; none where no such does. */
function customNameAt(words: readonly string[], index: number): string[] {
  const parts: string[] = [];
  const isScope = /^(?:session|local)$/.test(words[index] ?? "") && words[index + 1] !== ".";
  let at = isScope ? index + 1 : index;
  for (; isName(words[at] ?? ""); at += 2) {
    parts.push(lowerCase(nameOf(words[at]!)));
    if (words[at + 1] !== ".") break;
  }
  const name = parts.join(".");
  return name.includes(".") ? [name] : [];
}

const NEUTRAL: ReadonlySet<string> = new Set([
  "abort",
  "begin",
  "commit",
  "end",
  "release",
  "rollback",
  "savepoint",
  "start",
]);

/** Names of what a look puts aside (`backend/own_transaction.ts`), and by what else SET says them. */
const ASIDE =
  /\b(?:(?:statement|lock|idle_in_transaction_session|transaction)_timeout|work_mem|search_path|schema|jit)\b|u&"/i;

/** Words that begin a statement which may do anything. */
const ANYTHING_FIRST: ReadonlySet<string> = new Set(["do", "load"]);

/**
 * Reads the traits of a text. It errs on the side of `stateful`.
 *
 * `backslashes`: standard_conforming_strings is off, so that a backslash escapes in every string.
 */
export function sqlTraits(text: BinaryString, backslashes = false): SqlTraits {
  const words = sqlWords(text, backslashes);
  let neutral = true;
  let stateful = false;
  let anything = false;
  let altersDefaults = false;
  let resetsName = false;
  let [notifies, rollsBack] = [false, false];
  let listens: SqlTraits["listens"] = null;
  const statements: BinaryString[] = [];
  const sets: string[] = [];
  let [callsProcedure, shows, makesTempSchema] = [false, false, false];
  let setsByFunction = false;
  const namesOnlyLiterals = !/set_config"?\s*\(\s*(?:--|\/\*|\$)/i.test(text);
  let sequences: SqlTraits["sequences"] = null;
  let isFirst = true;
  let firstWord = "";
  let outlasts = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === ";") {
      isFirst = true;
      continue;
    }
    if (isFirst) {
      isFirst = false;
      firstWord = word;
      const next = words[i + 1] ?? "";
      if (!NEUTRAL.has(word)) neutral = false;
      if (makesTableForTransaction(words, i)) {
        makesTempSchema = true;
        i++;
        continue;
      }
      if (word === "call") callsProcedure = true;
      if (word === "show") shows = true;
      if (word === "set") sets.push(...customNameAt(words, i + 1));
      if (STATEFUL_FIRST.has(word) && !isLocalSet(words, i) && !isTwoPhase(words, i)) stateful = true;
      if (word === "reset" || word === "discard") {
        if (next === "all" || next === "application_name") resetsName = true;
      }
      if (word === "set" && words.slice(i + 1, i + 3).includes("application_name")) {
        if (words.slice(i + 2, i + 5).includes("default")) resetsName = true;
      }
      if (word === "discard" && (next === "all" || next === "sequences")) sequences = "discard";
      if (word === "listen") listens = "listen";
      if (word === "unlisten") listens ??= "unlisten";
      if (ANYTHING_FIRST.has(word) || next === "extension") anything = true;
      if (word === "notify") notifies = true;
      if (word === "rollback" || word === "abort") rollsBack = true;
      if (word === "alter" && /^(role|user|database|system)$/.test(next)) altersDefaults = true;
    }
    if (word === "execute" || word === "prepare" || word === "deallocate") {
      const name = nameAfter(words, i);
      if (name !== null) {
        if (!statements.includes(name)) statements.push(name);
        stateful = true;
        if (word === "execute") anything = true;
        if (word === "prepare") outlasts = true;
      }
      continue;
    }
    // SELECT … INTO and EXPLAIN … CREATE TABLE make a table, and where the search_path says so a temporary one.
    if (word === "into" && words[i - 1] !== "insert" && words[i - 1] !== "merge") stateful = true;
    if (word === "create" && firstWord === "explain") stateful = true;
    // A function's name may stand in quotes.
    const name = word.startsWith('"') && words[i + 1] === "(" ? word.slice(1) : word;
    if (name === "set_config") {
      if (!setsLocally(words, i)) {
        stateful = setsByFunction = true;
        // The name of the setting is a literal, or it is not known.
        if (words[i + 2] !== "?" || words[i + 3] !== "," || !namesOnlyLiterals) anything = true;
      }
    } else if (name === "currval" || name === "lastval") {
      sequences = "read";
      stateful = true;
    } else if (name === "nextval" || name === "setval") {
      if (sequences !== "read") sequences = "advance";
    } else if (name === "temp" || name === "temporary" || name.startsWith("pg_temp")) {
      stateful = true;
    }
  }
  const { effects, names: calls } = sqlCalls(words);
  for (const effect of effects) {
    // Advisory locks pin: where none does, there is none to be given back.
    if (!effect.startsWith("sequence") && effect !== "unlock") stateful = true;
    if (effect === "runs sql" || effect === "opaque") setsByFunction = anything = true;
  }
  const sticky = stickyIn(words);
  const reads = words.includes("current_setting");
  if (calls.length > 0 || reads) setsByFunction = true;
  // What UESCAPE makes of a name is in a literal, which differs from run to run.
  if (words.includes("uescape") || updatesSettings(words)) stateful = setsByFunction = anything = true;
  return {
    neutral: neutral && !stateful,
    stateful,
    anything,
    resetsName,
    calls,
    assigns: ASSIGNMENT.exec(text)?.[1] ?? null,
    namesSettings: reads || words.includes("set_config") || shows || stateful,
    callsProcedure,
    sets,
    setsTempBuffers: setsTempBuffers(words),
    hasBody: words[0] === "do" && !words.slice(0, -1).includes(";"),
    setsReading: setsReading(text),
    setsPath: stateful && (anything || setsByFunction || resetsName || words.includes("search_path")),
    setsAside: (!stateful && !neutral) || anything || setsByFunction || ASIDE.test(text),
    makesTempSchema,
    setsByFunction,
    sticky,
    outlasts: outlasts || outlastsTransaction(effects, sticky),
    unlocks: effects.has("unlock"),
    sequences,
    statements,
    listsStatements: words.includes("pg_prepared_statements") || words.includes("pg_prepared_statement"),
    listens,
    notifies: notifies || words.includes("pg_notify"),
    listsChannels: words.includes("pg_listening_channels"),
    rollsBack,
    control: controlOf(words),
    altersDefaults,
    vacates: vacatedBy(words),
    misread: false,
    reach: sqlReach(words, /\$\d/.test(text)),
    text: shownText(text, backslashes),
  };
}

/** A text without comments, with `?` for literals. */
function shownText(text: BinaryString, backslashes: boolean): string {
  let shown = "";
  for (const { token } of sqlTokens(text, backslashes)) {
    if (shown.length >= TEXT_MAX) break;
    if (!isBlank(token)) shown += isLiteral(token) ? "?" : token;
    else if (shown !== "" && !shown.endsWith(" ")) shown += " ";
  }
  return shown.slice(0, TEXT_MAX).trim();
}

/** What stands before a PREPARE is kept as blanks up to this length; each PREPARE of a query costs as much. */
const BLANKS_MAX = 10_000;

/** Blanks for each character of `text`, which is UTF-8. */
function blanksFor(text: BinaryString): BinaryString {
  return text.length > BLANKS_MAX ? "" : text.replace(/[\x80-\xbf]/g, "").replace(/[^\n]/g, " ");
}

/**
 * The PREPARE of a statement in the query that made it, behind blanks in place of what stands before it, so that errors are at the
 * same position: what pg_prepared_statements shows is the whole query, which may hold other statements besides. Null when it is not
 * found.
 */
export function prepareIn(query: BinaryString, name: BinaryString): BinaryString | null {
  let start = 0;
  let words: string[] = [];
  let statements = 0;
  let found: BinaryString | null = null;
  let ended: BinaryString | null = null;
  const endsAt = (end: number) => {
    if (words.length > 0) statements++;
    const [first, second = "", third = ""] = words;
    const names = (word: string) => isName(word) && nameOf(word) === name;
    // Where it is prepared twice the second failed, unless the first was deallocated before. DISCARD ALL fails among others.
    if (first === "prepare" && names(second)) {
      found ??= blanksFor(query.slice(0, start)) + query.slice(start, end);
    }
    const dropped = second === "prepare" && isName(third) ? third : second;
    // As there is one, the query failed before it came to this; a failure takes no PREPARE back.
    if (first === "deallocate" && (dropped === "all" || names(dropped))) {
      [ended, found] = [found ?? ended, null];
    }
  };
  for (const { token, index } of sqlTokens(query)) {
    if (token === ";") {
      endsAt(index + 1);
      start = index + 1;
      words = [];
    } else if (words.length < 3 && !isBlank(token)) {
      words.push(wordOf(token));
    }
  }
  endsAt(query.length);
  found ??= ended;
  return statements === 1 && found !== null ? query : found;
}

/** Whether a CREATE TEMP TABLE … ON COMMIT DROP begins at `index`. */
function makesTableForTransaction(words: readonly string[], index: number): boolean {
  const [create, temp, table] = words.slice(index, index + 3);
  if (create !== "create" || !/^temp(orary)?$/.test(temp ?? "") || table !== "table") return false;
  for (let i = index; i < words.length && words[i] !== ";"; i++) {
    if (words[i] === "on" && words[i + 1] === "commit" && words[i + 2] === "drop") return true;
  }
  return false;
}

/** Whether one of these words is temp_buffers behind SET. */
export function setsTempBuffers(words: readonly string[]): boolean {
  const isSet = (before = "") => before === "set" || before === "local" || before === "session";
  return words.some((word, index) => word === "temp_buffers" && isSet(words[index - 1]));
}

function nameAfter(words: readonly string[], index: number): BinaryString | null {
  let next = words[index + 1];
  // Behind DEALLOCATE it is a name where none stands behind it.
  if (next === "prepare" && words[index] === "deallocate" && isName(words[index + 2] ?? "")) {
    next = words[index + 2];
  }
  if (next === undefined || next === "on" || next === "?" || isTwoPhase(words, index)) return null;
  return isName(next) ? nameOf(next) : null;
}

/**
 * SET of a custom setting to a string, alone: what it leaves is known without asking a server. White space is that of all servers: 0xa0 is
 * a letter to them, and a vertical tab is none before PostgreSQL 16. A longer name they would cut. Each part can end in one place alone, so that no text takes long.
 */
const ASSIGNMENT =
  /^[ \t\n\f\r]*set[ \t\n\f\r]+(?:session[ \t\n\f\r]+)?([a-z_][a-z0-9_]{0,62}\.[a-z_][a-z0-9_]{0,62})[ \t\n\f\r]*(?:=|to[ \t\n\f\r])[ \t\n\f\r]*'((?:[\x20-\x26\x28-\x5b\x5d-\x7e]|'')*)'[ \t\n\f\r]*(?:;[ \t\n\f\r]*)?$/i;

/** The value to which a text sets {@link SqlTraits.assigns}; null where it cannot be told. */
export function assignedIn(text: BinaryString): BinaryString | null {
  return assignmentIn(text)?.value ?? null;
}

/** The custom setting that a text sets, in lower case, and to what; null where it does something else, or that cannot be told. */
export function assignmentIn(text: BinaryString): { name: string; value: BinaryString } | null {
  const [, name, quoted] = ASSIGNMENT.exec(text) ?? [];
  return name === undefined ? null : { name: lowerCase(name), value: quoted!.replaceAll("''", "'") };
}

const SETTING = String
  .raw`[A-Za-z_\u0080-\u00ff][\w$\u0080-\u00ff]*(?:\.[A-Za-z_\u0080-\u00ff][\w$\u0080-\u00ff]*)+`;
const QUOTED_SETTING = new RegExp(`'(${SETTING})'`, "g");
/** As SET takes it: each part may be quoted, and stand apart. */
const PART = String.raw`"?[A-Za-z_\u0080-\u00ff][\w$\u0080-\u00ff]*"?`;
const SET_SETTING = new RegExp(
  String.raw`\bset\s+(?:session\s+|local\s+)?(${PART}(?:\s*\.\s*${PART})+)\s*(?:=|to\b)`,
  "gi",
);
const SHOW_SETTING = new RegExp(String.raw`\bshow\s+(${PART}(?:\s*\.\s*${PART})+)`, "gi");
const PLAIN_CALL = /\bset_config"?\s*\(\s*'[a-z_][\w$]*(?:\.[a-z_][\w$]*)*'\s*,/gi;
const SETTING_AT_START = new RegExp(`^${SETTING}`);
const IN_QUOTES = /'([^']*)'/g;
const DOLLARS = /\$\w*\$/;
/** A name with or without a point: the next one is looked for behind it, so that long parameters take no longer than others. */
const WHOLE_NAME = new RegExp(SETTING.replace(/\+$/, "*"), "g");

/** Custom settings (`myapp.user`) that a text sets, may set or reads, in lower case: those are in no catalogue, and must be asked for by name. */
export function customSettingsIn(text: BinaryString): string[] {
  const names: string[] = [];
  for (const [, name] of text.matchAll(SET_SETTING)) names.push(lowerCase(name!.replace(/["\s]/g, "")));
  for (const [, name] of text.matchAll(SHOW_SETTING)) names.push(lowerCase(name!.replace(/["\s]/g, "")));
  if (/set_config|current_setting/i.test(text)) {
    for (const [, name] of text.matchAll(QUOTED_SETTING)) names.push(lowerCase(name!));
  }
  return names;
}

/** Whether each set_config() of a text names its setting by a literal that {@link customSettingsIn} reads, or one of the server's own. */
export function namesWhatItSets(text: BinaryString): boolean {
  const calls = text.match(/set_config/gi)?.length ?? 0;
  return calls === 0 || calls === (text.match(PLAIN_CALL)?.length ?? 0);
}

/**
 * What in the literals of a text may be a name of a custom setting, be it in JSON or an array: whatever they are handed to may set it. Where
 * a literal stands between dollars all of the text is read, as to find their ends takes long in a text made for it.
 */
export function literalsLikeSettings(text: BinaryString): string[] {
  const parts = DOLLARS.test(text)
    ? [text.replaceAll(new RegExp(DOLLARS, "g"), " ")]
    : [...text.matchAll(IN_QUOTES)].map(([, literal]) => literal!);
  return parts.filter((part) => part.includes(".")).flatMap((part) =>
    [...part.matchAll(WHOLE_NAME)].flatMap(([name]) => name.includes(".") ? [lowerCase(name)] : [])
  );
}

/** Anything in the parameters of a Bind that may be the name of a custom setting. */
export function customSettingsInParameters(bytes: BinaryString): string[] {
  const names: string[] = [];
  for (const { 0: name, index } of bytes.matchAll(WHOLE_NAME)) {
    if (!name.includes(".")) continue;
    names.push(lowerCase(name));
    // A parameter's length stands before it: four bytes, of which the last ones may look like letters, and the first is 0.
    if (bytes.startsWith(`\0\0\0${String.fromCharCode(name.length)}`, index - 4)) continue;
    for (let looks = 1; looks <= 3; looks++) {
      if (bytes[index + looks - 4] !== "\0") continue;
      const behind = SETTING_AT_START.exec(name.slice(looks))?.[0];
      if (behind !== undefined) names.push(lowerCase(behind));
    }
  }
  return names;
}
