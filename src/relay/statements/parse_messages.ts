import {
  type Effect,
  Mark,
  Owed,
  type ServerConnection,
  type Statement,
  type StatementStore,
} from "../../backend/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import {
  type BinaryString,
  binaryString,
  findNul,
  Front,
  HEAD_BYTES_MAX,
  headMayConcern,
  putBinary,
  putInt32,
  sqlFingerprint,
  statementName,
  utf8FromBinary,
} from "../../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX, Rest } from "../client_cursor.ts";
import type { StandingOrder } from "../../options/mod.ts";
import { OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import type { OwnStatements } from "./own_statements.ts";
import { refuse, refuseDuplicate } from "../poison.ts";
import type { Relay } from "../relay.ts";
import { NAMES_BYTES_MAX, type StatementMessages, type StatementParts } from "./statement_messages.ts";
import { orderOf, type Steered, type Steering } from "../steering.ts";
import type { UnnamedStatement } from "./unnamed_statement.ts";

/** The longest Parse of a named statement that transaction pooling takes; it must be kept to be made again elsewhere. */
export const STATEMENT_BYTES_MAX = 16 << 20;

/** Parse on its way to the server; see {@link "./extended_query.ts"}. Pure. */
export class ParseMessages {
  readonly #relay: Relay;
  readonly #store: StatementStore;
  readonly #cursor: ClientCursor;
  readonly #steering: Steering;
  readonly #messages: StatementMessages;
  readonly #unnamed: UnnamedStatement;
  readonly #own: OwnStatements;
  /** Orders of Parses that the server refused or skipped. */
  readonly #refused = new WeakSet<StandingOrder>();

  constructor(relay: Relay, { store, cursor, steering, messages, unnamed, own }: StatementParts) {
    this.#relay = relay;
    this.#store = store;
    this.#cursor = cursor;
    this.#steering = steering;
    this.#messages = messages;
    this.#unnamed = unnamed;
    this.#own = own;
  }

  /** Whether it may speak to pgplex; null when more of it must come first. */
  mayConcern(length: number, bytes: Uint8Array, at: number, end: number): boolean | null {
    const messageEnd = at + 1 + length;
    const textStart = textStartOf(bytes, at, messageEnd, end);
    return textStart < 0 ? null : headMayConcern(bytes, textStart, end, messageEnd - 1);
  }

  /** Before a server connection is had for one that may speak to pgplex; false when more of it must come first. */
  foresee(length: number, bytes: Uint8Array, at: number, end: number): boolean {
    const messageEnd = at + 1 + length;
    const textStart = textStartOf(bytes, at, messageEnd, end);
    return this.#steering.foresee(bytes, textStart, textEndOf(bytes, textStart, messageEnd, end), end);
  }

  take(server: ServerConnection, length: number, bytes: Uint8Array, at: number, end: number): number {
    if (server.owed.skipping) return this.#takeSteered(server, length, bytes, at, end, null);
    const messageEnd = at + 1 + length;
    const textStart = textStartOf(bytes, at, messageEnd, end);
    if (textStart < 0) return this.#cursor.want(end - at + 1);
    if (!headMayConcern(bytes, textStart, end, messageEnd)) {
      if (this.#steering.active && !this.#messages.begins(server, [], bytes, at)) return -1;
      return this.#takeSteered(server, length, bytes, at, end, null);
    }
    if (!this.#steering.sees(messageEnd - textStart, end - textStart)) {
      return this.#cursor.want(Math.min(1 + length, textStart - at + HEAD_BYTES_MAX));
    }
    const textEnd = textEndOf(bytes, textStart, messageEnd, end);
    const steered = this.#steering.peek(bytes, textStart, textEnd, end);
    // In transaction pooling a statement begins when it is bound; what it says of a Bind in session pooling is not known.
    const own = this.#relay.renames ? [] : steered?.statement ?? [];
    if (!this.#messages.begins(server, own, bytes, at)) return -1;
    if (steered === null) return this.#takeSteered(server, length, bytes, at, end, null);
    if (steered.error !== null) {
      this.#cursor.flushRun(bytes, at);
      refuse(server, steered.error);
      return this.#cursor.dropMessage(at, length);
    }
    // What stands behind the text is short, or wrong.
    if (steered.text === null || 1 + length > LOOK_BYTES_MAX) {
      return this.#takeSteered(server, length, bytes, at, end, steered);
    }
    if (messageEnd > end) return this.#cursor.want(1 + length);
    return this.#takeInstead(server, steered, { bytes, at, textStart, textEnd, messageEnd });
  }

  /** A Parse whose text is replaced, which is complete: taken as if the client had sent the other one. */
  #takeInstead(
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
    let taken = this.#takeSteered(server, message.length - 1, message, 0, message.length, steered);
    while (taken >= 0 && taken < message.length) taken = cursor.takeRest(message, taken, message.length);
    if (taken >= 0) cursor.flushRun(message, taken);
    cursor.run = taken < 0 ? at : messageEnd;
    return taken < 0 ? -1 : messageEnd;
  }

  /** A Parse whose text asks `steered` of pgplex. */
  #takeSteered(
    server: ServerConnection,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    steered: Steered | null,
  ): number {
    const bodyStart = at + 5;
    if (!this.#relay.renames) {
      if (steered !== null) this.#messages.steer(server, steered, bytes, at);
      const effect = this.#noteOrder(server, steered, bytes, at, end);
      if (effect === null) server.owed.sent(Owed.Parse);
      else server.owed.sent(Owed.Parse | Mark.Effect, effect);
      return this.#cursor.begin(bodyStart, length - 4, Rest.Pass);
    }
    if (end - bodyStart < Math.min(1, length - 4)) return this.#cursor.want(6);
    const unnamed = bytes[bodyStart] === 0 || length === 4;
    if (server.owed.skipping) return this.#cursor.begin(bodyStart, length - 4, Rest.Pass);
    return unnamed
      ? this.#unnamed.parse(server, length, bytes, at, end, steered)
      : this.#takeNamed(server, length, bytes, at, end, steered);
  }

  /**
   * In session pooling, where the server knows the names: notes what the Parse at `at` asks each time that its statement runs.
   * Where the server refuses it, what was noted before holds.
   */
  #noteOrder(
    { owed }: ServerConnection,
    steered: Steered | null,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): Effect | null {
    const { names, attentive } = this.#relay;
    if ((steered === null && !attentive) || owed.skipping) return null;
    const nameEnd = findNul(bytes, at + 5, end);
    if (nameEnd < 0) return null;
    const name = statementName(bytes, at + 5, nameEnd);
    const order = orderOf(steered);
    const before = names.orderOf(name);
    names.setOrder(name, order);
    if ((order === null || order.show === null) && (before === null || before.show === null)) return null;
    const undo = () => {
      if (order !== null) this.#refused.add(order);
      if (names.orderOf(name) !== order) return;
      names.setOrder(name, before !== null && this.#refused.has(before) ? null : before);
      if (names.hasShows) this.#relay.attentive = true;
    };
    return { done() {}, undo };
  }

  #takeNamed(
    server: ServerConnection,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
    steered: Steered | null,
  ): number {
    const relay = this.#relay;
    const messages = this.#messages;
    if (1 + length > STATEMENT_BYTES_MAX) return messages.fail(server, length, bytes, at, tooLarge(length));
    const messageEnd = at + 1 + length;
    if (messageEnd > end) return this.#cursor.want(1 + length);
    const nameStart = at + 5;
    const nameEnd = findNul(bytes, nameStart, messageEnd);
    if (nameEnd < 0) { // malformed: the server says so
      server.owed.sent(Owed.Parse);
      return messageEnd;
    }
    const name = statementName(bytes, nameStart, nameEnd);
    const definition = binaryString(bytes, nameEnd + 1, messageEnd);
    const own = this.#own.has(server, name);
    const replaces = own || relay.drops.frees(server.owed, name);
    const existing = replaces ? null : relay.names.find(bytes, nameStart, nameStart + name.length);
    const statement = existing ?? this.#store.use(definition, server.settings.reading);
    if (messages.nameDoubtful(server, name) || messages.statementDoubtful(server, statement)) {
      if (existing === null) this.#store.release(statement);
      return -1;
    }
    // A DEALLOCATE ALL may be on its way.
    const { owed } = server;
    if ((existing !== null || own) && this.#cursor.awaitWhile(() => owed.readies > 0 && !owed.copyIn)) {
      if (existing === null) this.#store.release(statement);
      return -1;
    }
    this.#cursor.flushRun(bytes, at);
    if (1 + length <= LOOK_BYTES_MAX && !this.#look(server, statement, bytes, at, nameEnd + 1, messageEnd)) {
      if (existing === null) this.#store.release(statement);
      return -1;
    }
    if (steered !== null) messages.steer(server, steered, bytes, at);
    if (own) {
      messages.useSqlStatement(server, name, bytes, at);
      this.#own.parse(server, name, statement, orderOf(steered));
      return messageEnd; // as it is: the server knows whether it has one of that name
    }
    if (existing === null) this.#make(server, name, statement, orderOf(steered));
    else refuseDuplicate(server, utf8FromBinary(binaryString(bytes, nameStart, nameEnd)), definition);
    this.#cursor.run = messageEnd;
    return messageEnd;
  }

  /** Looks at the text of the complete Parse at `at`; false when replies must come first. */
  #look(
    server: ServerConnection,
    statement: Statement,
    bytes: Uint8Array,
    at: number,
    textStart: number,
    messageEnd: number,
  ): boolean {
    const { watch } = this.#relay;
    const nul = findNul(bytes, textStart, messageEnd);
    if (nul < 0) return this.#messages.parses(server, OPAQUE_FINGERPRINT, bytes, at);
    if (statement.hash === 0) statement.hash = sqlFingerprint(bytes, textStart, nul, watch.backslashes);
    return this.#messages.parses(server, watch.look(bytes, textStart, nul), bytes, at);
  }

  /** Makes `statement`, of which one more use is counted already, under a name that is free. */
  #make(
    server: ServerConnection,
    name: BinaryString,
    statement: Statement,
    order: StandingOrder | null,
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
    const [orderBefore, toldBefore] = [relay.names.orderOf(name), relay.names.toldOf(name)];
    const before = relay.names.remove(name);
    const drops = relay.drops.before(name);
    relay.names.set(name, statement, order);
    relay.drops.makes(name);
    inFlight.begin(statement, server.owed.batch);
    relay.namesInFlight.begin(name, server.owed.batch);
    server.owed.sent(Owed.Parse | Mark.Effect, {
      done: () => {
        inFlight.settle(statement);
        relay.namesInFlight.settle(name);
        if (before !== null) this.#store.release(before);
      },
      undo: () => {
        inFlight.settle(statement);
        relay.namesInFlight.settle(name);
        server.prepared.delete(statement);
        if (relay.names.remove(name) !== null) this.#store.release(statement);
        if (before !== null) relay.restoreName(name, before, orderBefore, toldBefore, drops);
      },
    });
    relay.evictStatements(server);
  }
}

/** The place of a Parse's text, or -1 when more of the message must come first. */
function textStartOf(bytes: Uint8Array, at: number, messageEnd: number, end: number): number {
  const nameEnd = findNul(bytes, at + 5, Math.min(end, messageEnd));
  if (nameEnd >= 0) return nameEnd + 1;
  return end >= messageEnd || end - at > NAMES_BYTES_MAX ? messageEnd : -1; // malformed: the server says so
}

/** The end of a Parse's text, NUL included; that of the message while it is not known. */
function textEndOf(bytes: Uint8Array, textStart: number, messageEnd: number, end: number): number {
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
