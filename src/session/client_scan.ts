import { Mark, Owed, type ServerConnection, type Statement, type StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  Action,
  type BinaryString,
  binaryString,
  CLIENT_ACTIONS,
  clientMessageMax,
  encodeError,
  encodeReadyForQuery,
  findNul,
  Front,
  int32At,
  peekBindStatement,
  putInt32,
  sqlFingerprint,
  STATEMENT_NAME_BYTES_MAX,
  statementName,
  TxStatus,
  utf8FromBinary,
} from "../protocol/mod.ts";
import { LARGE_BUFFER_BYTES } from "../transport/mod.ts";
import { type Fingerprint, OPAQUE_FINGERPRINT } from "./fingerprints.ts";
import { missingStatement, type Relay } from "./relay.ts";

/** What the client's side needs before it can go on. */
export const Need = {
  /** More bytes from the client. */
  Bytes: 0,
  /** A server connection. */
  Lease: 1,
  /** Replies from the server: too many are in flight. */
  Replies: 2,
  /** Nothing: the client said Terminate. */
  End: 3,
} as const;
export type Need = (typeof Need)[keyof typeof Need];

/** The longest Parse of a named statement that transaction pooling takes; it must be kept to be made again elsewhere. */
export const STATEMENT_BYTES_MAX = 16 << 20;

/** Texts longer than this are not looked at: what they do to session state is found by a probe each time. */
const LOOK_BYTES_MAX = LARGE_BUFFER_BYTES;

/** Names of portals and statements that fit the buffer; PostgreSQL itself compares 63 bytes of them. */
const NAMES_BYTES_MAX = 8192;

const CLOSE_COMPLETE: Readonly<Uint8Array> = new Uint8Array([0x33, 0, 0, 0, 4]);
const READY_IDLE: Readonly<Uint8Array> = encodeReadyForQuery(TxStatus.Idle);

/**
 * What is left out after no server could be had: nothing, the next message, everything up to Sync; then whatever was on its way
 * already, as it was sent in the belief that the former would run.
 */
const Failing = { No: 0, Message: 1, Batch: 2, Next: 3 } as const;

/** Messages that a server would answer, or fail. */
const FAILABLE = "QFPBDEC";

/** Where the rest of the message that has begun goes. */
const Rest = { Pass: 0, Record: 1, Drop: 2 } as const;

/**
 * The client's messages on their way to the server: a header picks the action, bodies are counted down. Pure.
 *
 * Messages without a lease stop the scan with {@link Need.Lease}, except those that pgplex answers itself.
 */
export class ClientScan {
  readonly #relay: Relay;
  readonly #store: StatementStore;
  /** Bytes of the current message's body that have not come yet. */
  #left = 0;
  #rest: number = Rest.Pass;
  #failing: number = Failing.No;
  #failure: Uint8Array | null = null;
  #need: Need = Need.Bytes;
  /** Bytes that must lie in the buffer from the first not taken on; 0: any number helps. */
  #wanted = 0;
  /** With {@link Need.Replies}: whether to wait on. */
  #doubt: (() => boolean) | null = null;
  /** Place of the first byte that is to be forwarded and was not handed over yet. */
  #run = 0;
  /** The client's own Parses of the unnamed statement that were not answered yet. */
  #unnamedParses = 0;

  constructor(relay: Relay, store: StatementStore) {
    this.#relay = relay;
    this.#store = store;
  }

  /** Why the last {@link scan} stopped. */
  get need(): Need {
    return this.#need;
  }

  /** With {@link Need.Bytes}: how many must be in the buffer for the next message, 0 when any help. */
  get wanted(): number {
    return this.#wanted;
  }

  /** With {@link Need.Replies}: whether what is waited for has not come yet. */
  get blocked(): boolean {
    const server = this.#relay.server;
    return server !== null && (server.owed.full || (this.#doubt?.() ?? false));
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
        return this.#dropMessage(at, messageEnd - at - 1);
      }
      this.#failUnit(type);
    }
    if (this.#failing === Failing.Message || type === Front.Sync) {
      this.#failing = messageEnd < end ? Failing.Next : Failing.No;
      this.#relay.client.put(READY_IDLE as Uint8Array);
    }
    return this.#dropMessage(at, messageEnd - at - 1);
  }

