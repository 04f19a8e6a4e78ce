import { Mark, Owed, type ServerConnection, type Statement, type StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  binaryString,
  findNul,
  Front,
  HEAD_BYTES_MAX,
  headMayConcern,
  peekBindStatement,
  putBinary,
  putInt32,
  sqlFingerprint,
  STATEMENT_NAME_BYTES_MAX,
  statementName,
  utf8FromBinary,
} from "../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX, Rest } from "./client_cursor.ts";
import { type Fingerprint, OPAQUE_FINGERPRINT } from "./fingerprints.ts";
import type { OptionChange } from "./directives.ts";
import { missingStatement, type Relay } from "./relay.ts";
import type { Steered, Steering } from "./steering.ts";

/** The longest Parse of a named statement that transaction pooling takes; it must be kept to be made again elsewhere. */
export const STATEMENT_BYTES_MAX = 16 << 20;

/** Names of portals and statements that fit the buffer; PostgreSQL itself compares 63 bytes of them. */
const NAMES_BYTES_MAX = 8192;

const CLOSE_COMPLETE: Readonly<Uint8Array> = new Uint8Array([0x33, 0, 0, 0, 4]);

/**
 * Parse, Bind, Describe and Close on their way to the server: the session's names of prepared statements become the
 * server's. Pure.
 *
 * Each method takes the message at `at`, whose length field says `length`, of what lies in `bytes` up to `end`, and returns
 * the place of the next byte, or -1 where the scan has to stop.
 */
export class ExtendedQuery {
  readonly #relay: Relay;
  readonly #store: StatementStore;
  readonly #cursor: ClientCursor;
  readonly #steering: Steering;
  /** The client's own Parses of the unnamed statement that were not answered yet. */
  #unnamedParses = 0;

  constructor(relay: Relay, store: StatementStore, cursor: ClientCursor, steering: Steering) {
    this.#relay = relay;
    this.#steering = steering;
    this.#store = store;
    this.#cursor = cursor;
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
      if (at + 1 + length > end) return this.#cursor.want(1 + length) > 0;
      relay.watch.lookAtParameters(bytes, at + 5, at + 1 + length);
    }
    if (this.#mustSettle(server, fingerprint)) return false;
    if (relay.interferes(fingerprint)) {
      this.#cursor.flushRun(bytes, at);
      this.#cursor.run = at;
    }
    relay.runs(server, fingerprint, false);
    return true;
  }

