import type { ServerConnection } from "../backend/mod.ts";
import { Front, mayHaveIntent, sqlIntent, TxStatus } from "../protocol/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import { findOption } from "../config/mod.ts";
import type { OptionChange } from "../options/mod.ts";
import { type NotableMessage, NotedReads } from "./noted_reads.ts";
import type { Progress } from "./progress.ts";

/** What a session knows of where its statements may run. */
export interface ReadsHost {
  /** Whether what comes next only reads, where its own text says nothing; what the statement before said of itself is over. */
  readonly usuallyReads: boolean;
  /** The client said for its session what it is about to do: READ ONLY says nothing beside that. */
  readonly intentSaid: boolean;
  /** Whether READ ONLY means reading. */
  readonly readOnlyIsRead: boolean;
  /** Whether the server connection that is held is not of the node to which writes go. */
  readonly atStandby: boolean;
  /** Another transaction that reads begins in the lease: whether it may, as the node is fit for it, and has not had too many. */
  goesOn(): boolean;
  /** Bytes that the client was given so far. */
  readonly toClient: number;
  /** Ends the lease, at a boundary, or has it looked at first. Whether it did: a session that is pinned stays. */
  leave(): boolean;
}

/** The message at which the scan is; {@link "./client_cursor.ts"}. */
export interface MessageAtHand {
  readonly type: number;
  readonly server: Pick<ServerConnection, "txStatus"> & { readonly owed: { readonly settled: boolean } };
  awaitRuns(): boolean;
  wantHead(): number;
}

/** Messages with which something begins that runs by itself, unless a batch is open. */
const BEGINNINGS: readonly number[] = [
  Front.Query,
  Front.FunctionCall,
  Front.Parse,
  Front.Bind,
  Front.Describe,
  Front.Execute,
];

const INTENT = findOption("intent")!;
const WRITES: OptionChange = { spec: INTENT, value: "write", text: "write" };
const READS: OptionChange = { spec: INTENT, value: "read", text: "read" };

/**
 * Which of a session's statements only read: what a text says of that by its words, and whether the lease of one that reads may
 * serve the next one too. What stands behind it and writes waits until it is answered, and then has a lease of its own. Pure.
 */
export class Reads {
  readonly #progress: Progress;
  #host: ReadsHost | null = null;
  #on = false;
  /** Nothing was sent in this lease yet. */
  #fresh = false;
  /** The lease began at a standby: nothing of it can have written. */
  #atStandby = false;
  /** Made with the first read: most sessions never do. */
  #noted: NotedReads | null = null;
  #runsAgain = false;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  /** Whom statements ask. */
  serveBy(host: ReadsHost): void {
    this.#host = host;
  }

  /** Whether nothing but reads ran in the lease, as far as the client said what it is about to do. */
  get on(): boolean {
    return this.#on;
  }

  /** A lease begins, or goes on after a look at it; it is for what reads, or for anything. */
  leaseBegins(reads: boolean): void {
    this.#on = this.#fresh = reads;
    if (!reads) return;
    this.#atStandby = this.#host?.atStandby === true;
    (this.#noted ??= new NotedReads()).clear();
  }

  /** Another message is about to be sent. */
  beforeSending(server: MessageAtHand["server"]): void {
    if (atBoundary(server) && !this.#progress.openBatch && !this.#runsAgain) this.#noted?.clear();
  }

  /** The message at hand was sent. */
  sent(message: NotableMessage): void {
    if (!this.#atStandby) return;
    // A name that was made, or closed, cannot be so again.
    if (namesStatement(message)) this.#noted?.spoil();
    this.#noted?.note(message, this.#host!.toClient);
  }

  /**
   * What is in flight at a standby and has had no answer: it may run again elsewhere, as {@link runsAgain} says. Null where there is
   * nothing, or not all of it is known, or it has run again already.
   */
  get unanswered(): Uint8Array | null {
    if (!this.#on || !this.#atStandby || this.#runsAgain || this.#progress.openBatch) return null;
    return this.#noted!.unanswered(this.#host!.toClient);
  }

  /** What was in flight is sent again: from `true` to `false`. It is not sent a third time. */
  set runsAgain(runs: boolean) {
    this.#runsAgain = runs;
    if (!runs) this.#noted?.spoil();
  }

  /** Whether a text may say by its first letter that it reads, or that it must not be read from a standby. */
  mayConcern(bytes: Uint8Array, start: number, end: number, textEnd: number): boolean {
    const host = this.#host;
    return host !== null && (host.readOnlyIsRead || host.usuallyReads) &&
      mayHaveIntent(bytes, start, end, textEnd);
  }

  /** What a text says by its words, in the form of a directive; null for nothing. */
  implied(text: BinaryString): { statement: OptionChange[]; transaction: OptionChange[] } | null {
    const host = this.#host;
    if (host === null || !(host.readOnlyIsRead || host.usuallyReads)) return null;
    const said = sqlIntent(text);
    if (said === null) return null;
    if (said.scope === "statement") return { statement: [WRITES], transaction: [] };
    if (!host.readOnlyIsRead || host.intentSaid) return null;
    return { statement: [], transaction: [said.intent === "read" ? READS : WRITES] };
  }

  /**
   * The message at hand comes in a lease that is for reads. Where it writes it has to have another one, once all that was sent
   * before is answered, unless that is its own transaction; so may what reads.
   *
   * @param intentOf what the message itself says; null: nothing, undefined: more of it must come first
   * @returns whether it does not go to this server, for now or at all: the lease may have ended for it
   */
  stopsAt(cursor: MessageAtHand, intentOf: () => "read" | "write" | null | undefined): boolean {
    const host = this.#host!;
    const isFresh = this.#fresh;
    if (this.#progress.openBatch || !BEGINNINGS.includes(cursor.type)) return false;
    const intent = intentOf();
    if (intent === undefined) return cursor.wantHead() < 0;
    if (intent === "read" || (intent === null && host.usuallyReads)) {
      this.#fresh = false;
      return !isFresh && atBoundary(cursor.server) && !host.goesOn() && host.leave();
    }
    if (!host.atStandby) {
      this.#on = false;
      return false;
    }
    if (cursor.awaitRuns()) return true;
    this.#fresh = false;
    // One that was had for this very message is what the message gets.
    return !isFresh && atBoundary(cursor.server) && host.leave();
  }
}

function namesStatement({ bytes, at }: NotableMessage): boolean {
  const type = bytes[at];
  return type === Front.Close || (type === Front.Parse && bytes[at + 5] !== 0);
}

function atBoundary({ owed, txStatus }: MessageAtHand["server"]): boolean {
  return owed.settled && txStatus === TxStatus.Idle;
}

/** What changes say of the intent, the last one where there are several; null for nothing. */
export function intentIn(changes: readonly OptionChange[]): "read" | "write" | null {
  return changes.findLast(({ spec }) => spec === INTENT)?.value as "read" | "write" | undefined ?? null;
}
