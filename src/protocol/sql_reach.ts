import { isName, nameNumber, nameOf } from "./sql_tokens.ts";

/** What of a database's own routines a statement may reach without calling them by name. */
export interface SqlReach {
  /** None, whatever there is: it shows literals or settings, and neither reads, computes nor converts anything. */
  readonly nothing: boolean;
  /** It may do more than read: triggers may run. */
  readonly writes: boolean;
  /** It may change what the database's routines are, or who calls them. */
  readonly defines: boolean;
  /**
   * The {@link nameNumber} of each name behind a point, as `x.f` calls f(x) where x has no column f; null for more than
   * are kept.
   */
  readonly members: readonly number[] | null;
}

/** Names behind points that are kept of one text. */
const MEMBERS_MAX = 200;

/** Words that begin a statement which only reads; BEGIN and its kin among them, and what changes the session alone. */
const READS: ReadonlySet<string> = new Set([
  ...[
    "(",
    "abort",
    "begin",
    "close",
    "commit",
    "deallocate",
    "declare",
    "discard",
    "end",
    "explain",
    "fetch",
  ],
  ...[
    "listen",
    "lock",
    "move",
    "notify",
    "release",
    "reset",
    "rollback",
    "savepoint",
    "select",
    "set",
    "show",
  ],
  ...["start", "table", "unlisten", "values", "with"],
]);

/** Words of which one makes a statement write, wherever it stands. */
const WRITES: ReadonlySet<string> = new Set([
  ...["call", "copy", "delete", "do", "execute", "insert", "merge", "refresh", "truncate", "update"],
]);

/** Words that begin a statement which may make routines, or what calls them. */
const DEFINES: ReadonlySet<string> = new Set(["alter", "create", "do", "drop", "execute", "import"]);

/** Words that begin other statements for which event triggers may run. */
const COMMANDS: ReadonlySet<string> = new Set([
  "comment",
  "grant",
  "import",
  "reindex",
  "revoke",
  "security",
]);

/** Whether a statement of a routine's begins at `index` for which event triggers may run; an assignment may begin as one does. */
export function commandsAt(words: readonly string[], index: number): boolean {
  return COMMANDS.has(words[index]!) && !/^(?:[:=.[]|)$/.test(words[index + 1] ?? "");
}

/** Whether the word at `index` writes: the UPDATE of FOR UPDATE and FOR NO KEY UPDATE does not. */
export function writesAt(words: readonly string[], index: number): boolean {
  if (!WRITES.has(words[index]!)) return false;
  return words[index] !== "update" || !/^(?:for|key)$/.test(words[index - 1] ?? "");
}

/** Whether an UPDATE may be one of pg_settings, whose rule calls set_config. */
export function updatesSettings(words: readonly string[]): boolean {
  return words.some((word) => word === "pg_settings" || word === '"pg_settings') &&
    words.some((word, index) => word === "update" && writesAt(words, index));
}

/** `SELECT 1, 'a'` or `SHOW x`, as words with a space behind each. The type of a parameter may be a domain, with a check. */
const SHOWS = /^(?:select \? (?:, \? )*|show [^;]*)?$/;

/**
 * Reads the reach of a text from its words. It errs on the side of more.
 *
 * @param hasParameters a `?` among the words may be one
 */
export function sqlReach(words: readonly string[], hasParameters: boolean): SqlReach {
  let [writes, defines, isFirst] = [false, false, true];
  const nothing = !hasParameters && SHOWS.test(words.map((word) => `${word} `).join("").replace(/; $/, ""));
  const members = new Set<number>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === ";") {
      isFirst = true;
      continue;
    }
    if (isFirst) {
      isFirst = false;
      if (!READS.has(word)) writes = true;
      // What was prepared may have made any; nobody else has seen it before.
      if (word === "commit" && words[i + 1] === "prepared") defines = true;
      // What is temporary is of this session alone.
      if (DEFINES.has(word) && !(word === "create" && /^temp(orary)?$/.test(words[i + 1] ?? ""))) {
        defines = true;
      }
    }
    // SELECT … INTO makes a table: event triggers may run.
    if (writesAt(words, i) || word === "into") writes = true;
    if (words[i - 1] === "." && words[i + 1] !== "(" && isName(word) && members.size <= MEMBERS_MAX) {
      members.add(nameNumber(nameOf(word)));
    }
  }
  return { nothing, writes, defines, members: members.size > MEMBERS_MAX ? null : [...members] };
}