  /**
   * The columns of an EXECUTE are those of the statement that it names: the server must have that when it parses. False when
   * replies must come first.
   */
  #lendForDescribe(
    server: ServerConnection,
    fingerprint: Fingerprint,
    bytes: Uint8Array,
    at: number,
  ): boolean {
    if (!this.#relay.interferes(fingerprint)) return true;
    if (this.#mustSettle(server, fingerprint)) return false;
    this.#cursor.flushRun(bytes, at);
    this.#cursor.run = at;
    this.#relay.runs(server, fingerprint, false);
    return true;
  }

  #mustSettle(server: ServerConnection, fingerprint: Fingerprint): boolean {
    return this.#relay.mustSettle(server, fingerprint) &&
      this.#cursor.awaitWhile(() => !server.owed.settled);
  }

  /** The place of a Parse's text, or -1 when more of the message must come first. */
  textStart(length: number, bytes: Uint8Array, at: number, end: number): number {
    const messageEnd = at + 1 + length;
    const nameEnd = findNul(bytes, at + 5, Math.min(end, messageEnd));
    if (nameEnd >= 0) return nameEnd + 1;
    return end >= messageEnd || end - at > NAMES_BYTES_MAX ? messageEnd : -1; // malformed: the server says so
  }

  parse(server: ServerConnection, length: number, bytes: Uint8Array, at: number, end: number): number {
    if (server.owed.skipping) return this.#parse(server, length, bytes, at, end, null);
    const messageEnd = at + 1 + length;
    const textStart = this.textStart(length, bytes, at, end);
    if (textStart < 0) return this.#cursor.want(end - at + 1);
    if (!headMayConcern(bytes, textStart, end, messageEnd)) {
      if (this.#steering.active && !this.#begin(server, [], bytes, at)) return -1;
      return this.#parse(server, length, bytes, at, end, null);
    }
    if (!this.#steering.sees(messageEnd - textStart, end - textStart)) {
      return this.#cursor.want(Math.min(1 + length, textStart - at + HEAD_BYTES_MAX));
    }
    const textEnd = textEndOf(bytes, textStart, messageEnd, end);
    const steered = this.#steering.peek(bytes, textStart, textEnd, end);
    // In transaction pooling a statement begins when it is bound; what it says of a Bind in session pooling is not known.
    const own = this.#relay.renames ? [] : steered?.statement ?? [];
    if (!this.#begin(server, own, bytes, at)) return -1;
    if (steered === null) return this.#parse(server, length, bytes, at, end, null);
    if (steered.error !== null) {
      this.#replaceBy(server, bytes, at, steered.error);
      return this.#cursor.dropMessage(at, length);
    }
    // What stands behind the text is short, or wrong.
    if (steered.text === null || 1 + length > LOOK_BYTES_MAX) {
      return this.#parse(server, length, bytes, at, end, steered);
    }
    if (messageEnd > end) return this.#cursor.want(1 + length);
    return this.#parseInstead(server, steered, { bytes, at, textStart, textEnd, messageEnd });
  }

  /** A Parse whose text is replaced, which is complete: taken as if the client had sent the other one. */
  #parseInstead(
    server: ServerConnection,
    steered: Steered,
    { bytes, at, textStart, textEnd, messageEnd }: {
      bytes: Uint8Array;
      at: number;
      textStart: number;
      textEnd: number;
      messageEnd: number;
    },
  ): number {
    const cursor = this.#cursor;
    const name = binaryString(bytes, at + 5, textStart);
    const behind = binaryString(bytes, textEnd, messageEnd);
    const message = new Uint8Array(5 + name.length + steered.text!.length + 1 + behind.length);
    message[0] = Front.Parse;
    putInt32(message, 1, message.length - 1);
    const at2 = putBinary(message, 5, name + steered.text!) + 1;
    putBinary(message, at2, behind);
    cursor.flushRun(bytes, at);
    cursor.run = 0;
    let taken = this.#parse(server, message.length - 1, message, 0, message.length, steered);
    while (taken >= 0 && taken < message.length) taken = cursor.takeRest(message, taken, message.length);
    if (taken >= 0) cursor.flushRun(message, taken);
    cursor.run = taken < 0 ? at : messageEnd;
    return taken < 0 ? -1 : messageEnd;
  }

  #parse(
    server: ServerConnection,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    steered: Steered | null,
  ): number {
    const { names, renames } = this.#relay;
    const bodyStart = at + 5;
    if (!renames) {
      if (steered !== null) this.#steer(server, steered, bytes, at);
      server.owed.sent(Owed.Parse);
      return this.#cursor.begin(bodyStart, length - 4, Rest.Pass);
    }
    if (end - bodyStart < Math.min(1, length - 4)) return this.#cursor.want(6);
    if (bytes[bodyStart] === 0 || length === 4) {
      if (server.owed.skipping) {
        // Nobody needs to know whose unnamed statement the server has left: whoever binds next makes its own.
        server.unnamedOwner = null;
        names.dropUnnamed();
        return this.#cursor.begin(bodyStart, length - 4, Rest.Pass);
      }
      if (at + 1 + length > end && 1 + length <= LOOK_BYTES_MAX) return this.#cursor.want(1 + length);
      const fingerprint = this.#lookAtParse(bytes, bodyStart + 1, at + 1 + length, end);
      if (!this.#lendForDescribe(server, fingerprint, bytes, at)) return -1;
      names.unnamedFingerprint = fingerprint;
      if (steered !== null) this.#steer(server, steered, bytes, at);
      names.unnamedDirective = directiveOf(steered);
      names.beginUnnamed(length - 4);
      this.#relay.ownUnnamed(server);
      this.#unnamedParses++;
      server.owed.sent(Owed.Parse | Mark.Effect, this.#unnamedEffect);
      return this.#cursor.begin(bodyStart, length - 4, Rest.Record);
    }
    if (server.owed.skipping) return this.#cursor.begin(bodyStart, length - 4, Rest.Pass);
    if (1 + length > STATEMENT_BYTES_MAX) {
      this.#replaceBy(server, bytes, at, tooLarge(length));
      return this.#cursor.dropMessage(at, length);
    }
    const messageEnd = at + 1 + length;
    if (messageEnd > end) return this.#cursor.want(1 + length);
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
    if (existing !== null && this.#cursor.awaitWhile(() => owed.readies > 0 && !owed.copyIn)) return -1;
    this.#cursor.flushRun(bytes, at);
    if (statement.hash === 0 && 1 + length <= LOOK_BYTES_MAX) {
      const nul = findNul(bytes, nameEnd + 1, messageEnd);
      if (nul >= 0) statement.hash = sqlFingerprint(bytes, nameEnd + 1, nul, this.#relay.watch.backslashes);
    }
    if (1 + length <= LOOK_BYTES_MAX) {
      const fingerprint = this.#lookAtParse(bytes, nameEnd + 1, messageEnd, end);
      if (!this.#lendForDescribe(server, fingerprint, bytes, at)) {
        if (existing === null) this.#store.release(statement);
        return -1;
      }
    }
    if (steered !== null) this.#steer(server, steered, bytes, at);
    if (existing === null) this.#parseNamed(server, name, statement, directiveOf(steered));
    else this.#relay.refuseDuplicate(server, textAt(bytes, bodyStart, nameEnd), definition);
    this.#cursor.run = messageEnd;
    return messageEnd;
  }

  #steer(server: ServerConnection, steered: Steered, bytes: Uint8Array, at: number): void {
    this.#cursor.flushRun(bytes, at);
    this.#steering.apply(server, steered, false);
  }

  #begin(server: ServerConnection, changes: readonly OptionChange[], bytes: Uint8Array, at: number): boolean {
    return this.#steering.begin(server, changes, { cursor: this.#cursor, bytes, at });
  }

  /** Makes `statement`, of which one more use is counted already, under a name that is free. */
  #parseNamed(
    server: ServerConnection,
    name: BinaryString,
    statement: Statement,
    directive: readonly OptionChange[] | null,
  ): void {
    const relay = this.#relay;
    const { inFlight } = server.prepared;
    if (server.prepared.touch(statement)) {
      // The client is to hear what the server says of it now, so it is parsed anew.
      server.prepared.delete(statement);
      relay.closeOnServer(server, statement);
    }
    server.out.put(statement.encodeParse());
    server.prepared.add(statement, server.settings.searchPath);
    relay.names.set(name, statement, directive);
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

  /** Before a server connection is had for a Bind; false when more of it must come first. */
  foreseeBind(length: number, bytes: Uint8Array, at: number, end: number): boolean {
    const { names, renames } = this.#relay;
    if (!renames || (names.unnamedDirective === null && !names.hasDirectives)) return true;
    const seen = Math.min(end, at + 1 + length);
    const nameStart = peekBindStatement(bytes, at + 5, seen);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, seen);
    if (nameEnd < 0) return seen === at + 1 + length || seen - at >= NAMES_BYTES_MAX; // malformed: the server says so
    this.#steering.foreseeStatement(this.#ownOf(bytes, nameStart, nameEnd) ?? []);
    return true;
  }

  /** The statement whose name lies there begins; false when the scan has to stop first. */
  #beginBound(
    server: ServerConnection,
    bytes: Uint8Array,
    at: number,
    nameStart: number,
    nameEnd: number,
  ): boolean {
    const own = this.#ownOf(bytes, nameStart, nameEnd);
    return (own === null && !this.#steering.active) || this.#begin(server, own ?? [], bytes, at);
  }

  /** What a directive asks for each time that the statement runs whose name lies there. */
  #ownOf(bytes: Uint8Array, nameStart: number, nameEnd: number): readonly OptionChange[] | null {
    const { names } = this.#relay;
    if (nameEnd === nameStart) return names.unnamedDirective;
    return names.hasDirectives ? names.directiveOf(statementName(bytes, nameStart, nameEnd)) : null;
  }

  bind(server: ServerConnection, length: number, bytes: Uint8Array, at: number, end: number): number {
    const relay = this.#relay;
    const bodyStart = at + 5;
    if (!relay.renames || server.owed.skipping) {
      server.owed.sent(Owed.Bind);
      return this.#cursor.begin(bodyStart, length - 4, Rest.Pass);
    }
    const messageEnd = at + 1 + length;
    const seen = Math.min(end, messageEnd);
    const nameStart = peekBindStatement(bytes, bodyStart, seen);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, seen);
    if (nameEnd < 0) {
      if (seen < messageEnd && seen - at < NAMES_BYTES_MAX) return this.#cursor.want(seen - at + 1);
      if (seen < messageEnd) throw new PgplexError("protocol_violation", "invalid string in message");
      server.owed.sent(Owed.Bind); // malformed: the server says so
      return messageEnd;
    }
    if (nameEnd === nameStart) {
      if (this.#unnamedDoubtful(server)) return -1;
      if (!this.#beginBound(server, bytes, at, nameStart, nameEnd)) return -1;
      // First: what it sends may replace the server's unnamed statement.
      if (!this.#noteBind(server, relay.names.unnamedFingerprint, length, bytes, at, end)) return -1;
      if (server.unnamedOwner !== relay.names || server.unnamedSerial !== relay.names.unnamedSerial) {
        this.#cursor.flushRun(bytes, at);
        this.#cursor.run = at;
        if (!relay.ensureUnnamed(server)) return this.#refuse(server, bytes, at, length, "");
      }
      server.owed.sent(Owed.Bind);
      return this.#cursor.begin(bodyStart, length - 4, Rest.Pass);
    }
    const keyEnd = Math.min(nameEnd, nameStart + STATEMENT_NAME_BYTES_MAX);
    const statement = relay.names.find(bytes, nameStart, keyEnd);
    if (this.#useDoubtful(server, statement, bytes, nameStart, keyEnd)) return -1;
    if (statement === null) {
      const name = binaryString(bytes, nameStart, keyEnd);
      if (relay.isSqlStatement(name)) {
        this.#useSqlStatement(server, name, bytes, at);
        server.owed.sent(Owed.Bind);
        return this.#cursor.begin(bodyStart, length - 4, Rest.Pass);
      }
      return this.#refuse(server, bytes, at, length, textAt(bytes, nameStart, nameEnd));
    }
    if (!this.#beginBound(server, bytes, at, nameStart, nameEnd)) return -1;
    const known = statement.hash === 0 ? null : relay.watch.fingerprints.find(statement.hash);
    if (!this.#noteBind(server, known ?? OPAQUE_FINGERPRINT, length, bytes, at, end)) return -1;
    this.#cursor.flushRun(bytes, at);
    relay.ensureStatement(server, statement);
    this.#putRenamed(server, bytes, at, { nameStart, nameEnd, length, statement });
    server.owed.sent(Owed.Bind);
    this.#cursor.run = nameEnd;
    return this.#cursor.begin(nameEnd, messageEnd - nameEnd, Rest.Pass);
  }

  describeOrClose(
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
      return this.#cursor.begin(at + 5, length - 4, Rest.Pass);
    }
    if (messageEnd > end) return this.#cursor.want(1 + length);
    const name = this.statementOf(bytes, at, messageEnd);
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
      this.#cursor.flushRun(bytes, at);
      this.closeStatement(name);
      this.#cursor.run = messageEnd;
      return messageEnd;
    }
    const nameStart = at + 6;
    if (name === "") {
      if (this.#unnamedDoubtful(server)) return -1;
      if (!this.#lendForDescribe(server, relay.names.unnamedFingerprint, bytes, at)) return -1;
      if (server.unnamedOwner !== relay.names || server.unnamedSerial !== relay.names.unnamedSerial) {
        this.#cursor.flushRun(bytes, at);
        this.#cursor.run = at;
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
    if (known !== null && !this.#lendForDescribe(server, known, bytes, at)) return -1;
    this.#cursor.flushRun(bytes, at);
    relay.ensureStatement(server, statement);
    this.#putRenamed(server, bytes, at, { nameStart, nameEnd, length, statement });
    server.owed.sent(kind);
    this.#cursor.run = nameEnd;
    return messageEnd;
  }

  /** The statement's name in a complete Describe or Close; null when it is about a portal, or malformed. */
  statementOf(bytes: Uint8Array, at: number, messageEnd: number): BinaryString | null {
    if (bytes[at + 5] !== 0x53 || messageEnd - at < 7 || bytes[messageEnd - 1] !== 0) return null;
    const nul = findNul(bytes, at + 6, messageEnd);
    return nul === messageEnd - 1 ? statementName(bytes, at + 6, nul) : null;
  }

  closeStatement(name: BinaryString): void {
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
    const directive = relay.names.directiveOf(name);
    const statement = relay.names.remove(name);
    relay.namesInFlight.begin(name, relay.server?.owed.batch ?? 0);
    relay.answer(Owed.Close, {
      done: () => {
        relay.namesInFlight.settle(name);
        if (statement !== null) this.#store.release(statement);
      },
      undo: () => {
        relay.namesInFlight.settle(name);
        if (statement !== null) relay.names.set(name, statement, directive);
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
      this.#cursor.awaitWhile(() => prepared.inFlight.doubtful(statement, owed.batch));
  }

  #nameDoubtful({ owed }: ServerConnection, name: BinaryString): boolean {
    return this.#relay.namesInFlight.size > 0 &&
      this.#cursor.awaitWhile(() => this.#relay.namesInFlight.doubtful(name, owed.batch));
  }

  #unnamedDoubtful(server: ServerConnection): boolean {
    return server.unnamedInFlight > 0 && this.#cursor.awaitWhile(() => this.#relay.unnamedDoubtful(server));
  }

  /** A message names a statement that SQL made: the server is made to have it, and nothing is known of what it does. */
  #useSqlStatement(server: ServerConnection, name: BinaryString, bytes: Uint8Array, at: number): void {
    this.#cursor.flushRun(bytes, at);
    this.#relay.ensureSqlStatement(server, name, false);
    this.#relay.watch.runsOpaque();
  }

  /** Makes the batch fail because a statement does not exist, and drops the message that named it. */
  #refuse(server: ServerConnection, bytes: Uint8Array, at: number, length: number, name: string): number {
    this.#replaceBy(server, bytes, at, missingStatement(name));
    return this.#cursor.dropMessage(at, length);
  }

  #replaceBy(server: ServerConnection, bytes: Uint8Array, at: number, error: PgplexError): void {
    this.#cursor.flushRun(bytes, at);
    this.#relay.poison(server, error);
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

function directiveOf(steered: Steered | null): readonly OptionChange[] | null {
  return steered === null || steered.statement.length === 0 ? null : steered.statement;
}

/** The end of a Parse's text, NUL included; that of the message while it is not known. */
export function textEndOf(bytes: Uint8Array, textStart: number, messageEnd: number, end: number): number {
  const nul = findNul(bytes, textStart, Math.min(end, messageEnd));
  return nul < 0 ? messageEnd : nul + 1;
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
