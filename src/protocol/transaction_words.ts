import type { BinaryString } from "./bytes.ts";
import { isTwoPhase } from "./sql_statement.ts";
import { sqlWords } from "./sql_tokens.ts";

/** What a text does to the transaction it runs in. Numbers that are added up: see {@link controlBehind}. */
export const Control = {
  /** Behind it a transaction is open: BEGIN, COMMIT AND CHAIN. */
  Opens: 1,
  /** Behind it none is: COMMIT, ROLLBACK. */
  Closes: 2,
  /** It may have made something permanent: COMMIT, PREPARE TRANSACTION, COMMIT PREPARED. */
  Commits: 4,
  /** It is ROLLBACK, and nothing else: whatever becomes of it, what was open is rolled back. Not kept by {@link controlBehind}. */
  RollsBack: 8,
  /** It is BEGIN, and nothing else: where that has no answer nothing was begun. Not kept by {@link controlBehind}. */
  Begins: 16,
  /** It is COMMIT or END, and nothing else; AND CHAIN is not. Not kept by {@link controlBehind}. */
  CommitsAlone: 32,
} as const;

/** Statements that end a transaction, as an aborted one looks at them; `other`: all that it refuses. */
export type Ending = "rollback" | "commit" | "chain" | "savepoint" | "other";

/** What `words` of {@link sqlWords} do to a transaction: a sum of {@link Control}; 0 for nothing. */
export function controlOf(words: readonly string[]): number {
  let control = 0;
  const statements = statementsIn(words);
  for (const statement of statements) control = controlBehind(control, controlOfOne(statement));
  if (statements.length !== 1) return control;
  if (control === Control.Opens && endingOf(statements[0]!) === "other") return control | Control.Begins;
  const [statement] = statements;
  const ending = endingOf(statement!);
  if (ending === "commit" && statement![0] !== "prepare") return control | Control.CommitsAlone;
  return ending === "rollback" ? control | Control.RollsBack : control;
}

/** The same of a text. */
export function controlIn(text: BinaryString): number {
  return controlOf(sqlWords(text));
}

/** What holds behind a text that does `control`, where `before` held. */
export function controlBehind(before: number, control: number): number {
  const status = control & (Control.Opens | Control.Closes);
  const commits = (before | control) & Control.Commits;
  return commits | (status === 0 ? before & (Control.Opens | Control.Closes) : status);
}

/**
 * A text's statements as an aborted transaction sees them (exec_simple_query, IsTransactionExitStmt in PostgreSQL's
 * tcop/postgres.c). Empty where it holds none.
 */
export function endingsIn(text: BinaryString): Ending[] {
  return statementsIn(sqlWords(text)).map(endingOf);
}

function statementsIn(words: readonly string[]): string[][] {
  const statements: string[][] = [];
  let statement: string[] = [];
  for (const word of words) {
    if (word !== ";") statement.push(word);
    else if (statement.length > 0) {
      statements.push(statement);
      statement = [];
    }
  }
  if (statement.length > 0) statements.push(statement);
  return statements;
}

function controlOfOne(statement: readonly string[]): number {
  const [first, second] = statement;
  switch (first) {
    case "begin":
      return Control.Opens;
    case "start":
      return second === "transaction" ? Control.Opens : 0;
    case "prepare":
      return isTwoPhase(statement, 0) ? Control.Closes | Control.Commits : 0;
    case "commit":
    case "end":
      return Control.Commits | (second === "prepared" ? 0 : closesOrChains(statement));
    case "rollback":
    case "abort":
      if (second === "prepared") return Control.Commits;
      return isToSavepoint(statement) ? 0 : closesOrChains(statement);
    default:
      return 0;
  }
}

function closesOrChains(statement: readonly string[]): number {
  return isChain(statement) ? Control.Opens : Control.Closes;
}

function endingOf(statement: readonly string[]): Ending {
  const [first, second] = statement;
  switch (first) {
    case "prepare":
      return isTwoPhase(statement, 0) ? "commit" : "other";
    case "commit":
    case "end":
      return second === "prepared" ? "other" : isChain(statement) ? "chain" : "commit";
    case "rollback":
    case "abort":
      if (second === "prepared") return "other";
      return isToSavepoint(statement) ? "savepoint" : isChain(statement) ? "chain" : "rollback";
    default:
      return "other";
  }
}

/** ROLLBACK [ WORK | TRANSACTION ] TO [ SAVEPOINT ] name. */
function isToSavepoint(statement: readonly string[]): boolean {
  return statement[1] === "to" || statement[2] === "to";
}

/** … AND CHAIN; AND NO CHAIN is what holds without it. */
function isChain(statement: readonly string[]): boolean {
  return statement.at(-1) === "chain" && statement.at(-2) === "and";
}
