import { Owed, type ServerConnection, type StatementStore } from "../backend/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import {
  Action,
  binaryString,
  CLIENT_ACTIONS,
  clientMessageMax,
  encodeError,
  encodeQuery,
  encodeSync,
  Front,
  HEAD_BYTES_MAX,
} from "../protocol/mod.ts";
import { AlreadySo } from "./already_so.ts";
import { Aftermath, type LeftOver } from "./aftermath.ts";
import { ClientCursor, type Need } from "./client_cursor.ts";
import { ExtendedQuery } from "./statements/extended_query.ts";
import { InvalidMessageLength, invalidType } from "./malformed.ts";
import { refuse } from "./poison.ts";
import type { Relay } from "./relay.ts";
import { ShowPortals } from "./show/show_portals.ts";
import { ShowQuery } from "./show/show_query.ts";
import type { Steering } from "./steering.ts";
import { READY_IDLE } from "./replies.ts";
import { settingIn } from "./setting_in.ts";

/**
 * What is left out after no server could be had: nothing, the next message, everything up to Sync; then whatever was on its way
 * already, as it was sent in the belief that the former would run.
 */
const Failing = { No: 0, Message: 1, Batch: 2, Next: 3 } as const;

/** Messages that a server would answer, or fail. */
const FAILABLE = "QFPBDEC";

/**
 * The client's messages on their way to the server: a header picks the action, bodies are counted down. Pure.
 * Messages without a lease stop the scan with {@link Need.Lease}, except those that pgplex answers itself.
 */
export class ClientScan {
  /** Statements that need no server. */
  readonly alreadySo: AlreadySo;
  readonly #relay: Relay;
  readonly #store: StatementStore;
  readonly #cursor: ClientCursor;
  readonly #extended: ExtendedQuery;
  #failing: number = Failing.No;
  #failure: Uint8Array | null = null;
  /** Of a server that was lost; null for most sessions, and most of the time. */
  #aftermath: Aftermath | null = null;
  /** Of the message at hand without a lease. */
  #ahead = false;
  #sets = "";
  readonly #steering: Steering;
  readonly #showQuery: ShowQuery;
  readonly #shows: ShowPortals;

  constructor(relay: Relay, store: StatementStore, steering: Steering) {
    this.#relay = relay;
    this.#store = store;
    this.#steering = steering;
    this.#cursor = new ClientCursor(relay);
    this.alreadySo = new AlreadySo(relay, this.#cursor);
    this.#extended = new ExtendedQuery(relay, store, this.#cursor, steering);
    this.#showQuery = new ShowQuery(relay, this.#cursor, steering);
    this.#shows = new ShowPortals(relay, this.#cursor);
  }

  /** Why the last {@link scan} stopped. */
  get need(): Need {
    return this.#cursor.need;
  }

  /** With {@link Need.Bytes}: how many must be in the buffer for the next message, 0 when any help. */
  get wanted(): number {
    return this.#cursor.wanted;
  }

  /** With {@link Need.Replies}: whether what is waited for has not come yet. */
  get blocked(): boolean {
    const server = this.#relay.server;
    return server !== null && (server.owed.full || this.#cursor.doubtful);
  }

  /**
   * No server could be had for the message at which the scan stopped: it is answered with `error`, and dropped; so is, in
   * an extended batch, everything up to its Sync; and so is what the client had pipelined behind, each with the error. The
   * session goes on.
   */
  failPending(type: number, error: PgplexError): void {
    this.#failure = encodeError("ERROR", error);
    this.#failUnit(type);
  }

  #failUnit(type: number): void {
    if (FAILABLE.includes(String.fromCharCode(type))) this.#relay.client.put(this.#failure!);
    this.#failing = type === Front.Query || type === Front.FunctionCall ? Failing.Message : Failing.Batch;
  }

  /** Leaves out the message at hand after no server could be had. */
  #failMessage(): number {
    const cursor = this.#cursor;
    const { type } = cursor;
    if (this.#failing === Failing.Next) {
      if (type !== Front.Sync && !FAILABLE.includes(String.fromCharCode(type))) return cursor.drop();
      this.#failUnit(type);
    }
    if (this.#failing === Failing.Message || type === Front.Sync) {
      this.#failing = cursor.messageEnd < cursor.end ? Failing.Next : Failing.No;
      this.#relay.client.put(READY_IDLE);
    }
    return cursor.drop();
  }

