import { Mark, Owed } from "../../backend/mod.ts";
import { NAME_BYTES_MAX } from "../../kernel/mod.ts";
import { type BinaryString, findNul, Front } from "../../protocol/mod.ts";
import type { ClientCursor } from "../client_cursor.ts";
import type { Relay } from "../relay.ts";
import type { StatementMessages } from "./statement_messages.ts";
import { knowsPath } from "./read_as.ts";
import type { StatementParts } from "./statement_parts.ts";
import { resultTypeChanged, Told, type ToldTypes } from "./told_types.ts";
import type { UnnamedStatement } from "./unnamed_statement.ts";

/**
 * Describe and Close on their way to the server; see {@link "./extended_query.ts"}. Pure.
 *
 * A Close of a statement does not go there: the session's name goes, the server's statement stays.
 */
export class DescribeClose {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #messages: StatementMessages;
  readonly #unnamed: UnnamedStatement;
  readonly #told: ToldTypes;

  constructor(relay: Relay, { cursor, messages, unnamed, told }: StatementParts) {
    this.#relay = relay;
    this.#cursor = cursor;
    this.#messages = messages;
    this.#unnamed = unnamed;
    this.#told = told;
  }

  take(): number {
    const relay = this.#relay;
    const messages = this.#messages;
    const cursor = this.#cursor;
    const { server, type } = cursor;
    const kind = type === Front.Describe ? Owed.Describe : Owed.Close;
    if (!relay.renames || (server.owed.skipping && type !== Front.Close)) {
      server.owed.sent(kind);
      return cursor.pass();
    }
    if (!cursor.whole) return cursor.wantWhole();
    if (!server.owed.skipping && messages.unreadable(cursor.bodyStart + 1, cursor.messageEnd - 1)) return -1;
    const name = this.statementOf();
    if (server.owed.skipping) return cursor.passWhole();
    if (name === null) { // a portal, or malformed
      const describing = type === Front.Describe && cursor.bytes[cursor.bodyStart] === 0x50
        ? this.#told.describePortal()
        : null;
      if (describing === null) server.owed.sent(kind);
      else server.owed.sent(kind | Mark.Effect, describing);
      return cursor.passWhole();
    }
    if (name !== "" && relay.clientNamed.has(server, name)) {
      if (messages.nameDoubtful(name)) return -1;
      if (type === Front.Close) {
        // Closing what the server does not have is no error.
        relay.watch.runsOpaque();
        relay.clientNamed.close(server, name);
      } else {
        if (messages.mayFail()) return -1;
        if (relay.sql.outOfReach(server, name)) return messages.refuseAborted();
        messages.useSqlStatement(name, knowsPath(server, relay));
        server.owed.sent(kind);
      }
      return cursor.passWhole();
    }
    if (type === Front.Describe) return name === "" ? this.#describeUnnamed() : this.#describe();
    if (messages.nameDoubtful(name)) return -1;
    cursor.flush();
    this.close(name);
    return cursor.dropWhole();
  }

  /** The complete Describe at hand of the unnamed statement. */
  #describeUnnamed(): number {
    const messages = this.#messages;
    const cursor = this.#cursor;
    const nameEnd = cursor.messageEnd - 1;
    if (this.#unnamed.doubtful()) return -1;
    const holds = this.#told.checkUnnamed();
    if (holds === Told.Asked) return -1;
    if (holds === Told.Changed) return messages.fail(resultTypeChanged());
    if (!messages.parses(this.#relay.names.unnamed.fingerprint)) return -1;
    if (!this.#unnamed.ensure()) return messages.refuse(nameEnd, nameEnd);
    cursor.server.owed.sent(Owed.Describe | Mark.Effect, this.#told.describeUnnamed());
    return cursor.passWhole();
  }

  /** The complete Describe at hand of a named statement that SQL did not make. */
  #describe(): number {
    const relay = this.#relay;
    const messages = this.#messages;
    const cursor = this.#cursor;
    const { server, messageEnd } = cursor;
    const nameStart = cursor.bodyStart + 1;
    const nameEnd = messageEnd - 1;
    const keyEnd = Math.min(nameEnd, nameStart + NAME_BYTES_MAX);
    const named = relay.names.named(cursor.bytes, nameStart, keyEnd);
    if (named !== null && messages.adapt(named)) return -1;
    if (messages.doubtful(named?.statement ?? null, nameStart, keyEnd)) return -1;
    if (named === null || messages.dropped(nameStart, keyEnd)) return messages.refuse(nameStart, nameEnd);
    const holds = this.#told.check(named);
    if (holds === Told.Asked) return -1;
    if (holds === Told.Changed) return messages.fail(resultTypeChanged());
    const { statement, told } = named;
    const known = statement.hash === 0 ? null : relay.watch.fingerprints.find(statement.hash);
    if (known !== null && !messages.parses(known)) return -1;
    messages.putRenamed(statement, told.parameters, nameStart, nameEnd);
    const describing = this.#told.describe(named);
    if (describing === null) server.owed.sent(Owed.Describe);
    else server.owed.sent(Owed.Describe | Mark.Effect, describing);
    return messageEnd;
  }

  /** The statement's name in the complete Describe or Close at hand; null when it is about a portal, or malformed. */
  statementOf(): BinaryString | null {
    const { bytes, at, bodyStart, messageEnd } = this.#cursor;
    if (bytes[bodyStart] !== 0x53 || messageEnd - at < 7 || bytes[messageEnd - 1] !== 0) return null;
    const nul = findNul(bytes, bodyStart + 1, messageEnd);
    return nul === messageEnd - 1 ? this.#relay.encoding.statementName(bytes, bodyStart + 1, nul) : null;
  }

  /** Takes the name away, and answers the client. Closing what does not exist is no error. */
  close(name: BinaryString): void {
    const relay = this.#relay;
    if (name === "") return this.#unnamed.close();
    relay.answer(Owed.Close, relay.changes.end(name, relay.server?.owed.batch ?? 0));
  }
}
