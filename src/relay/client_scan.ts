import { Owed, type ServerConnection, type StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  Action,
  CLIENT_ACTIONS,
  clientMessageMax,
  encodeError,
  encodeQuery,
  encodeSync,
  Front,
  HEAD_BYTES_MAX,
  headMayConcern,
  int32At,
} from "../protocol/mod.ts";
import { ClientCursor, LOOK_BYTES_MAX, Need, Rest } from "./client_cursor.ts";
import { ExtendedQuery } from "./statements/extended_query.ts";
import type { OptionChange } from "../options/mod.ts";
import { refuse } from "./poison.ts";
import type { Relay } from "./relay.ts";
import { ShowPortals } from "./show/show_portals.ts";
import { ShowQuery } from "./show/show_query.ts";
import type { Steering } from "./steering.ts";
import { READY_IDLE } from "./replies.ts";

/**
 * What is left out after no server could be had: nothing, the next message, everything up to Sync; then whatever was on its way
 * already, as it was sent in the belief that the former would run.
 */
const Failing = { No: 0, Message: 1, Batch: 2, Next: 3 } as const;

/** Messages that a server would answer, or fail. */
const FAILABLE = "QFPBDEC";

/**
 * The client's messages on their way to the server: a header picks the action, bodies are counted down. Pure.
 *
 * Messages without a lease stop the scan with {@link Need.Lease}, except those that pgplex answers itself.
 */
export class ClientScan {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #extended: ExtendedQuery;
  #failing: number = Failing.No;
  #failure: Uint8Array | null = null;

  readonly #steering: Steering;
  readonly #showQuery: ShowQuery;
  readonly #shows: ShowPortals;