  /**
   * The server is lost: what is left of a message that has begun goes nowhere, and `left` is answered in the server's place. So is, with
   * `error`, what waited for a restore: it was sent in the belief that what stood before would run.
   */
  serverLost(left: LeftOver | null, error: PgplexError | null = null): void {
    this.#cursor.dropRest();
    const waited = this.#cursor.waitsAhead && error !== null;
    if (waited) [this.#failure, this.#failing] = [encodeError("ERROR", error), Failing.Next];
    this.#aftermath = left === null ? null : new Aftermath(this.#relay, this.#store, left);
  }

  /**
   * Null where settings may not be restored in front of the message for which a lease is needed: it is whole, says nothing to pgplex, and
   * would be skipped with what stands behind it. Else the custom setting that it sets, and does nothing else; empty for none.
   */
  get takesAhead(): string | null {
    const { renames, attention, preamble } = this.#relay;
    const can = this.#ahead && renames && !attention.on && preamble.lender === null && !this.#steering.active;
    return can ? this.#sets : null;
  }

  /** Whether the client has yet to end a transaction, or a batch, that was lost with its server. */
  get inAftermath(): boolean {
    return this.#aftermath !== null;
  }

  /** Whether the client is between two messages. */
  get atMessageStart(): boolean {
    return this.#cursor.atMessageStart;
  }

  /**
   * Takes bytes from `start` to `end` as far as it can.
   *
   * @returns the place of the first byte not taken.
   * @throws PgplexError `protocol_violation`: the client's connection ends, with this error as FATAL unless its message
   * says of itself that PostgreSQL says nothing.
   */
  scan(bytes: Uint8Array, start: number, end: number): number {
    const relay = this.#relay;
    const cursor = this.#cursor;
    cursor.start(bytes, start, end);
    let at = start;
    while (at < end) {
      if (!cursor.atMessageStart) {
        at = cursor.takeRest(at);
        continue;
      }
      const type = cursor.beginMessage(at);
      if (CLIENT_ACTIONS[type] === Action.Reject) {
        if (this.#answersFirst(true)) break;
        throw invalidType(type);
      }
      if (end - at < 5) break;
      const length = cursor.readLength();
      if (length < 4 || length > clientMessageMax(type)) {
        if (this.#answersFirst(false)) break;
        throw new InvalidMessageLength();
      }
      const { server } = relay;
      const next = server === null
        ? this.#withoutLease()
        : server.owed.full
        ? cursor.needReplies()
        : this.#toServer(server);
      if (next < 0) break;
      at = next;
    }
    if (at === end && this.#failing === Failing.Next) this.#failing = Failing.No;
    cursor.finish(at);
    return at;
  }

  /**
   * Whether replies must come before the connection ends with the message at hand. What PostgreSQL says last brings the replies
   * of a batch without Sync along (`flush`); where it says nothing, they stay away.
   */
  #answersFirst(flush: boolean): boolean {
    const { server } = this.#relay;
    if (server === null) return false;
    const { owed } = server;
    return flush ? this.#cursor.awaitAll() : this.#cursor.awaitWhile(() => !owed.copyIn && owed.readies > 0);
  }

  /** Messages that pgplex answers itself while the session has no server. Returns the place behind, or -1 to stop. */
  #withoutLease(): number {
    const relay = this.#relay;
    const cursor = this.#cursor;
    const { type, length } = cursor;
    if (this.#aftermath !== null) {
      const next = this.#aftermath.take(cursor);
      if (this.#aftermath.over) this.#aftermath = null;
      if (next !== 0) return next;
    }
    if (this.#failing !== Failing.No && type !== Front.Terminate) return this.#failMessage();
    switch (type) {
      case Front.Terminate:
        return cursor.needNothing();
      case Front.CopyData:
      case Front.CopyDone:
      case Front.CopyFail:
        // PostgreSQL ignores them outside of COPY: the client may send them on after the server reported an error.
        return cursor.drop();
      case Front.Flush:
        if (length !== 4) break; // malformed: the server says so
        return cursor.drop();
      case Front.Sync:
        if (!relay.renames || length !== 4) break;
        relay.client.put(READY_IDLE);
        relay.counts.answeredHere();
        return cursor.drop();
      case Front.Close: {
        if (!relay.renames) break;
        if (!cursor.whole) return cursor.wantWhole();
        const name = this.#extended.statementOf();
        if (name === null || relay.sql.mayBe(name)) break;
        this.#extended.closeStatement(name);
        return cursor.dropWhole();
      }
    }
    this.#sets = "";
    this.#ahead = cursor.whole && length < WHOLE_BYTES_MAX &&
      (type === Front.Query || type === Front.Parse || type === Front.Bind);
    const foreseen = type === Front.Query ? this.#foreseeQuery() : this.#extended.foresee();
    return foreseen !== 0 ? foreseen : cursor.needLease();
  }

  /**
   * Before a server connection is had for a simple query: what its statement says of the wait holds already, or it is answered.
   * Returns the place behind its header, -1 to stop, 0 when it needs a server.
   */
  #foreseeQuery(): number {
    const cursor = this.#cursor;
    const { bytes, bodyStart, messageEnd, end } = cursor;
    const steering = this.#steering;
    const { alreadySo } = this;
    if (!steering.mayConcern(bytes, bodyStart, end, messageEnd - 1)) return alreadySo.answer();
    const sees = steering.sees(messageEnd - bodyStart, end - bodyStart);
    if (sees && steering.peek(bytes, bodyStart, messageEnd, end) === null) {
      const answered = alreadySo.answer();
      if (answered !== 0) return answered;
      // What stands behind it would find the old value, where it fails.
      const alone = this.#ahead && messageEnd === end;
      if (alone) this.#sets = settingIn(this.#relay.watch.known(bytes, bodyStart, messageEnd - 1));
      return 0;
    }
    this.#ahead = false;
    const answered = this.#showQuery.answer();
    if (answered !== 0) return answered;
    return steering.foresee(cursor, bodyStart, messageEnd) ? 0 : cursor.wantHead();
  }

  #toServer(server: ServerConnection): number {
    const { attention, reads } = this.#relay;
    if (server.overwrites !== null && this.#cursor.awaitSet()) return -1;
    if (server.ahead !== null && this.#cursor.awaitRestored()) return -1;
    if (attention.on) {
      const next = this.#attend();
      if (next !== 0) return next;
      if (reads.on) {
        reads.beforeSending(server);
        const sent = this.#send(server);
        if (sent >= 0) reads.sent(this.#cursor);
        return sent;
      }
    }
    return this.#send(server);
  }

  #send(server: ServerConnection): number {
    const relay = this.#relay;
    const cursor = this.#cursor;
    const { owed } = server;
    relay.progress.leaseGoesOn();
    switch (cursor.type) {
      case Front.Query:
        return this.#query(server);
      case Front.Execute:
        relay.progress.batchGoesOn();
        owed.sent(Owed.Execute);
        return cursor.pass();
      case Front.Sync:
        if (relay.preamble.lender !== null && !owed.skipping) this.#beforeSync();
        relay.progress.batchEnds();
        owed.sent(Owed.Sync);
        return cursor.pass();
      case Front.FunctionCall:
        if (cursor.isShort && !cursor.whole) return cursor.wantWhole();
        if (this.#steering.active && !this.#steering.begin(cursor, [])) return -1;
        if (cursor.isShort) relay.watch.lookAtParameters(cursor.bytes, cursor.bodyStart, cursor.messageEnd);
        relay.watch.runsOpaque();
        relay.progress.batchEnds();
        owed.sent(Owed.FunctionCall);
        return cursor.pass();
      case Front.CopyDone:
      case Front.CopyFail:
        owed.copyEnds();
        return cursor.passUnanswered();
      case Front.Flush:
        return cursor.length === 4 ? cursor.passUnanswered() : this.#malformedFlush();
      case Front.CopyData:
        owed.copyData();
        return cursor.passUnanswered();
      case Front.Terminate:
        if (!owed.copyIn) return cursor.needNothing();
        // The server hears of it: it is the end of the COPY, with an error.
        owed.copyEnds();
        return cursor.passUnanswered();
      case Front.Parse:
        return this.#extended.parse();
      case Front.Bind:
        return this.#extended.bind();
      case Front.Describe:
      case Front.Close:
        return this.#extended.describeOrClose();
      default:
        throw invalidType(cursor.type);
    }
  }

  #query(server: ServerConnection): number {
    const relay = this.#relay;
    const cursor = this.#cursor;
    const { owed } = server;
    if (!owed.skipping) {
      if (this.#steering.mayConcern(cursor.bytes, cursor.bodyStart, cursor.end, cursor.messageEnd - 1)) {
        const next = this.#steerQuery();
        if (next !== 0) return next;
      } else if (this.#steering.active && !this.#steering.begin(cursor, [])) return -1;
      if (relay.renames && !this.#lookAtQuery()) return -1;
      if (!relay.renames) this.#vacate();
    }
    relay.progress.batchEnds();
    this.#extended.queryEndsUnnamed(server);
    owed.sent(Owed.Query);
    return cursor.pass();
  }

  /** In session pooling texts are looked at for nothing but what they say of databases and transactions. */
  #vacate(): void {
    const cursor = this.#cursor;
    const { bytes, bodyStart, seenEnd, messageEnd } = cursor;
    this.#relay.words?.query(bytes, bodyStart, seenEnd, messageEnd - 1);
    const text = binaryString(bytes, bodyStart, Math.min(seenEnd, bodyStart + HEAD_BYTES_MAX));
    if (!ABOUT_DATABASE.test(text)) return;
    this.#relay.preamble.vacates(text);
  }

  /** The server fails it, and skips up to Sync; in a COPY it ignores it. Which of both must be known. */
  #malformedFlush(): number {
    const cursor = this.#cursor;
    const { owed } = cursor.server;
    if (!owed.skipping && cursor.awaitAll()) return -1;
    if (!owed.copyIn) {
      this.#relay.progress.batchGoesOn();
      // Any kind will do that takes an error.
      owed.sent(Owed.Describe);
    }
    return cursor.pass();
  }

  /** A message that may have to wait, or be about SHOW of an option. Returns 0 when it goes on its usual way. */
  #attend(): number {
    const { timed } = this.#steering;
    if (timed && this.#mustFollow()) return -1;
    const { reads } = this.#relay;
    if (reads.on && reads.stopsAt(this.#cursor, () => this.#intentOf())) {
      // Where the lease has ended for it, the message is what begins the next one.
      return this.#relay.server === null ? this.#withoutLease() : -1;
    }
    const { loginName } = this.#relay;
    if (loginName.owes && this.#cursor.type !== Front.Terminate) {
      this.#cursor.flush();
      loginName.pay(this.#cursor.server);
    }
    this.#relay.attention.keepIf(timed || this.#shows.watches || reads.on);
    return this.#shows.take();
  }

  /** Whether the message at hand says of itself that it reads or writes; null for neither, undefined when more must come first. */
  #intentOf(): "read" | "write" | null | undefined {
    const { type, bytes, bodyStart, end, messageEnd } = this.#cursor;
    if (type !== Front.Query) return this.#extended.intentOf();
    if (!this.#steering.mayConcern(bytes, bodyStart, end, messageEnd - 1)) return null;
    return this.#steering.intentOf(this.#cursor, bodyStart, messageEnd);
  }

  /** Whether the message has to wait as it stands behind the end of a statement that runs alone. */
  #mustFollow(): boolean {
    const cursor = this.#cursor;
    return cursor.server.owed.readies > 0 && FAILABLE.includes(String.fromCharCode(cursor.type)) &&
      cursor.awaitRuns();
  }

  /** A simple query that may speak to pgplex. Returns 0 when it goes on its usual way. */
  #steerQuery(): number {
    const cursor = this.#cursor;
    const steering = this.#steering;
    const { server, bytes, bodyStart, end, length, messageEnd } = cursor;
    if (!steering.sees(messageEnd - bodyStart, end - bodyStart)) {
      return cursor.want(Math.min(1 + length, 5 + HEAD_BYTES_MAX));
    }
    const steered = steering.peek(bytes, bodyStart, messageEnd, end);
    // What is asked is done once: so all that is to be looked at must be there before.
    const looked = steered !== null && this.#relay.renames ? lookedAt(length) : 0;
    if (end - cursor.at < looked) return cursor.want(looked);
    // A Sync may go before it, or behind its error.
    if (steered !== null && cursor.awaitAhead()) return -1;
    if (!steering.begin(cursor, steered?.statement ?? [])) return -1;
    if (steered === null) return 0;
    cursor.flush();
    steering.apply(server, steered, true);
    if (steered.error === null && steered.text === null) return 0;
    this.#relay.progress.batchEnds();
    this.#extended.queryEndsUnnamed(server);
    if (steered.error !== null) {
      refuse(server, steered.error);
      server.out.put(encodeSync());
      server.owed.sent(Owed.Sync);
    } else if (steered.show !== null) this.#showQuery.ask(server, steered.text!);
    else {
      server.out.put(encodeQuery(steered.text!));
      server.owed.sent(Owed.Query);
    }
    return cursor.drop();
  }

  #beforeSync(): void {
    this.#cursor.flush();
    this.#relay.preamble.lender!.beforeSync(this.#cursor.server);
  }

  /** Looks at a simple query's text; false when more of it, or replies, must come first. */
  #lookAtQuery(): boolean {
    const relay = this.#relay;
    const cursor = this.#cursor;
    if (1 + cursor.length > WHOLE_BYTES_MAX) return this.#lookAtLongQuery();
    if (!cursor.whole) return cursor.wantWhole() > 0;
    const { server } = cursor;
    const { preamble } = relay;
    const fingerprint = relay.watch.look(cursor.bytes, cursor.bodyStart, cursor.messageEnd - 1);
    if (cursor.awaitWhile(() => preamble.mustSettle(server, fingerprint))) return false;
    if (preamble.renews(server, fingerprint)) return cursor.needLease() > 0;
    if (preamble.interferes(fingerprint)) {
      // A Sync stands behind what goes before it.
      if (cursor.awaitAhead()) return false;
      cursor.flush();
    }
    preamble.runs(server, fingerprint, true);
    return true;
  }

  /** The same of one that does not lie in the buffer: what its beginning says comes before it, the rest is read as it passes. */
  #lookAtLongQuery(): boolean {
    const { watch, preamble } = this.#relay;
    const cursor = this.#cursor;
    const { server, bytes, at, bodyStart, end } = cursor;
    if (end - at < LONG_HEAD_BYTES) return cursor.want(LONG_HEAD_BYTES) > 0;
    const fingerprint = watch.lookAtHead(bytes, bodyStart, at + LONG_HEAD_BYTES);
    if (cursor.awaitWhile(() => preamble.mustSettle(server, fingerprint))) return false;
    const interferes = preamble.interferes(fingerprint);
    if (interferes && cursor.awaitAhead()) return false;
    if (interferes) cursor.flush();
    preamble.runs(server, fingerprint, true);
    cursor.readBy(watch.readLong((read) => watch.turnsOut(fingerprint, read)));
    return true;
  }
}

const ABOUT_DATABASE = /^[\s;]*(?:drop|alter|create)\s+database\b/i;

/** How much of a query whose length field says `length` has to lie in the buffer to be looked at. */
function lookedAt(length: number): number {
  return 1 + length > WHOLE_BYTES_MAX ? LONG_HEAD_BYTES : 1 + length;
}

/** A query that is longer is read as it passes. */
const WHOLE_BYTES_MAX = 1 << 16;

/** So much of a long query is looked at before it goes to the server. */
const LONG_HEAD_BYTES = 8192;
