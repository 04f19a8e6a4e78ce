import { ByteRing, Queue } from "../kernel/mod.ts";
import { type Abandoned, answerDone, answerLost, type Loss, type PutOff } from "./owed_abandon.ts";
import { isOfCopy, KIND, Mark, Owed, Progress } from "./owed_entries.ts";

/** Something that becomes true when a reply comes, and is taken back when the server skips the message. */
export interface Effect {
  /** The server did it. */
  done(): void;
  /** The server failed or skipped it. Several are undone in reverse order. */
  undo(): void;
  /** In place of {@link undo} where the server failed this very message, and did not skip it. */
  failed?(): void;
  /** With {@link Mark.Local} or {@link Mark.Replace}: what the client gets instead of the server's bytes. */
  readonly reply?: Uint8Array;
  /** With {@link Mark.Replace}: the SQLSTATE of the error that is replaced; any other one reaches the client. */
  readonly replaces?: string;
}

/** Messages in flight at most; a client that pipelines more is read no further until replies come. */
export const IN_FLIGHT_MAX = 1 << 20;

/** Entries that internal messages before one of the client's may add. */
const SPARE = 4096;

/** Marks of an entry whose error is replaced where its effect says so. */
const REPLACED = Mark.Replace | Mark.Effect;

/** What {@link OwedReplies.reply} returns when no such reply is owed: the server breaks the protocol. */
export const NOT_OWED = -1;

/**
 * The replies that a server connection still owes, in order: pure bookkeeping of "Extended Query" and "Pipelining" in
 * PostgreSQL's protocol chapter, with the rules of an error (skip to Sync) and of COPY (Sync is ignored inside).
 *
 * Invariant: entries marked Effect are as many as queued effects, in the same order.
 */
export class OwedReplies {
  readonly #ring = new ByteRing(16, IN_FLIGHT_MAX);
  readonly #effects = new Queue<Effect>();
  #skipping = false;
  #copyIn = false;
  /** Syncs that went into a running COPY and may yet be answered, if the server had left it by then. */
  #syncsInCopy = 0;
  /** Those of them that were sent behind the last of its data. */
  #syncsBehindData = 0;
  #batch = 0;
  /** Something was sent behind the last Sync. */
  #open = false;
  #readies = 0;
  #doubtful = false;
  /** Of the batch at the head, or of the one that is open: a value of {@link Progress}. */
  #progress: number = Progress.None;

  get length(): number {
    return this.#ring.length;
  }
  /** Whether no reply is owed. */
  get settled(): boolean {
    return this.#ring.length === 0;
  }
  /** Whether the client has to wait before it sends more. */
  get full(): boolean {
    return this.#ring.length >= IN_FLIGHT_MAX - SPARE;
  }
  /** Whether the server ignores everything up to the next Sync. */
  get skipping(): boolean {
    return this.#skipping;
  }
  /** Whether the server reads COPY data. */
  get copyIn(): boolean {
    return this.#copyIn;
  }

  /** Serial of the batch to which the next message belongs: Syncs divide them, and an error skips the rest of one. */
  get batch(): number {
    return this.#batch;
  }

  /** Whether what is sent next may be skipped, as something before it in its batch is not answered yet. */
  get midBatch(): boolean {
    return this.#open && this.#ring.length > 0;
  }

  /**
   * Whether one ReadyForQuery more than was counted may come: a COPY failed, and nobody can tell whether the server had
   * read the Sync behind it as a part of the COPY. What such a connection sends may never reach another client.
   */
  get doubtful(): boolean {
    return this.#doubtful;
  }
  /** Whether the client has had a reply to something of the batch that is not closed yet. */
  get answering(): boolean {
    return this.#progress === Progress.Answered;
  }
  /** ReadyForQuery messages that are owed. */
  get readies(): number {
    return this.#readies;
  }