  constructor(relay: Relay, store: StatementStore, steering: Steering) {
    this.#relay = relay;
    this.#steering = steering;
    this.#cursor = new ClientCursor(relay);
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
    return server !== null && (server.owed.full || (this.#cursor.doubt?.() ?? false));
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

  /** Leaves out a message after no server could be had. */
  #failMessage(type: number, at: number, messageEnd: number, end: number): number {
    if (this.#failing === Failing.Next) {
      if (type !== Front.Sync && !FAILABLE.includes(String.fromCharCode(type))) {
        return this.#cursor.dropMessage(at, messageEnd - at - 1);
      }
      this.#failUnit(type);
    }
    if (this.#failing === Failing.Message || type === Front.Sync) {
      this.#failing = messageEnd < end ? Failing.Next : Failing.No;
      this.#relay.client.put(READY_IDLE);
    }
    return this.#cursor.dropMessage(at, messageEnd - at - 1);
  }

  /** Whether the client is between two messages. */
  get atMessageStart(): boolean {
    return this.#cursor.left === 0;
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
    cursor.start(start);
    let at = start;
    while (at < end) {
      if (cursor.left > 0) {
        at = cursor.takeRest(bytes, at, end);
        continue;
      }
      const type = bytes[at]!;
      if (CLIENT_ACTIONS[type] === Action.Reject) {
        if (this.#answersFirst(bytes, at, true)) break;
        throw invalidType(type);
      }
      if (end - at < 5) break;
      const length = int32At(bytes, at + 1);
      if (length < 4 || length > clientMessageMax(type)) {
        if (this.#answersFirst(bytes, at, false)) break;
        throw new InvalidMessageLength();
      }
      const server = relay.server;
      if (server === null) {
        const next = this.#withoutLease(type, length, bytes, at, end);
        if (next < 0) break;
        at = next;
        continue;
      }
      if (server.owed.full) {
        this.#cursor.need = Need.Replies;
        break;
      }
      const next = this.#toServer(server, type, length, bytes, at, end);
      if (next < 0) break;
      at = next;
    }
    if (at === end && this.#failing === Failing.Next) this.#failing = Failing.No;
    this.#cursor.flushRun(bytes, at);
    return at;
  }

  /**
   * Whether replies must come before the connection ends with the message at `at`. What PostgreSQL says last brings the replies
   * of a batch without Sync along (`flush`); where it says nothing, they stay away.
   */
  #answersFirst(bytes: Uint8Array, at: number, flush: boolean): boolean {
    const { server } = this.#relay;
    if (server === null) return false;
    const { owed } = server;
    return flush
      ? this.#cursor.awaitAll(server, bytes, at)
      : this.#cursor.awaitWhile(() => !owed.copyIn && owed.readies > 0);
  }

  /** Messages that pgplex answers itself while the session has no server. Returns the place behind, or -1 to stop. */
  #withoutLease(type: number, length: number, bytes: Uint8Array, at: number, end: number): number {
    const relay = this.#relay;
    if (this.#failing !== Failing.No && type !== Front.Terminate) {
      return this.#failMessage(type, at, at + 1 + length, end);
    }
    switch (type) {
      case Front.Terminate:
        this.#cursor.need = Need.End;
        return -1;
      case Front.CopyData:
      case Front.CopyDone:
      case Front.CopyFail:
        // PostgreSQL ignores them outside of COPY: the client may send them on after the server reported an error.
        return this.#cursor.dropMessage(at, length);
      case Front.Flush:
        if (length !== 4) break; // malformed: the server says so
        return this.#cursor.dropMessage(at, length);
      case Front.Sync:
        if (!relay.renames || length !== 4) break;
        relay.client.put(READY_IDLE);
        relay.queryCount++;
        return this.#cursor.dropMessage(at, length);
      case Front.Close: {
        if (!relay.renames) break;
        const messageEnd = at + 1 + length;
        if (messageEnd > end) return this.#cursor.want(1 + length);
        const name = this.#extended.statementOf(bytes, at, messageEnd);
        if (name === null || relay.isSqlStatement(name)) break;
        this.#extended.closeStatement(name);
        this.#cursor.run = messageEnd;
        return messageEnd;
      }
    }
    const foreseen = type === Front.Query
      ? this.#foreseeQuery(length, bytes, at, end)
      : this.#extended.foresee(type, length, bytes, at, end);
    if (foreseen !== 0) return foreseen;
    this.#cursor.need = Need.Lease;
    return -1;
  }

  /**
   * Before a server connection is had for a simple query: what its statement says of the wait holds already, or it is answered.
   * Returns the place behind its header, -1 to stop, 0 when it needs a server.
   */
  #foreseeQuery(length: number, bytes: Uint8Array, at: number, end: number): number {
    if (!headMayConcern(bytes, at + 5, end, at + length)) return 0;
    const answered = this.#showQuery.answer(length, bytes, at, end);
    if (answered !== 0) return answered;
    const foreseen = this.#steering.foresee(bytes, at + 5, at + 1 + length, end);
    return foreseen ? 0 : this.#cursor.wantHead(length, at, end);
  }

  #toServer(
    server: ServerConnection,
    type: number,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): number {
    const { owed } = server;
    if (this.#relay.attentive) {
      const next = this.#attend(server, type, length, bytes, at, end);
      if (next !== 0) return next;
    }
    this.#relay.boundary = false;
    switch (type) {
      case Front.Query:
        if (!owed.skipping) {
          if (headMayConcern(bytes, at + 5, end, at + length)) {
            const next = this.#steerQuery(server, length, bytes, at, end);
            if (next !== 0) return next;
          } else if (this.#steering.active && !this.#begin(server, [], bytes, at)) return -1;
        }
        if (this.#relay.renames && !owed.skipping && !this.#lookAtQuery(server, length, bytes, at, end)) {
          return -1;
        }
        this.#relay.openBatch = this.#relay.batchSent = false;
        server.unnamedOwner = null;
        this.#relay.names.dropUnnamed();
        owed.sent(Owed.Query);
        return this.#cursor.begin(at + 5, length - 4, Rest.Pass);
      case Front.Execute:
        this.#relay.openBatch = this.#relay.batchSent = true;
        owed.sent(Owed.Execute);
        return this.#cursor.begin(at + 5, length - 4, Rest.Pass);
      case Front.Sync:
        if (this.#relay.lender !== null && !owed.skipping) this.#beforeSync(server, bytes, at);
        this.#relay.openBatch = this.#relay.batchSent = false;
        owed.sent(Owed.Sync);
        return this.#cursor.begin(at + 5, length - 4, Rest.Pass);
      case Front.FunctionCall:
        if (this.#steering.active && !this.#begin(server, [], bytes, at)) return -1;
        this.#relay.watch.runsOpaque();
        this.#relay.openBatch = this.#relay.batchSent = false;
        owed.sent(Owed.FunctionCall);
        return this.#cursor.begin(at + 5, length - 4, Rest.Pass);
      case Front.CopyDone:
      case Front.CopyFail:
        owed.copyEnds();
        return this.#cursor.passUnanswered(at, length);
      case Front.Flush:
        if (length !== 4) return this.#malformedFlush(server, length, bytes, at);
        return this.#cursor.passUnanswered(at, length);
      case Front.CopyData:
        owed.copyData();
        return this.#cursor.passUnanswered(at, length);
      case Front.Terminate:
        this.#cursor.need = Need.End;
        return -1;
      case Front.Parse:
        return this.#extended.parse(server, length, bytes, at, end);
      case Front.Bind:
        return this.#extended.bind(server, length, bytes, at, end);
      case Front.Describe:
      case Front.Close:
        return this.#extended.describeOrClose(server, type, length, bytes, at, end);
      default:
        throw invalidType(type);
    }
  }

  /** The server fails it, and skips up to Sync; in a COPY it ignores it. Which of both must be known. */
  #malformedFlush(server: ServerConnection, length: number, bytes: Uint8Array, at: number): number {
    const { owed } = server;
    if (!owed.skipping && this.#cursor.awaitAll(server, bytes, at)) return -1;
    if (!owed.copyIn) {
      this.#relay.openBatch = this.#relay.batchSent = true;
      // Any kind will do that takes an error.
      owed.sent(Owed.Describe);
    }
    return this.#cursor.begin(at + 5, length - 4, Rest.Pass);
  }

  /** A message that may have to wait, or be about SHOW of an option. Returns 0 when it goes on its usual way. */
  #attend(
    server: ServerConnection,
    type: number,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): number {
    const { timed } = this.#steering;
    if (timed && this.#mustFollow(server, type, bytes, at)) return -1;
    this.#relay.attentive = timed || this.#shows.watches;
    return this.#shows.take(server, type, length, bytes, at, end);
  }

  /** Whether the message has to wait as it stands behind the end of a statement that runs alone. */
  #mustFollow(server: ServerConnection, type: number, bytes: Uint8Array, at: number): boolean {
    return server.owed.readies > 0 && FAILABLE.includes(String.fromCharCode(type)) &&
      this.#cursor.awaitRuns(server, bytes, at);
  }

  #begin(server: ServerConnection, changes: readonly OptionChange[], bytes: Uint8Array, at: number): boolean {
    return this.#steering.begin(server, changes, { cursor: this.#cursor, bytes, at });
  }

  /** A simple query that may speak to pgplex. Returns 0 when it goes on its usual way. */
  #steerQuery(server: ServerConnection, length: number, bytes: Uint8Array, at: number, end: number): number {
    const cursor = this.#cursor;
    const messageEnd = at + 1 + length;
    if (!this.#steering.sees(messageEnd - at - 5, end - at - 5)) {
      return cursor.want(Math.min(1 + length, 5 + HEAD_BYTES_MAX));
    }
    const steered = this.#steering.peek(bytes, at + 5, messageEnd, end);
    // What is asked is done once: so all that is to be looked at must be there before.
    const looks = steered !== null && this.#relay.renames && 1 + length <= LOOK_BYTES_MAX;
    if (looks && messageEnd > end) return cursor.want(1 + length);
    if (!this.#begin(server, steered?.statement ?? [], bytes, at)) return -1;
    if (steered === null) return 0;
    cursor.flushRun(bytes, at);
    this.#steering.apply(server, steered, true);
    if (steered.error === null && steered.text === null) return 0;
    this.#relay.openBatch = this.#relay.batchSent = false;
    server.unnamedOwner = null;
    this.#relay.names.dropUnnamed();
    if (steered.error !== null) {
      refuse(server, steered.error);
      server.out.put(encodeSync());
      server.owed.sent(Owed.Sync);
    } else if (steered.show !== null) this.#showQuery.ask(server, steered.text!);
    else {
      server.out.put(encodeQuery(steered.text!));
      server.owed.sent(Owed.Query);
    }
    return cursor.dropMessage(at, length);
  }

  #beforeSync(server: ServerConnection, bytes: Uint8Array, at: number): void {
    this.#cursor.flushRun(bytes, at);
    this.#relay.lender!.beforeSync(server);
  }

  /** Looks at a simple query's text; false when more of it must come first. */
  #lookAtQuery(
    server: ServerConnection,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): boolean {
    const relay = this.#relay;
    if (1 + length > LOOK_BYTES_MAX) {
      relay.watch.runsOpaque();
      return true;
    }
    if (at + 1 + length > end) return this.#cursor.want(1 + length) > 0;
    const fingerprint = relay.watch.look(bytes, at + 5, at + length);
    if (this.#cursor.awaitWhile(() => relay.mustSettle(server, fingerprint))) {
      return false;
    }
    if (relay.interferes(fingerprint)) this.#cursor.flushRun(bytes, at);
    relay.runs(server, fingerprint, true);
    return true;
  }
}

/** PostgreSQL says nothing to a client that sends an impossible length: it logs, and closes (pq_getmessage). */
export class InvalidMessageLength extends PgplexError {
  constructor() {
    super("protocol_violation", "invalid message length");
  }
}

function invalidType(type: number): PgplexError {
  return new PgplexError("protocol_violation", `invalid frontend message type ${type}`);
}
