import type { Loss } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Control, TxStatus } from "../protocol/mod.ts";

/** Where a session stood when its server was lost. */
export interface Standing {
  /** Of the last ReadyForQuery, a value of `TxStatus`. */
  readonly txStatus: number;
  /** What has been sent since the last boundary did, or may do, to the transaction: a sum of `Control`. */
  readonly control: number;
  /** What the statement that was sent last does to its transaction, by itself: a sum of `Control`. */
  readonly lastControl: number;
  /** How many statements are in flight. */
  readonly running: number;
  /** Whether the client waits for an answer, or has sent a part of something. */
  readonly awaits: boolean;
  /** Only a part of what the client waits for was sent: the server cannot have run it. */
  readonly torn: boolean;
  /** What else is lost with the connection, for people; empty for nothing. */
  readonly losses: readonly string[];
}

/**
 * What a client hears that stays while its server is lost: 40001 where nothing of what it did holds, 40003 where a statement may
 * have run, 08007 where a transaction may have been committed.
 *
 * @param cause what the server or its socket said last
 * @param rolledBack it was found out that what was being committed was not
 */
export function lossOf(standing: Standing, cause: PgplexError, rolledBack = false): Loss {
  const { txStatus, control, awaits, torn, losses } = standing;
  // A client whose BEGIN failed believes in no transaction, unless it has sent something behind it already.
  const beginsInVain = awaits && txStatus === TxStatus.Idle && standing.running <= 1 &&
    (standing.lastControl & Control.Begins) !== 0;
  const inTransaction = !beginsInVain && ((control & Control.Opens) !== 0 ||
    ((control & Control.Closes) === 0 && txStatus !== TxStatus.Idle));
  // It says of itself that nothing was run.
  if (NOT_RUN.has(cause.code)) return { error: cause, inTransaction };
  const rollsBack = (standing.lastControl & Control.RollsBack) !== 0 && awaits && !torn &&
    (control & Control.Commits) === 0;
  const commits = awaits && (control & Control.Commits) !== 0 && txStatus !== TxStatus.Failed;
  const extra = {
    detail: [saidBy(cause), ...losses.map((what) => `Lost with it: ${what}.`)].join(" "),
    ...(cause.extra.log === undefined ? {} : { log: cause.extra.log }),
  };
  const wasInTransaction = inTransaction || beginsInVain || (control & Control.Closes) !== 0 ||
    txStatus !== TxStatus.Idle;
  if (commits && !torn && !rolledBack) {
    const text = "transaction resolution unknown: the server connection was lost during COMMIT";
    const hint = "Find out whether it was committed before you run it again.";
    return { error: new PgplexError("resolution_unknown", text, { ...extra, hint }), inTransaction };
  }
  if (wasInTransaction || torn) {
    const text = wasInTransaction
      ? "transaction aborted: the server connection was lost"
      : "statement not run: the server connection was lost";
    const hint = wasInTransaction ? "Run the transaction again." : "Run the statement again.";
    return { error: new PgplexError("transaction_lost", text, { ...extra, hint }), inTransaction, rollsBack };
  }
  const text = "statement completion unknown: the server connection was lost while it ran";
  const hint = "Find out whether it was done before you run it again.";
  return { error: new PgplexError("completion_unknown", text, { ...extra, hint }), inTransaction };
}

/** What went in front of what the client sent has failed. */
const NOT_RUN: ReadonlySet<string> = new Set(["restore_failed", "settings_lost"]);

function saidBy({ message, sqlstate, code }: PgplexError): string {
  if (code === "node_lost") return `${message}.`;
  return code === "server_lost" && sqlstate === "08006"
    ? "The server closed the connection unexpectedly."
    : `The server said: ${message} (${sqlstate}).`;
}

/** What the server ends a session for that has itself to blame: its own limits of time, or the protocol. */
const ENDS_SESSION: ReadonlySet<string> = new Set([
  "25P03", // idle_in_transaction_session_timeout
  "25P04", // transaction_timeout
  "57P05", // idle_session_timeout
  "08P01", // protocol_violation
]);

/** Whether a server's FATAL with this SQLSTATE is the session's end, as it would be without a pooler. */
export function endsSession(sqlstate: string): boolean {
  return ENDS_SESSION.has(sqlstate);
}