  /** A message of this kind (with marks) goes to the server now. */
  sent(entry: number, effect?: Effect): void {
    const kind = entry & KIND;
    if (kind === Owed.Sync) this.#batch++; // an internal one divides batches too
    this.#open = kind !== Owed.Sync;
    if (entry === Owed.Sync) {
      if (this.#copyIn) {
        this.#syncsInCopy++;
        this.#syncsBehindData++;
        return;
      }
      this.#skipping = false;
    } else if (this.#skipping) {
      effect?.undo();
      return;
    } else if (this.#copyIn) this.#copyFailed();
    if (kind === Owed.Sync || kind === Owed.Query || kind === Owed.FunctionCall) this.#readies++;
    this.#ring.push(entry);
    if (effect !== undefined) this.#effects.push(effect);
  }

  /**
   * {@link sent} of a Parse with its effect, a Bind, a Describe if there is one, an Execute and a Sync, where nothing is skipped
   * and no COPY read.
   */
  sentBatch(effect: Effect, describes: boolean): void {
    this.#ring.push(Owed.Parse | Mark.Effect);
    this.#effects.push(effect);
    this.#ring.push(Owed.Bind);
    if (describes) this.#ring.push(Owed.Describe);
    this.#ring.push(Owed.Execute);
    this.#ring.push(Owed.Sync);
    this.#batch++;
    this.#open = false;
    this.#readies++;
  }

  /**
   * Something that pgplex answers itself, behind all that is owed. With {@link Mark.Swallow} there is no answer, but an effect.
   *
   * @returns the reply when its turn is now, else null.
   */
  local(kind: number, effect: Effect): Uint8Array | null {
    if (this.#skipping) {
      effect.undo();
      return null;
    }
    if (this.#ring.length === 0) {
      effect.done();
      return effect.reply ?? null;
    }
    this.#ring.push(kind | Mark.Local | Mark.Effect);
    this.#effects.push(effect);
    return null;
  }

  /** CopyData goes to the server now, perhaps before its COPY is seen to begin. */
  copyData(): void {
    if (this.#copyIn) this.#syncsBehindData = 0;
    else if (this.#ring.length > 0 && !this.#skipping && this.lastKind() !== Owed.CopyData) {
      this.#ring.push(Owed.CopyData);
    }
  }

  /** CopyDone or CopyFail goes to the server now, perhaps before its COPY is seen to begin. */
  copyEnds(): void {
    this.#syncsBehindData = 0;
    if (this.#copyIn) this.#copyIn = false;
    else if (this.#ring.length > 0 && !this.#skipping) this.#ring.push(Owed.CopyEnd);
  }

  /** The entry at the head, marks included, or -1. */
  peek(): number {
    return this.#ring.peek();
  }

  /** The kind of what was sent last, while anything is owed; else -1. */
  lastKind(): number {
    const { length } = this.#ring;
    return length === 0 ? -1 : this.#ring.at(length - 1) & KIND;
  }

  /** How many statements are in flight: queries, function calls and Executes of the client's. */
  get running(): number {
    let count = 0;
    for (let i = 0; i < this.#ring.length; i++) {
      const entry = this.#ring.at(i);
      const kind = entry & KIND;
      const runs = kind === Owed.Query || kind === Owed.FunctionCall || kind === Owed.Execute;
      if (runs && (entry & (Mark.Swallow | Mark.Replace)) !== Mark.Swallow) count++;
    }
    return count;
  }

  /** Whether a reply to a message of this kind is owed. Looks at each: not for every message. */
  owes(kind: number): boolean {
    for (let i = 0; i < this.#ring.length; i++) if ((this.#ring.at(i) & KIND) === kind) return true;
    return false;
  }

  /** Whether a Query or FunctionCall is owed which the server skips where what was sent before it, without a Sync, fails. */
  get mayBeSkipped(): boolean {
    let inBatch = false;
    for (let i = 0; i < this.#ring.length; i++) {
      const entry = this.#ring.at(i);
      if ((entry & Mark.Local) !== 0) continue;
      const kind = entry & KIND;
      const isCall = kind === Owed.Query || kind === Owed.FunctionCall;
      if (isCall && inBatch) return true;
      inBatch = !isCall && kind !== Owed.Sync;
    }
    return false;
  }

  /** The kind at the head, or -1. */
  peekKind(): number {
    const entry = this.#ring.peek();
    return entry < 0 ? -1 : entry & KIND;
  }

  /**
   * The server answered the message of this kind that stands at the head.
   *
   * @returns the entry with its marks, or {@link NOT_OWED}.
   */
  reply(kind: number): number {
    const entry = this.#ring.peek();
    if (entry < 0 || (entry & KIND) !== kind || (entry & Mark.Local) !== 0) return NOT_OWED;
    this.#shift();
    if ((entry & Mark.Swallow) === 0) this.#progress = Progress.Answered;
    if ((entry & Mark.Effect) !== 0) this.#effects.shift()!.done();
    return entry;
  }

  /** ReadyForQuery came. @returns the entry that it answers, or {@link NOT_OWED}. */
  ready(): number {
    const kind = this.peekKind();
    if (kind === Owed.Sync || kind === Owed.Query || kind === Owed.FunctionCall) {
      this.#copyIn = false;
      this.#readies--;
      this.#progress = Progress.None;
      return this.#shift();
    }
    if (kind < 0 && this.#syncsInCopy > 0) {
      this.#syncsInCopy--;
      this.#skipping = false;
      this.#progress = Progress.None;
      return Owed.Sync;
    }
    return NOT_OWED;
  }

  /**
   * ErrorResponse with this SQLSTATE came: a simple query goes on to its ReadyForQuery, anything else up to the next Sync
   * is skipped.
   *
   * @returns the entry that failed, -1 when none was owed; the reply of its effect goes to `onReplace`.
   */
  error(sqlstate: string | undefined, onReplace: (reply: Uint8Array) => void): number {
    const failed = this.#ring.peek();
    const kind = failed < 0 ? -1 : failed & KIND;
    // What is cancelled may have read the Sync behind its data.
    if (this.#copyIn && sqlstate?.startsWith("57") !== true) this.#copyFailed();
    this.#copyIn = false;
    if (this.#syncsInCopy > 0 && this.#readies > 0) this.#doubtful = true;
    if (kind < 0) return failed;
    this.#progress = Progress.Failed;
    if (kind === Owed.Query || kind === Owed.FunctionCall || kind === Owed.Sync) return failed;
    const undone: Effect[] = [];
    while (this.#ring.length > 0 && (this.#ring.peek() & KIND) !== Owed.Sync) {
      const entry = this.#ring.shift();
      if (entry === Owed.Query || entry === Owed.FunctionCall) this.#readies--;
      if ((entry & Mark.Effect) === 0) continue;
      const effect = this.#effects.shift()!;
      if (undone.length === 0 && (failed & REPLACED) === REPLACED && effect.replaces === sqlstate) {
        onReplace(effect.reply!);
      }
      undone.push(effect);
    }
    if (this.#ring.length === 0) this.#skipping = true;
    const own = (failed & Mark.Effect) !== 0 ? undone[0]! : null;
    for (let i = undone.length - 1; i >= 0; i--) {
      if (i === 0 && own?.failed !== undefined) own.failed();
      else undone[i]!.undo();
    }
    return failed;
  }

  /**
   * CopyInResponse came: Syncs that were sent on behind the COPY, up to the end of its data, are ignored by the server, so
   * nothing is owed for them. A message of another kind behind them tells that the client does not believe in the COPY.
   */
  copyStarts(): void {
    this.#copyIn = true;
    this.#syncsBehindData = 0;
    while (this.#copyIn && this.#ring.length > 1) {
      const next = this.#ring.at(1);
      if (next === Owed.Sync) {
        const behind = this.#behindSyncs();
        if (behind < this.#ring.length && !isOfCopy(this.#ring.at(behind))) {
          this.#copyIn = false;
          return;
        }
        const syncs = behind - 1;
        this.#syncsInCopy += syncs;
        this.#syncsBehindData += syncs;
        this.#readies -= syncs;
        for (let i = 1; i < syncs; i++) this.#ring.removeAt(1);
      } else if (next === Owed.CopyData) this.#syncsBehindData = 0;
      else {
        this.#copyIn = false;
        if (next !== Owed.CopyEnd) return;
        this.#syncsBehindData = 0;
      }
      this.#ring.removeAt(1);
    }
  }

  /** The place behind the Syncs that follow the head. */
  #behindSyncs(): number {
    let place = 1;
    while (place < this.#ring.length && this.#ring.at(place) === Owed.Sync) place++;
    return place;
  }

  /**
   * The COPY that was seen to begin has failed, or does by what is sent next. Failed by its data, it left the Syncs behind them to
   * be answered; by anything else it ends the connection (CopyGetData).
   */
  #copyFailed(): void {
    this.#copyIn = false;
    this.#syncsInCopy -= this.#syncsBehindData;
    this.#readies += this.#syncsBehindData;
    for (; this.#syncsBehindData > 0; this.#syncsBehindData--) this.#ring.push(Owed.Sync);
  }

  /** A COPY or a command ended: whatever Syncs it ignored stay ignored. */
  commandEnds(): void {
    this.#copyIn = false;
    this.#syncsInCopy = this.#syncsBehindData = 0;
  }

  /** The next of pgplex's replies whose turn it is, or null. Call until null after anything was answered. */
  nextLocal(): Uint8Array | null {
    while (this.#ring.length > 0 && (this.#ring.peek() & Mark.Local) !== 0) {
      const entry = this.#shift();
      const effect = this.#effects.shift()!;
      effect.done();
      if (effect.reply !== undefined && (entry & Mark.Swallow) === 0) return effect.reply;
    }
    return null;
  }

  /**
   * The server is lost, and the client stays: what it waits for is answered in the server's place, and every effect that is still
   * open is undone, the last one first. pgplex's own answers whose turn it is come first.
   *
   * A running COPY fails behind all that was sent to it, so the Syncs that it ignored stay ignored. Where it was not seen to
   * begin, neither did the client see it, and each Sync is answered.
   *
   * Afterwards nothing is owed, and what the client sends on may be noted here as before, in a session without a server.
   */
  abandon(loss: Loss): Abandoned {
    const copying = this.#copyIn || this.lastKind() === Owed.CopyData;
    const replies: Uint8Array[] = [];
    for (let reply = this.nextLocal(); reply !== null; reply = this.nextLocal()) replies.push(reply);
    if (loss.rollsBack === true && answerDone(this.#ring, this.#progress, "ROLLBACK", replies)) {
      // As if it had been answered.
      while (this.#effects.length > 0) this.#effects.shift()!.done();
      this.clear();
      this.#doubtful = false;
      return { replies, told: false, skipping: false, copying: false };
    }
    const { told, open } = answerLost(this.#ring, this.#progress, loss, replies);
    const skipping = this.#skipping || open;
    this.clear();
    this.#doubtful = false;
    this.#skipping = skipping;
    return { replies, told, skipping, copying };
  }

  /**
   * The server is lost in the middle of a COMMIT, and the client stays: what it waits for is taken away from here until it is known
   * what became of that. Null where anything else is in flight: then nothing was taken.
   */
  putOff(): PutOff | null {
    const committed: Uint8Array[] = [];
    if (!answerDone(this.#ring, this.#progress, "COMMIT", committed)) return null;
    const ring = new ByteRing(16, IN_FLIGHT_MAX);
    for (let i = 0; i < this.#ring.length; i++) ring.push(this.#ring.at(i));
    const effects: Effect[] = [];
    while (this.#effects.length > 0) effects.push(this.#effects.shift()!);
    const progress = this.#progress;
    this.clear();
    return {
      committed: () => {
        for (const effect of effects) effect.done();
        return committed;
      },
      lost: (loss) => {
        const replies: Uint8Array[] = [];
        answerLost(ring, progress, loss, replies);
        for (const effect of effects.reverse()) effect.undo();
        return replies;
      },
    };
  }

  /** Forgets everything: the connection is gone, or starts again. Effects that are still open are undone. */
  clear(): void {
    for (let i = this.#effects.length - 1; i >= 0; i--) this.#effects.at(i).undo();
    this.#effects.clear();
    this.#ring.clear();
    this.#skipping = false;
    this.#copyIn = false;
    this.#syncsInCopy = this.#syncsBehindData = 0;
    this.#readies = 0;
    this.#progress = Progress.None;
  }

  /** Takes the head off, with data and ends of COPYs behind it that did not begin. */
  #shift(): number {
    const entry = this.#ring.shift();
    while (isOfCopy(this.#ring.peek())) this.#ring.shift();
    return entry;
  }
}
