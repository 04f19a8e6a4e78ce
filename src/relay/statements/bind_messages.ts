import { Owed, type ServerConnection, type Statement } from "../../backend/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import {
  type BinaryString,
  binaryString,
  findNul,
  peekBindStatement,
  STATEMENT_NAME_BYTES_MAX,
  statementName,
  TxStatus,
} from "../../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX, Rest } from "../client_cursor.ts";
import type { OptionChange } from "../../options/mod.ts";
import { type Fingerprint, OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import type { OwnStatements } from "./own_statements.ts";
import type { Relay } from "../relay.ts";
import { NAMES_BYTES_MAX, type StatementMessages, type StatementParts } from "./statement_messages.ts";
import type { Steering } from "../steering.ts";
import { resultTypeChanged, Told, type ToldTypes } from "./told_types.ts";
import type { UnnamedStatement } from "./unnamed_statement.ts";

/** Bind on its way to the server, by which a statement runs; see {@link "./extended_query.ts"}. Pure. */
export class BindMessages {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #steering: Steering;
  readonly #messages: StatementMessages;
  readonly #unnamed: UnnamedStatement;
  readonly #own: OwnStatements;
  readonly #told: ToldTypes;

  constructor(relay: Relay, { cursor, steering, messages, unnamed, own, told }: StatementParts) {
    this.#relay = relay;
    this.#cursor = cursor;
    this.#steering = steering;
    this.#messages = messages;
    this.#unnamed = unnamed;
    this.#own = own;
    this.#told = told;
  }

  /** Before a server connection is had for it; false when more of it must come first. */
  foresee(length: number, bytes: Uint8Array, at: number, end: number): boolean {
    const { names, renames } = this.#relay;
    if (!renames || (names.unnamedOrder === null && !names.hasOrders)) return true;
    const seen = Math.min(end, at + 1 + length);
    const nameStart = peekBindStatement(bytes, at + 5, seen);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, seen);
    if (nameEnd < 0) return seen === at + 1 + length || seen - at >= NAMES_BYTES_MAX; // malformed: the server says so
    this.#steering.foreseeStatement(this.#ownOf(bytes, nameStart, nameEnd) ?? []);
    return true;
  }

  take(server: ServerConnection, length: number, bytes: Uint8Array, at: number, end: number): number {
    const relay = this.#relay;
    const messages = this.#messages;
    const bodyStart = at + 5;
    if (!relay.renames || server.owed.skipping) return this.#pass(server, bodyStart, length - 4);
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
      if (this.#unnamed.doubtful(server)) return -1;
      const holds = this.#told.checkUnnamed(server, bytes, at);
      if (holds === Told.Asked) return -1;
      if (holds === Told.Changed) return messages.fail(server, length, bytes, at, resultTypeChanged());
      if (!this.#begins(server, bytes, at, nameStart, nameEnd)) return -1;
      // First: what it sends may replace the server's unnamed statement.
      if (!this.#runs(server, relay.names.unnamedFingerprint, length, bytes, at, end)) return -1;
      if (!this.#unnamed.ensure(server, bytes, at)) {
        return messages.refuse(server, length, bytes, at, nameStart, nameEnd);
      }
      relay.names.unnamedHolds = false;
      this.#told.binds(server, null, bytes, bodyStart, nameStart - 1);
      return this.#pass(server, bodyStart, length - 4);
    }
    const keyEnd = Math.min(nameEnd, nameStart + STATEMENT_NAME_BYTES_MAX);
    const named = relay.names.named(bytes, nameStart, keyEnd);
    const statement = named === null ? null : named.statement;
    if (messages.doubtful(server, statement, bytes, nameStart, keyEnd)) return -1;
    if (statement === null || server.foreignStatements.size > 0) {
      const name = binaryString(bytes, nameStart, keyEnd);
      if (this.#own.has(server, name)) {
        return this.#takeOwn(server, statement, name, { length, bytes, at, end, nameStart, nameEnd });
      }
    }
    if (named === null || messages.dropped(server, bytes, nameStart, keyEnd)) {
      return messages.refuse(server, length, bytes, at, nameStart, nameEnd);
    }
    const holds = this.#told.check(server, named, bytes, at, messageEnd, end);
    if (holds === Told.Asked) return -1;
    if (holds === Told.Changed) return messages.fail(server, length, bytes, at, resultTypeChanged());
    if (!this.#begins(server, bytes, at, nameStart, nameEnd)) return -1;
    const { hash } = named.statement;
    const known = hash === 0 ? null : relay.watch.fingerprints.find(hash);
    if (!this.#runs(server, known ?? OPAQUE_FINGERPRINT, length, bytes, at, end)) return -1;
    this.#cursor.flushRun(bytes, at);
    if (known !== null && known.traits.listsStatements && this.#stands(server, bytes, nameStart, keyEnd)) {
      this.#told.binds(server, null, bytes, bodyStart, nameStart - 1);
      return this.#pass(server, bodyStart, length - 4);
    }
    const runs = relay.names.hasOrders
      ? this.#remade(server, named.statement, bytes, nameStart, keyEnd)
      : named.statement;
    this.#told.binds(server, runs === named.statement ? named : null, bytes, bodyStart, nameStart - 1);
    messages.putRenamed(server, runs, named.told.parameters, bytes, at, nameStart, nameEnd);
    return this.#pass(server, nameEnd, messageEnd - nameEnd);
  }

  /** Whether the server has the statement under this name of the client's: what lists them shows no other for it. */
  #stands({ foreignStatements }: ServerConnection, bytes: Uint8Array, start: number, end: number): boolean {
    return foreignStatements.has(binaryString(bytes, start, end));
  }

  /** The statement with this name as it is to run now, where it shows what pgplex knows. */
  #remade(
    server: ServerConnection,
    statement: Statement,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Statement {
    const relay = this.#relay;
    const name = binaryString(bytes, start, end);
    // While its Parse is on its way, the text is as new as that, and may still have to be taken back.
    if (relay.namesInFlight.has(name)) return statement;
    const made = relay.names.remade(name, statement);
    if (made !== statement && server.prepared.touch(statement)) {
      // One for each time that it ran would drive out what others need.
      server.prepared.delete(statement);
      relay.closeOnServer(server, statement);
    }
    return made;
  }

  /** A Bind of what stands on the server under the client's own name. */
  #takeOwn(
    server: ServerConnection,
    statement: Statement | null,
    name: BinaryString,
    { length, bytes, at, end, nameStart, nameEnd }: {
      length: number;
      bytes: Uint8Array;
      at: number;
      end: number;
      nameStart: number;
      nameEnd: number;
    },
  ): number {
    const relay = this.#relay;
    if (!this.#begins(server, bytes, at, nameStart, nameEnd)) return -1;
    const hash = statement?.hash ?? 0;
    const known = hash === 0 ? null : relay.watch.fingerprints.find(hash);
    if (!this.#runs(server, known ?? OPAQUE_FINGERPRINT, length, bytes, at, end)) return -1;
    const { owed } = server;
    const failing = () => server.txStatus === TxStatus.Failed && owed.readies > 0 && !owed.copyIn;
    if (this.#cursor.awaitWhile(failing)) return -1;
    if (relay.isOutOfReach(server, name)) {
      return this.#messages.fail(server, length, bytes, at, transactionAborted());
    }
    this.#messages.useSqlStatement(server, name, bytes, at);
    return this.#pass(server, at + 5, length - 4);
  }

  #pass(server: ServerConnection, start: number, restBytes: number): number {
    server.owed.sent(Owed.Bind);
    return this.#cursor.begin(start, restBytes, Rest.Pass);
  }

  /** The statement whose name lies there begins; false when the scan has to stop first. */
  #begins(
    server: ServerConnection,
    bytes: Uint8Array,
    at: number,
    nameStart: number,
    nameEnd: number,
  ): boolean {
    const own = this.#ownOf(bytes, nameStart, nameEnd);
    return (own === null && !this.#steering.active) || this.#messages.begins(server, own ?? [], bytes, at);
  }

  /** What a directive asks for each time that the statement runs whose name lies there. */
  #ownOf(bytes: Uint8Array, nameStart: number, nameEnd: number): readonly OptionChange[] | null {
    const { names } = this.#relay;
    const order = nameEnd === nameStart
      ? names.unnamedOrder
      : names.hasOrders
      ? names.orderOf(statementName(bytes, nameStart, nameEnd))
      : null;
    return order === null || order.changes.length === 0 ? null : order.changes;
  }

  /** The statement is bound: it will run. False when more of the message, or replies, must come first. */
  #runs(
    server: ServerConnection,
    fingerprint: Fingerprint,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): boolean {
    if (fingerprint.traits.setsByFunction && 1 + length <= LOOK_BYTES_MAX) {
      if (at + 1 + length > end) return this.#cursor.want(1 + length) > 0;
      this.#relay.watch.lookAtParameters(bytes, at + 5, at + 1 + length);
    }
    return this.#messages.runs(server, fingerprint, bytes, at);
  }
}

/** As servers refuse each statement of an aborted transaction that does not end it. */
function transactionAborted(): PgplexError {
  return new PgplexError(
    "transaction_aborted",
    "current transaction is aborted, commands ignored until end of transaction block",
  );
}
