/** Words that begin a statement which may change session state. */
export const STATEFUL_FIRST: ReadonlySet<string> = new Set([
  "alter",
  "close",
  "create",
  "deallocate",
  "declare",
  "discard",
  "do",
  "drop",
  "execute",
  "listen",
  "load",
  "prepare",
  "reset",
  "set",
  "unlisten",
]);

/** Words behind which a statement begins, besides the semicolon. */
export const BEFORE_STATEMENT: ReadonlySet<string> = new Set([
  ";",
  ">",
  "atomic",
  "begin",
  "else",
  "loop",
  "then",
]);

/** What begins at `index` is an assignment in PL/pgSQL: no statement has one of these behind its first word. */
export function isAssignment(words: readonly string[], index: number): boolean {
  return ASSIGNING.has(words[index + 1] ?? "");
}

const ASSIGNING: ReadonlySet<string> = new Set([":", "=", "[", "."]);

const LOCAL_SETS: ReadonlySet<string> = new Set(["local", "transaction", "constraints"]);

/**
 * SET LOCAL, SET TRANSACTION and SET CONSTRAINTS, which begin at `index`, end with the transaction. `SET local.a` sets a custom setting of
 * that name.
 */
export function isLocalSet(words: readonly string[], index: number): boolean {
  return words[index] === "set" && LOCAL_SETS.has(words[index + 1] ?? "") && words[index + 2] !== ".";
}

/** PREPARE TRANSACTION, which begins at `index`, is no prepared statement; `PREPARE transaction AS …` is one of that name. */
export function isTwoPhase(words: readonly string[], index: number): boolean {
  const [word, next, behind] = words.slice(index, index + 3);
  return word === "prepare" && next === "transaction" && behind !== "as" && behind !== "(";
}
