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

/** SET LOCAL, SET TRANSACTION and SET CONSTRAINTS end with the transaction. */
export function isLocalSet(word: string, next: string): boolean {
  return word === "set" && (next === "local" || next === "transaction" || next === "constraints");
}