  /** Whether the client is between two messages. */
  get atMessageStart(): boolean {
    return this.#left === 0;
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
    this.#need = Need.Bytes;
    this.#wanted = 0;
    this.#doubt = null;
    this.#run = start;
    let at = start;
    while (at < end) {
      if (this.#left > 0) {
        at = this.#takeRest(bytes, at, end);
        continue;
      }
      const type = bytes[at]!;
      if (CLIENT_ACTIONS[type] === Action.Reject) throw invalidType(type);
      if (end - at < 5) break;
      const length = int32At(bytes, at + 1);
      if (length < 4 || length > clientMessageMax(type)) throw new InvalidMessageLength();
      const server = relay.server;
      if (server === null) {
        const next = this.#withoutLease(type, length, bytes, at, end);
        if (next < 0) break;
        at = next;
        continue;
      }
      if (server.owed.full) {
        this.#need = Need.Replies;
        break;
      }
      const next = this.#toServer(server, type, length, bytes, at, end);
      if (next < 0) break;
      at = next;
    }
    if (at === end && this.#failing === Failing.Next) this.#failing = Failing.No;
    this.#flushRun(bytes, at);
    return at;
  }

  /** Counts down the current message's body. */
  #takeRest(bytes: Uint8Array, at: number, end: number): number {
    const relay = this.#relay;
    const n = Math.min(this.#left, end - at);
    if (this.#rest === Rest.Record) relay.names.recordUnnamed(bytes, at, at + n);
    if (this.#rest === Rest.Drop) {
      this.#flushRun(bytes, at);
      this.#run = at + n;
    }
    this.#left -= n;
    if (this.#left === 0) {
      this.#rest = Rest.Pass;
      relay.midMessage = false;
      if (relay.server !== null) relay.checkBoundary();
    }
    return at + n;
  }

  /** Begins to count down a body of `bodyBytes`, of which the header is taken: returns the place behind the header. */
  #begin(headerEnd: number, bodyBytes: number, rest: number): number {
    this.#left = bodyBytes;
    this.#rest = rest;
    if (bodyBytes > 0) this.#relay.midMessage = rest !== Rest.Drop;
    return headerEnd;
  }

  /** Messages that pgplex answers itself while the session has no server. Returns the place behind, or -1 to stop. */
  #withoutLease(type: number, length: number, bytes: Uint8Array, at: number, end: number): number {
    const relay = this.#relay;
    if (this.#failing !== Failing.No && type !== Front.Terminate) {
      return this.#failMessage(type, at, at + 1 + length, end);
    }
    switch (type) {
      case Front.Terminate:
        this.#need = Need.End;
        return -1;
      case Front.CopyData:
      case Front.CopyDone:
      case Front.CopyFail:
        // PostgreSQL ignores them outside of COPY: the client may send them on after the server reported an error.
        return this.#dropMessage(at, length);
      case Front.Flush:
        if (length !== 4) break; // malformed: the server says so
        return this.#dropMessage(at, length);
      case Front.Sync:
        if (!relay.renames || length !== 4) break;
        relay.client.put(READY_IDLE as Uint8Array);
        relay.queryCount++;
        return this.#dropMessage(at, length);
      case Front.Close: {
        if (!relay.renames) break;
        const messageEnd = at + 1 + length;
        if (messageEnd > end) return this.#want(1 + length);
        const name = this.#statementOf(bytes, at, messageEnd);
        if (name === null || relay.isSqlStatement(name)) break;
        this.#closeStatement(name);
        this.#run = messageEnd;
        return messageEnd;
      }
    }
    this.#need = Need.Lease;
    return -1;
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
    this.#relay.boundary = false;
    switch (type) {
      case Front.Query:
        if (this.#relay.renames && !owed.skipping && !this.#lookAtQuery(server, length, bytes, at, end)) {
          return -1;
        }
        this.#relay.openBatch = false;
        server.unnamedOwner = null;
        this.#relay.names.dropUnnamed();
        owed.sent(Owed.Query);
        return this.#begin(at + 5, length - 4, Rest.Pass);
      case Front.Execute:
        this.#relay.openBatch = true;
        owed.sent(Owed.Execute);
        return this.#begin(at + 5, length - 4, Rest.Pass);
      case Front.Sync:
        this.#relay.openBatch = false;
        owed.sent(Owed.Sync);
        return this.#begin(at + 5, length - 4, Rest.Pass);
      case Front.FunctionCall:
        this.#relay.watch.runsOpaque();
        this.#relay.openBatch = false;
        owed.sent(Owed.FunctionCall);
        return this.#begin(at + 5, length - 4, Rest.Pass);
      case Front.CopyDone:
      case Front.CopyFail:
        owed.copyEnds();
        return this.#passUnanswered(at, length);
      case Front.Flush:
      case Front.CopyData:
        return this.#passUnanswered(at, length);
      case Front.Terminate:
        this.#need = Need.End;
        return -1;
      case Front.Parse:
        this.#relay.openBatch = true;
        return this.#parse(server, length, bytes, at, end);
      case Front.Bind:
        this.#relay.openBatch = true;
        return this.#bind(server, length, bytes, at, end);
      case Front.Describe:
      case Front.Close:
        this.#relay.openBatch = true;
        return this.#describeOrClose(server, type, length, bytes, at, end);
      default:
        throw invalidType(type);
    }
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
    if (at + 1 + length > end) return this.#want(1 + length) > 0;
    const fingerprint = relay.watch.look(bytes, at + 5, at + length);
    if (interferes(fingerprint)) this.#flushRun(bytes, at);
    relay.runs(server, fingerprint, true);
    return true;
  }

