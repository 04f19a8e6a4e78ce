import { Mark, Owed, type ServerConnection, type StatementStore } from "../../backend/mod.ts";
import { type BinaryString, findNul, Front, statementName } from "../../protocol/mod.ts";
import { type ClientCursor, Rest } from "../client_cursor.ts";
import type { OwnStatements } from "./own_statements.ts";
import type { Relay } from "../relay.ts";
import type { StatementMessages, StatementParts } from "./statement_messages.ts";
import { CLOSE_COMPLETE } from "../replies.ts";
import { resultTypeChanged, Told, type ToldTypes } from "./told_types.ts";
import type { UnnamedStatement } from "./unnamed_statement.ts";

/**
 * Describe and Close on their way to the server; see {@link "./extended_query.ts"}. Pure.
 *
 * A Close of a statement does not go there: the session's name goes, the server's statement stays.
 */
export class DescribeClose {
  readonly #relay: Relay;
  readonly #store: StatementStore;
  readonly #cursor: ClientCursor;
  readonly #messages: StatementMessages;
  readonly #unnamed: UnnamedStatement;
  readonly #own: OwnStatements;
  readonly #told: ToldTypes;

  constructor(relay: Relay, { store, cursor, messages, unnamed, own, told }: StatementParts) {
    this.#relay = relay;
    this.#store = store;
    this.#cursor = cursor;
    this.#messages = messages;
    this.#unnamed = unnamed;
    this.#own = own;
    this.#told = told;
  }

  take(
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
    if (server.owed.skipping) return messageEnd;
    if (name === null) { // a portal, or malformed
      const describing = type === Front.Describe && bytes[at + 5] === 0x50
        ? this.#told.describePortal(server, bytes, at + 6, messageEnd - 1)
        : null;
      if (describing === null) server.owed.sent(kind);
      else server.owed.sent(kind | Mark.Effect, describing);
      return messageEnd;
    }
    if (name !== "" && this.#own.has(server, name)) {
      if (this.#messages.nameDoubtful(server, name)) return -1;
      if (type === Front.Close) {
        // Closing what the server does not have is no error.
        relay.watch.runsOpaque();
        this.#own.close(server, name);
      } else {
        this.#messages.useSqlStatement(server, name, bytes, at);
        server.owed.sent(kind);
      }
      return messageEnd;
    }
    if (type === Front.Describe) return this.#describe(server, name, length, bytes, at, end);
    if (this.#messages.nameDoubtful(server, name)) return -1;
    this.#cursor.flushRun(bytes, at);
    this.close(name);
    this.#cursor.run = messageEnd;
    return messageEnd;
  }

  /** The complete Describe at `at` of a statement that SQL did not make. */
  #describe(
    server: ServerConnection,
    name: BinaryString,
    length: number,
    bytes: Uint8Array,
    at: number,
    end: number,
  ): number {
    const relay = this.#relay;
    const messages = this.#messages;
    const nameStart = at + 6;
    const nameEnd = at + length;
    if (name === "") {
      if (this.#unnamed.doubtful(server)) return -1;
      const holds = this.#told.checkUnnamed(server, bytes, at);
      if (holds === Told.Asked) return -1;
      if (holds === Told.Changed) return messages.fail(server, length, bytes, at, resultTypeChanged());
      if (!messages.parses(server, relay.names.unnamedFingerprint, bytes, at)) return -1;
      if (!this.#unnamed.ensure(server, bytes, at)) {
        return messages.refuse(server, length, bytes, at, nameStart, nameEnd);
      }
      server.owed.sent(Owed.Describe | Mark.Effect, this.#told.describeUnnamed(server));
    } else {
      const keyEnd = nameStart + name.length;
      const named = relay.names.named(bytes, nameStart, keyEnd);
      if (messages.doubtful(server, named?.statement ?? null, bytes, nameStart, keyEnd)) return -1;
      if (named === null || messages.dropped(server, bytes, nameStart, keyEnd)) {
        return messages.refuse(server, length, bytes, at, nameStart, nameEnd);
      }
      const holds = this.#told.check(server, named, bytes, at, nameEnd + 1, end);
      if (holds === Told.Asked) return -1;
      if (holds === Told.Changed) return messages.fail(server, length, bytes, at, resultTypeChanged());
      const { statement, told } = named;
      const known = statement.hash === 0 ? null : relay.watch.fingerprints.find(statement.hash);
      if (known !== null && !messages.parses(server, known, bytes, at)) return -1;
      messages.putRenamed(server, statement, told.parameters, bytes, at, nameStart, nameEnd);
      const describing = this.#told.describe(server, named);
      if (describing === null) server.owed.sent(Owed.Describe);
      else server.owed.sent(Owed.Describe | Mark.Effect, describing);
    }
    return nameEnd + 1;
  }

  /** The statement's name in a complete Describe or Close; null when it is about a portal, or malformed. */
  statementOf(bytes: Uint8Array, at: number, messageEnd: number): BinaryString | null {
    if (bytes[at + 5] !== 0x53 || messageEnd - at < 7 || bytes[messageEnd - 1] !== 0) return null;
    const nul = findNul(bytes, at + 6, messageEnd);
    return nul === messageEnd - 1 ? statementName(bytes, at + 6, nul) : null;
  }

  /** Takes the name away, and answers the client. Closing what does not exist is no error. */
  close(name: BinaryString): void {
    const relay = this.#relay;
    if (name === "") return this.#unnamed.close();
    const [order, told] = [relay.names.orderOf(name), relay.names.toldOf(name)];
    const statement = relay.names.remove(name);
    const drops = relay.drops.before(name);
    relay.namesInFlight.begin(name, relay.server?.owed.batch ?? 0);
    relay.answer(Owed.Close, {
      done: () => {
        relay.namesInFlight.settle(name);
        if (statement !== null) this.#store.release(statement);
      },
      undo: () => {
        relay.namesInFlight.settle(name);
        if (statement !== null) relay.restoreName(name, statement, order, told, drops);
      },
      reply: CLOSE_COMPLETE,
    });
  }
}
