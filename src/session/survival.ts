import { type CommitNote, type Loss, Owed, type PutOff, type ServerConnection } from "../backend/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import type { StateWatch } from "../learning/mod.ts";
import { type Lease, type Pins, stateLost } from "../lease/mod.ts";
import type { Listening } from "../listen/mod.ts";
import { Control, TxStatus } from "../protocol/mod.ts";
import type { LeftOver, Relay, ServerScan, ToldSettings } from "../relay/mod.ts";
import type { CommitVerdict } from "../servers/mod.ts";
import { lossOf } from "./server_loss.ts";
import { isTorn } from "./torn.ts";

/** What of a session goes on when its server is lost. */
export interface SurvivalParts {
  readonly relay: Relay;
  readonly told: ToldSettings;
  readonly pins: Pins;
  readonly listening: Listening;
  readonly scan: ServerScan;
  readonly lease: Lease;
}

/** How a session goes on whose server is lost. */
export interface Survived {
  /** What its client has yet to end by itself; null: nothing. */
  readonly left: LeftOver | null;
  /** The client would wait for ever for notifications, and nothing tells it so but the end of its connection. */
  readonly deaf: boolean;
  /** Its client waits for the answer to a COMMIT of which it can be found out what became; null: it was answered, or waits for nothing. */
  readonly doubt: Doubt | null;
  /** What the client sent is to be sent once again, elsewhere: it hears nothing of the loss; null: nothing is. */
  readonly again: Uint8Array | null;
}

/** A COMMIT whose answer was lost. */
export interface Doubt {
  readonly note: CommitNote;
  /** Known without asking: a transaction that has written nothing. */
  readonly verdict: CommitVerdict | null;
  /** Answers the client. */
  answer(verdict: CommitVerdict): void;
}

/**
 * The server is lost of a session whose client stays: what the client waits for is answered in the server's place, and what it has
 * yet to hear is kept for its next statement. The lease is still held, and has to end behind it.
 *
 * @param cause what the server or its socket said last
 */
export function survive(parts: SurvivalParts, cause: PgplexError): Survived {
  const again = unansweredReads(parts);
  if (again !== null) {
    forgetServer(parts);
    return { left: null, deaf: false, doubt: null, again };
  }
  const { relay, told, pins, listening, scan, lease } = parts;
  const { server, watch, words, progress, client } = relay;
  const deaf = listening.lost(watch) || (words !== null && words.listens) || pins.reasons.includes("listen");
  const losses = lossesOf(parts);
  const txStatus = server?.txStatus ?? TxStatus.Idle;
  const awaits = server !== null && (!server.owed.settled || progress.batchSent || progress.midMessage);
  const standing = {
    txStatus,
    control: words?.control ?? watch.control,
    lastControl: words?.lastControl ?? watch.lastControl,
    running: server?.owed.running ?? 0,
    awaits,
    torn: server !== null && runsNothing(relay, server),
    losses,
  };
  const loss = lossOf(standing, cause);
  const note = server === null ? null : relay.guard.noteOf(server);
  const isCommit = loss.error.code === "resolution_unknown" && !loss.inTransaction &&
    (standing.lastControl & Control.CommitsAlone) !== 0;
  const putOff = note !== null && isCommit ? server!.owed.putOff() : null;
  const { replies, told: isTold, skipping } = server?.owed.abandon(loss) ?? NOTHING_OWED;
  const onlyRead = putOff !== null && hasOnlyRead(watch);
  const setsMore = putOff !== null && maySet(watch);
  told.transactionLost();
  for (const reply of replies) client.put(reply);
  progress.serverLost();
  scan.serverLost();
  words?.serverLost();
  pins.clear();
  const { error, inTransaction } = loss;
  // Of a transaction that had failed its client knows already that nothing holds.
  const untold = isTold || !inTransaction || txStatus === TxStatus.Failed ? null : error;
  const tellLosses = () => {
    if (losses.length > 0) lease.fails(stateLost(cause, losses));
  };
  if (!isTold && untold === null && putOff === null) tellLosses();
  return {
    again: null,
    left: inTransaction || skipping ? { inTransaction, skipping, untold, unheard: tellLosses } : null,
    deaf: deaf && !isTold && !inTransaction,
    doubt: putOff === null ? null : {
      note: note!,
      verdict: note!.xid === null ? (onlyRead ? "committed" : "unknown") : null,
      answer: (verdict) => {
        for (const reply of answersOf(verdict, putOff, loss, lossOf(standing, cause, true))) {
          client.put(reply);
        }
        if (verdict !== "committed") return;
        if (setsMore) losses.push("what was set in the transaction that was committed");
        tellLosses();
      },
    },
  };
}