  /** What is known of the text of a Parse that lies in the buffer as a whole; it is too long otherwise. */
  #lookAtParse(bytes: Uint8Array, textStart: number, messageEnd: number, end: number): Fingerprint {
    const nul = messageEnd > end ? -1 : findNul(bytes, textStart, messageEnd);
    return nul < 0 ? OPAQUE_FINGERPRINT : this.#relay.watch.look(bytes, textStart, nul);
  }

  /** A statement is bound: it will run. False when more of the message must come first. */
  #noteBind(
    server: ServerConnection,
    fingerprint: Fingerprint,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): boolean {
    const relay = this.#relay;
    if (fingerprint.traits.setsByFunction && 1 + length <= LOOK_BYTES_MAX) {
      if (at + 1 + length > end) return this.#want(1 + length) > 0;
      relay.watch.lookAtParameters(bytes, at + 5, at + 1 + length);
    }
    if (interferes(fingerprint)) {
      this.#flushRun(bytes, at);
      this.#run = at;
    }
    relay.runs(server, fingerprint, false);
    return true;
  }

  /** The columns of an EXECUTE are those of the statement that it names: the server must have that when it parses. */
  #lendForDescribe(server: ServerConnection, fingerprint: Fingerprint, bytes: Uint8Array, at: number): void {
    if (!interferes(fingerprint)) return;
    this.#flushRun(bytes, at);
    this.#run = at;
    this.#relay.runs(server, fingerprint, false);
  }

  /** No reply will tell that the lease may end: if it may end here, it does when the message is gone. */
  #passUnanswered(at: number, length: number): number {
    const next = this.#begin(at + 5, length - 4, Rest.Pass);
    if (this.#left === 0) this.#relay.checkBoundary();
    return next;
  }

  #parse(server: ServerConnection, length: number, bytes: Uint8Array, at: number, end: number): number {
    const { names, renames } = this.#relay;
    const bodyStart = at + 5;
    if (!renames) {
      server.owed.sent(Owed.Parse);
      return this.#begin(bodyStart, length - 4, Rest.Pass);
    }
    if (end - bodyStart < Math.min(1, length - 4)) return this.#want(6);
    if (bytes[bodyStart] === 0 || length === 4) {
      if (server.owed.skipping) {
        // Nobody needs to know whose unnamed statement the server has left: whoever binds next makes its own.
        server.unnamedOwner = null;
        names.dropUnnamed();
        return this.#begin(bodyStart, length - 4, Rest.Pass);
      }
      if (at + 1 + length > end && 1 + length <= LOOK_BYTES_MAX) return this.#want(1 + length);
      names.unnamedFingerprint = this.#lookAtParse(bytes, bodyStart + 1, at + 1 + length, end);
      this.#lendForDescribe(server, names.unnamedFingerprint, bytes, at);
      names.beginUnnamed(length - 4);
      this.#relay.ownUnnamed(server);
      this.#unnamedParses++;
      server.owed.sent(Owed.Parse | Mark.Effect, this.#unnamedEffect);
      return this.#begin(bodyStart, length - 4, Rest.Record);
    }
    if (server.owed.skipping) return this.#begin(bodyStart, length - 4, Rest.Pass);
    if (1 + length > STATEMENT_BYTES_MAX) {
      this.#replaceBy(server, bytes, at, tooLarge(length));
      return this.#dropMessage(at, length);
    }
    const messageEnd = at + 1 + length;
    if (messageEnd > end) return this.#want(1 + length);
    const nameEnd = findNul(bytes, bodyStart, messageEnd);
    if (nameEnd < 0) { // malformed: the server says so
      server.owed.sent(Owed.Parse);
      return messageEnd;
    }
    const name = statementName(bytes, bodyStart, nameEnd);
    if (this.#relay.isSqlStatement(name) && names.findName(name) === null) {
      this.#useSqlStatement(server, name, bytes, at);
      server.owed.sent(Owed.Parse); // the server has it, and says so
      return messageEnd;
    }
    const definition = binaryString(bytes, nameEnd + 1, messageEnd);
    const existing = names.find(bytes, bodyStart, bodyStart + name.length);
    const statement = existing ?? this.#store.use(definition);
    if (this.#nameDoubtful(server, name) || this.#statementDoubtful(server, statement)) {
      if (existing === null) this.#store.release(statement);
      return -1;
    }
    // A DEALLOCATE ALL may be on its way.
    const { owed } = server;
    if (existing !== null && this.#awaitWhile(() => owed.readies > 0 && !owed.copyIn)) return -1;
    this.#flushRun(bytes, at);
    if (statement.hash === 0 && 1 + length <= LOOK_BYTES_MAX) {
      const nul = findNul(bytes, nameEnd + 1, messageEnd);
      if (nul >= 0) statement.hash = sqlFingerprint(bytes, nameEnd + 1, nul, this.#relay.watch.backslashes);
    }
    if (1 + length <= LOOK_BYTES_MAX) {
      this.#lendForDescribe(server, this.#lookAtParse(bytes, nameEnd + 1, messageEnd, end), bytes, at);
    }
    if (existing === null) this.#parseNamed(server, name, statement);
    else this.#relay.refuseDuplicate(server, textAt(bytes, bodyStart, nameEnd), definition);
    this.#run = messageEnd;
    return messageEnd;
  }

  /** Makes `statement`, of which one more use is counted already, under a name that is free. */
  #parseNamed(server: ServerConnection, name: BinaryString, statement: Statement): void {
    const relay = this.#relay;
    const { inFlight } = server.prepared;
    if (server.prepared.touch(statement)) {
      // The client is to hear what the server says of it now, so it is parsed anew.
      server.prepared.delete(statement);
      relay.closeOnServer(server, statement);
    }
    server.out.put(statement.encodeParse());
    server.prepared.add(statement, server.settings.searchPath);
    relay.names.set(name, statement);
    inFlight.begin(statement, server.owed.batch);
    relay.namesInFlight.begin(name, server.owed.batch);
    server.owed.sent(Owed.Parse | Mark.Effect, {
      done: () => {
        inFlight.settle(statement);
        relay.namesInFlight.settle(name);
      },
      undo: () => {
        inFlight.settle(statement);
        relay.namesInFlight.settle(name);
        server.prepared.delete(statement);
        if (relay.names.remove(name) !== null) this.#store.release(statement);
      },
    });
    relay.evictStatements(server);
  }

  #bind(server: ServerConnection, length: number, bytes: Uint8Array, at: number, end: number): number {
    const relay = this.#relay;
    const bodyStart = at + 5;
    if (!relay.renames || server.owed.skipping) {
      server.owed.sent(Owed.Bind);
      return this.#begin(bodyStart, length - 4, Rest.Pass);
    }
    const messageEnd = at + 1 + length;
    const seen = Math.min(end, messageEnd);
    const nameStart = peekBindStatement(bytes, bodyStart, seen);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, seen);
    if (nameEnd < 0) {
      if (seen < messageEnd && seen - at < NAMES_BYTES_MAX) return this.#want(seen - at + 1);
      if (seen < messageEnd) throw new PgplexError("protocol_violation", "invalid string in message");
      server.owed.sent(Owed.Bind); // malformed: the server says so
      return messageEnd;
    }
    if (nameEnd === nameStart) {
      if (this.#unnamedDoubtful(server)) return -1;
      // First: what it sends may replace the server's unnamed statement.
      if (!this.#noteBind(server, relay.names.unnamedFingerprint, length, bytes, at, end)) return -1;
      if (server.unnamedOwner !== relay.names || server.unnamedSerial !== relay.names.unnamedSerial) {
        this.#flushRun(bytes, at);
        this.#run = at;
        if (!relay.ensureUnnamed(server)) return this.#refuse(server, bytes, at, length, "");
      }
      server.owed.sent(Owed.Bind);
      return this.#begin(bodyStart, length - 4, Rest.Pass);
    }
    const keyEnd = Math.min(nameEnd, nameStart + STATEMENT_NAME_BYTES_MAX);
    const statement = relay.names.find(bytes, nameStart, keyEnd);
    if (this.#useDoubtful(server, statement, bytes, nameStart, keyEnd)) return -1;
    if (statement === null) {
      const name = binaryString(bytes, nameStart, keyEnd);
      if (relay.isSqlStatement(name)) {
        this.#useSqlStatement(server, name, bytes, at);
        server.owed.sent(Owed.Bind);
        return this.#begin(bodyStart, length - 4, Rest.Pass);
      }
      return this.#refuse(server, bytes, at, length, textAt(bytes, nameStart, nameEnd));
    }
    const known = statement.hash === 0 ? null : relay.watch.fingerprints.find(statement.hash);
    if (!this.#noteBind(server, known ?? OPAQUE_FINGERPRINT, length, bytes, at, end)) return -1;
    this.#flushRun(bytes, at);
    relay.ensureStatement(server, statement);
    this.#putRenamed(server, bytes, at, { nameStart, nameEnd, length, statement });
    server.owed.sent(Owed.Bind);
    this.#run = nameEnd;
    return this.#begin(nameEnd, messageEnd - nameEnd, Rest.Pass);
  }

  #describeOrClose(
    server: ServerConnection,
    type: number,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): number {
    const relay = this.#relay;
    const kind = type === Front.Describe ? Owed.Describe : Owed.Close;
    const messageEnd = at + 1 + length;
    if (!relay.renames || (server.owed.skipping && type !== Front.Close)) {
      server.owed.sent(kind);
      return this.#begin(at + 5, length - 4, Rest.Pass);
    }
    if (messageEnd > end) return this.#want(1 + length);
    const name = this.#statementOf(bytes, at, messageEnd);
    if (server.owed.skipping) {
      if (name === "") relay.names.dropUnnamed();
      return messageEnd;
    }
    if (name === null) { // a portal, or malformed
      server.owed.sent(kind);
      return messageEnd;
    }
    if (name !== "" && relay.isSqlStatement(name) && relay.names.findName(name) === null) {
      this.#useSqlStatement(server, name, bytes, at);
      server.owed.sent(kind);
      return messageEnd;
    }
    if (type === Front.Close) {
      if (this.#nameDoubtful(server, name)) return -1;
      this.#flushRun(bytes, at);
      this.#closeStatement(name);
      this.#run = messageEnd;
      return messageEnd;
    }
    const nameStart = at + 6;
    if (name === "") {
      if (this.#unnamedDoubtful(server)) return -1;
      this.#lendForDescribe(server, relay.names.unnamedFingerprint, bytes, at);
      if (server.unnamedOwner !== relay.names || server.unnamedSerial !== relay.names.unnamedSerial) {
        this.#flushRun(bytes, at);
        this.#run = at;
        if (!relay.ensureUnnamed(server)) return this.#refuse(server, bytes, at, length, "");
      }
      server.owed.sent(kind);
      return messageEnd;
    }
    const keyEnd = nameStart + name.length;
    const statement = relay.names.find(bytes, nameStart, keyEnd);
    if (this.#useDoubtful(server, statement, bytes, nameStart, keyEnd)) return -1;
    const nameEnd = messageEnd - 1;
    if (statement === null) return this.#refuse(server, bytes, at, length, textAt(bytes, nameStart, nameEnd));
    const known = statement.hash === 0 ? null : relay.watch.fingerprints.find(statement.hash);
    if (known !== null) this.#lendForDescribe(server, known, bytes, at);
    this.#flushRun(bytes, at);
    relay.ensureStatement(server, statement);
    this.#putRenamed(server, bytes, at, { nameStart, nameEnd, length, statement });
    server.owed.sent(kind);
    this.#run = nameEnd;
    return messageEnd;
  }

  /** The statement's name in a complete Describe or Close; null when it is about a portal, or malformed. */
  #statementOf(bytes: Uint8Array, at: number, messageEnd: number): BinaryString | null {
    if (bytes[at + 5] !== 0x53 || messageEnd - at < 7 || bytes[messageEnd - 1] !== 0) return null;
    const nul = findNul(bytes, at + 6, messageEnd);
    return nul === messageEnd - 1 ? statementName(bytes, at + 6, nul) : null;
  }

  #closeStatement(name: BinaryString): void {
    const relay = this.#relay;
    if (name === "") {
      relay.names.dropUnnamed(); // now, as a Parse behind it may make another before its turn comes
      relay.answer(Owed.Close, {
        done() {},
        undo() {},
        reply: CLOSE_COMPLETE as Uint8Array,
      });
      return;
    }
    // Closing what does not exist is no error.
    const statement = relay.names.remove(name);
    relay.namesInFlight.begin(name, relay.server?.owed.batch ?? 0);
    relay.answer(Owed.Close, {
      done: () => {
        relay.namesInFlight.settle(name);
        if (statement !== null) this.#store.release(statement);
      },
      undo: () => {
        relay.namesInFlight.settle(name);
        if (statement !== null) relay.names.set(name, statement);
      },
      reply: CLOSE_COMPLETE as Uint8Array,
    });
  }

  /** Hands over a message up to and without the NUL of the statement's name, with the name that servers know. */
  #putRenamed(
    server: ServerConnection,
    bytes: Uint8Array,
    at: number,
    { nameStart, nameEnd, length, statement }: {
      nameStart: number;
      nameEnd: number;
      length: number;
      statement: Statement;
    },
  ): void {
    // The buffer is this session's own, and the message is not read again: its length is patched where it lies.
    putInt32(bytes, at + 1, length - (nameEnd - nameStart) + statement.nameBytes.length);
    server.out.forward(bytes, at, nameStart);
    server.out.put(statement.nameBytes);
  }

  /**
   * Whether the message at hand has to wait as an earlier batch, which may fail, is about to change what its statement's
   * name stands for, or whether the server has the statement. In its own batch both would be skipped together.
   */
  #useDoubtful(
    server: ServerConnection,
    statement: Statement | null,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    if (statement !== null && this.#statementDoubtful(server, statement)) return true;
    return this.#relay.namesInFlight.size > 0 && this.#nameDoubtful(server, binaryString(bytes, start, end));
  }

  #statementDoubtful({ prepared, owed }: ServerConnection, statement: Statement): boolean {
    return prepared.inFlight.size > 0 &&
      this.#awaitWhile(() => prepared.inFlight.doubtful(statement, owed.batch));
  }

  #nameDoubtful({ owed }: ServerConnection, name: BinaryString): boolean {
    return this.#relay.namesInFlight.size > 0 &&
      this.#awaitWhile(() => this.#relay.namesInFlight.doubtful(name, owed.batch));
  }

  #unnamedDoubtful(server: ServerConnection): boolean {
    return server.unnamedInFlight > 0 && this.#awaitWhile(() => this.#relay.unnamedDoubtful(server));
  }

  #awaitWhile(doubt: () => boolean): boolean {
    if (!doubt()) return false;
    this.#doubt = doubt;
    this.#need = Need.Replies;
    return true;
  }

  /** A message names a statement that SQL made: the server is made to have it, and nothing is known of what it does. */
  #useSqlStatement(server: ServerConnection, name: BinaryString, bytes: Uint8Array, at: number): void {
    this.#flushRun(bytes, at);
    this.#relay.ensureSqlStatement(server, name, false);
    this.#relay.watch.runsOpaque();
  }

  /** Makes the batch fail because a statement does not exist, and drops the message that named it. */
  #refuse(server: ServerConnection, bytes: Uint8Array, at: number, length: number, name: string): number {
    this.#replaceBy(server, bytes, at, missingStatement(name));
    return this.#dropMessage(at, length);
  }

  #replaceBy(server: ServerConnection, bytes: Uint8Array, at: number, error: PgplexError): void {
    this.#flushRun(bytes, at);
    this.#relay.poison(server, error);
  }

  #dropMessage(at: number, length: number): number {
    this.#run = at + 5;
    return this.#begin(at + 5, length - 4, Rest.Drop);
  }

  #flushRun(bytes: Uint8Array, at: number): void {
    if (this.#run < at) this.#relay.server?.out.forward(bytes, this.#run, at);
    this.#run = at;
  }

  #want(bytes: number): number {
    this.#wanted = bytes;
    return -1;
  }

  readonly #unnamedEffect = {
    done: () => {
      this.#unnamedParses--;
      const server = this.#relay.server;
      if (server !== null) server.unnamedInFlight--;
    },
    // Where a later Parse is on its way, what that one makes stays.
    undo: () => {
      if (--this.#unnamedParses === 0) this.#relay.names.dropUnnamed();
      const server = this.#relay.server;
      if (server !== null && --server.unnamedInFlight === 0) server.unnamedOwner = null;
    },
  };
}

/** PostgreSQL says nothing to a client that sends an impossible length: it logs, and closes (pq_getmessage). */
export class InvalidMessageLength extends PgplexError {
  constructor() {
    super("protocol_violation", "invalid message length");
  }
}

/** Whether messages of pgplex's own go to the server before a statement. */
function interferes({ traits }: Fingerprint): boolean {
  return traits.statements.length > 0 || traits.listsStatements;
}

function invalidType(type: number): PgplexError {
  return new PgplexError("protocol_violation", `invalid frontend message type ${type}`);
}

function tooLarge(length: number): PgplexError {
  return new PgplexError(
    "statement_too_large",
    "the prepared statement is too large for transaction pooling",
    {
      detail: `Its Parse message has ${length} bytes, the limit is ${STATEMENT_BYTES_MAX}.`,
      hint: "Use the unnamed statement, or pool_mode: session.",
    },
  );
}

function textAt(bytes: Uint8Array, start: number, end: number): string {
  return utf8FromBinary(binaryString(bytes, start, end));
}
