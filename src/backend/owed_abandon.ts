import { type ByteRing, PgplexError } from "../kernel/mod.ts";
import {
  Back,
  encodeBack,
  encodeCommandComplete,
  encodeError,
  encodeReadyForQuery,
  TxStatus,
} from "../protocol/mod.ts";
import { isOfCopy, KIND, Mark, Owed, Progress } from "./owed_entries.ts";

/** How a server was lost, as its client is to hear of it. */
export interface Loss {
  /** What becomes of the request in flight, with the SQLSTATE that says it: 40001, 40003, 08007. */
  readonly error: PgplexError;
  /** The session goes on in an aborted transaction that the client has to end. */
  readonly inTransaction: boolean;
  /** What was sent last is ROLLBACK, and nothing else: if it is all that is in flight, it has done what it is for. */
  readonly rollsBack?: boolean;
}

/** What a client gets that stays connected when its server is lost. */
export interface Abandoned {
  /** Whole messages for the client, in order; empty where it waits for nothing. Many are the same array: never written to. */
  readonly replies: readonly Uint8Array[];
  /** Whether {@link replies} tell of the loss: others have yet to hear of it, unless nothing of theirs was lost. */
  readonly told: boolean;
  /** The client is in the middle of a batch that has failed: what it sends is dropped up to its Sync, which is answered. */
  readonly skipping: boolean;
  /**
   * The client was sending COPY data, and may go on: CopyData, CopyDone and CopyFail are dropped, as servers do outside of COPY.
   */
  readonly copying: boolean;
}

/**
 * Adds to `replies` what the client waits for, as a server would answer that fails the first request which is not answered yet:
 * the error, then ReadyForQuery for each Sync, Query and FunctionCall that an error does not skip. Inside a transaction whatever
 * is pipelined behind fails as the transaction is aborted; outside with the error itself, as the server may have run it.
 *
 * @param ring what is owed, not beginning with an entry of {@link Mark.Local}; it is left as it is
 * @param progress of the client's batch at the head, a value of {@link Progress}
 * @returns whether the error was told, and whether the client's last batch, not closed by a Sync, has failed
 */
export function answerLost(
  ring: ByteRing,
  progress: number,
  { error, inTransaction }: Loss,
  replies: Uint8Array[],
): { told: boolean; open: boolean } {
  const first = encodeError("ERROR", error);
  const later = inTransaction ? encodeError("ERROR", transactionAborted()) : first;
  const ready = encodeReadyForQuery(inTransaction ? TxStatus.Failed : TxStatus.Idle);
  let told = false;
  // Of the batch, as the client knows it: it has had replies, an error, or will never have a reply that it waits for.
  let answered = progress === Progress.Answered;
  let failed = progress === Progress.Failed;
  let lost = false;
  const fail = () => {
    replies.push(told ? later : first);
    told = true;
  };
  for (let i = 0; i < ring.length; i++) {
    const entry = ring.at(i);
    const kind = entry & KIND;
    if (isOfCopy(entry)) continue;
    // What pgplex sent to fail in the place of a request of the client's stands for that request.
    if ((entry & (Mark.Swallow | Mark.Replace)) === Mark.Swallow) {
      // The error in front was that of internal messages.
      if (kind === Owed.Sync) failed = false;
      continue;
    }
    if (kind !== Owed.Sync && kind !== Owed.Query && kind !== Owed.FunctionCall) {
      lost = true;
      continue;
    }
    if (kind !== Owed.Sync && lost) continue;
    // A Sync alone does nothing. Behind answered messages it may have committed what they did, or not.
    if (!failed && (kind !== Owed.Sync || lost || answered)) fail();
    replies.push(ready);
    answered = failed = lost = false;
  }
  const open = lost || answered;
  if (open) fail();
  return { told, open };
}

/** What a client waits for that has sent COMMIT, and nothing behind it, while nobody knows yet what became of that. */
export interface PutOff {
  /** It was committed: the rest of the answers to it. */
  committed(): readonly Uint8Array[];
  /** What it hears otherwise. */
  lost(loss: Loss): readonly Uint8Array[];
}

/**
 * Where the statement with this tag is all that is in flight: adds the answers to it. Of a ROLLBACK they are known as whatever was open
 * is rolled back with the connection; of a COMMIT where it was found out that it was done.
 *
 * @returns false where something else is in flight, or nobody knows what would be the answer: then nothing was added
 */
export function answerDone(
  ring: ByteRing,
  progress: number,
  tag: "ROLLBACK" | "COMMIT",
  replies: Uint8Array[],
): boolean {
  const commits = tag === "COMMIT";
  // Behind what pgplex asks in front of a COMMIT the client has had the replies to what it sent before.
  if (progress !== Progress.None && !(commits && progress === Progress.Answered)) return false;
  const done = commits ? COMMITTED : ROLLED_BACK;
  const answers: Uint8Array[] = [];
  let bound = false;
  for (let i = 0; i < ring.length; i++) {
    const entry = ring.at(i);
    const kind = entry & KIND;
    const isLast = i === ring.length - 1;
    if ((entry & (Mark.Local | Mark.Replace)) !== 0) return false;
    // What pgplex prepares ahead has no answer for the client.
    if ((entry & Mark.Swallow) !== 0) {
      if (kind !== Owed.Parse && !(commits && answers.length === 0)) return false;
      continue;
    }
    if (kind === Owed.Parse) answers.push(PARSE_COMPLETE);
    else if (kind === Owed.Bind) {
      bound = true;
      answers.push(BIND_COMPLETE);
    } // Behind its Bind a portal is described: it has no columns.
    else if (kind === Owed.Describe && commits && bound) answers.push(NO_DATA);
    else if (kind === Owed.Execute && !answers.includes(done)) answers.push(done);
    else if (kind === Owed.Query && answers.length === 0 && (commits ? isLast : ring.length === 1)) {
      answers.push(done);
    } else if (kind !== Owed.Sync || !isLast) return false;
  }
  if (!answers.includes(done) || !endsUnit(ring.at(ring.length - 1) & KIND)) return false;
  replies.push(...answers, encodeReadyForQuery(TxStatus.Idle));
  return true;
}

const NONE = new Uint8Array(0);
const PARSE_COMPLETE: Uint8Array = encodeBack(Back.ParseComplete, NONE);
const BIND_COMPLETE: Uint8Array = encodeBack(Back.BindComplete, NONE);
const NO_DATA: Uint8Array = encodeBack(Back.NoData, NONE);
const ROLLED_BACK: Uint8Array = encodeCommandComplete("ROLLBACK");
const COMMITTED: Uint8Array = encodeCommandComplete("COMMIT");

function endsUnit(kind: number): boolean {
  return kind === Owed.Sync || kind === Owed.Query;
}

/** As servers refuse each statement of an aborted transaction that does not end it. */
function transactionAborted(): PgplexError {
  return new PgplexError(
    "transaction_aborted",
    "current transaction is aborted, commands ignored until end of transaction block",
  );
}