/**
 * Where nothing but reads is in flight, at a standby, and none of that was answered: what the client sent, to be sent once again. Null where
 * that is not so, or more than that was lost.
 */
function unansweredReads({ relay, pins, lease }: SurvivalParts): Uint8Array | null {
  const { server, watch, reads, progress } = relay;
  if (server === null || server.txStatus !== TxStatus.Idle || progress.midMessage) return null;
  if (server.reported.hotStandby === "off" || watch.wrote) return null;
  if ((watch.control & (Control.Begins | Control.Opens)) !== 0) return null;
  if (pins.reasons.length > 0 || (lease.unread && watch.loses)) return null;
  return reads.unanswered;
}

/** The server is lost, and the client hears nothing of it. The lease is still held, and has to end behind it. */
function forgetServer({ relay, told, pins, scan }: SurvivalParts): void {
  relay.server?.owed.clear();
  told.transactionLost();
  relay.progress.serverLost();
  scan.serverLost();
  pins.clear();
}

function answersOf(
  verdict: CommitVerdict,
  putOff: PutOff,
  unknown: Loss,
  rolledBack: Loss,
): readonly Uint8Array[] {
  if (verdict === "committed") return putOff.committed();
  return putOff.lost(verdict === "rolled back" ? rolledBack : unknown);
}

/**
 * Whether what ran did nothing but read, so that there is nothing to be committed. Functions may NOTIFY, so a text that calls one of
 * which more is not known by its name counts as one that does; what is behind a view, and leaves nothing in the session, is not looked at.
 */
function hasOnlyRead({ ran, fingerprints: { catalogue: { hidden } } }: StateWatch): boolean {
  return ran.every(({ traits, plain, writes, dirty }) =>
    traits.neutral || (plain && !writes && !dirty && !traits.notifies && !hidden.reachedBy(traits.reach))
  );
}

/**
 * Whether what ran may have left something in the session: by its words, its calls, or as probes found before. A trigger that did so for
 * the first time is not known of.
 */
function maySet({ ran, fingerprints: { catalogue: { hidden } } }: StateWatch): boolean {
  return ran.some(({ traits, dirty }) => traits.stateful || dirty || hidden.mayChange(traits.calls));
}

const NOTHING_OWED = { replies: [], told: false, skipping: false };

/** What is lost with the connection beside a transaction, for people. */
function lossesOf({ relay: { server, words, watch }, pins, lease }: SurvivalParts): string[] {
  const isInTransaction = server !== null && server.txStatus !== TxStatus.Idle;
  if (words !== null) {
    return words.ran ? ["settings, prepared statements, temporary tables, cursors, locks, channels"] : [];
  }
  const losses = pins.reasons.filter((reason) => reason !== "pool_mode" && reason !== "directive").map(
    String,
  );
  if (lease.unread && watch.loses) losses.push("what was set since the session was last at rest");
  else if (isInTransaction && watch.outlasts) {
    losses.push("what outlasts a transaction: locks, prepared statements");
  }
  return losses;
}

/** Whether the server has got nothing whole that it could have run. */
function runsNothing(relay: Relay, server: ServerConnection): boolean {
  const { owed } = server;
  if (isTorn(relay, server)) return owed.length === 1;
  return !owed.owes(Owed.Query) && !owed.owes(Owed.FunctionCall) && !owed.owes(Owed.Execute) &&
    !owed.answering;
}
