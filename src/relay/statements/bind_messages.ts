import { Mark, Owed, type ServerConnection, type Statement } from "../../backend/mod.ts";
import { NAME_BYTES_MAX, PgplexError } from "../../kernel/mod.ts";
import { type BinaryString, binaryString, findNul, peekBindStatement } from "../../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX } from "../client_cursor.ts";
import type { Intent, OptionChange } from "../../options/mod.ts";
import { type Fingerprint, OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import { intentIn } from "../reads.ts";
import type { Relay } from "../relay.ts";
import { NAMES_BYTES_MAX, type StatementMessages } from "./statement_messages.ts";
import { dropsNames } from "./name_drops.ts";
import { knowsPath } from "./read_as.ts";
import type { StatementParts } from "./statement_parts.ts";
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
  readonly #told: ToldTypes;

  constructor(relay: Relay, { cursor, steering, messages, unnamed, told }: StatementParts) {
    this.#relay = relay;
    this.#cursor = cursor;
    this.#steering = steering;
    this.#messages = messages;
    this.#unnamed = unnamed;
    this.#told = told;
  }

  /** Before a server connection is had for it; false when more of it must come first. */
  foresee(): boolean {
    const options = this.#foreseenOptions();
    if (options === undefined) return false;
    if (options !== null) this.#steering.foreseeStatement(options);
    return true;
  }

  /** What it says of its intent; null for nothing, undefined when more of it must come first. */
  intentOf(): Intent | null | undefined {
    const options = this.#foreseenOptions();
    return options === undefined || options === null ? options : intentIn(options);
  }

  /** What its statement asks for; null where that cannot be known, undefined when more of it must come first. */
  #foreseenOptions(): readonly OptionChange[] | null | undefined {
    const { names, renames } = this.#relay;
    if (!renames || (names.unnamed.order === null && !names.hasOrders)) return null;
    const { bytes, at, bodyStart, seenEnd, messageEnd } = this.#cursor;
    const nameStart = peekBindStatement(bytes, bodyStart, seenEnd);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, seenEnd);
    if (nameEnd >= 0) return this.#optionsOf(nameStart, nameEnd) ?? [];
    return seenEnd === messageEnd || seenEnd - at >= NAMES_BYTES_MAX ? null : undefined; // malformed: the server says so
  }

  take(): number {
    const relay = this.#relay;
    const messages = this.#messages;
    const cursor = this.#cursor;
    const { server, bytes, bodyStart } = cursor;
    if (!relay.renames || server.owed.skipping) {
      if (!server.owed.skipping) relay.words?.bind(bytes, bodyStart, cursor.seenEnd);
      return this.#pass();
    }
    const { at, messageEnd, seenEnd } = cursor;
    const nameStart = peekBindStatement(bytes, bodyStart, seenEnd);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, seenEnd);
    if (nameEnd < 0) {
      if (seenEnd < messageEnd && seenEnd - at < NAMES_BYTES_MAX) return cursor.wantMore();
      if (seenEnd < messageEnd) throw new PgplexError("protocol_violation", "invalid string in message");
      server.owed.sent(Owed.Bind); // malformed: the server says so
      return cursor.passWhole();
    }
    if (nameEnd === nameStart) return this.#takeUnnamed(nameStart);
    const keyEnd = Math.min(nameEnd, nameStart + NAME_BYTES_MAX);
    if (messages.unreadable(nameStart, keyEnd)) return -1;
    const named = relay.names.named(bytes, nameStart, keyEnd);
    if (named !== null && messages.adapt(named)) return -1;
    const statement = named === null ? null : named.statement;
    if (messages.doubtful(statement, nameStart, keyEnd)) return -1;
    if (statement === null || server.foreignNames.size > 0) {
      const name = relay.encoding.statementName(bytes, nameStart, keyEnd);
      if (relay.clientNamed.has(server, name)) {
        return this.#takeClientNamed(statement, name, nameStart, nameEnd);
      }
    }
    if (named === null || messages.dropped(nameStart, keyEnd)) return messages.refuse(nameStart, nameEnd);
    const holds = this.#told.check(named);
    if (holds === Told.Asked) return -1;
    if (holds === Told.Changed) return messages.fail(resultTypeChanged());
    if (!this.#begins(nameStart, nameEnd)) return -1;
    const { hash } = named.statement;
    const known = hash === 0 ? null : relay.watch.fingerprints.find(hash);
    if (!this.#runs(known ?? OPAQUE_FINGERPRINT)) return -1;
    cursor.flush();
    if (known !== null && known.traits.listsStatements && this.#stands(server, bytes, nameStart, keyEnd)) {
      this.#told.binds(null, nameStart - 1);
      return this.#pass();
    }
    const runs = relay.names.hasOrders
      ? this.#remade(server, named.statement, bytes, nameStart, keyEnd)
      : named.statement;
    this.#told.binds(runs === named.statement ? named : null, nameStart - 1);
    messages.putRenamed(runs, named.told.parameters, nameStart, nameEnd);
    // An error names the statement, which may have several names.
    if (relay.names.size > 1) server.owed.sent(Owed.Bind | Mark.Effect, named);
    else server.owed.sent(Owed.Bind);
    return cursor.passFrom(nameEnd, messageEnd);
  }

  /** A Bind of the unnamed statement, whose name's NUL lies at `nameStart`. */
  #takeUnnamed(nameStart: number): number {
    const relay = this.#relay;
    const messages = this.#messages;
    if (this.#unnamed.doubtful()) return -1;
    const holds = this.#told.checkUnnamed();
    if (holds === Told.Asked) return -1;
    if (holds === Told.Changed) return messages.fail(resultTypeChanged());
    if (!this.#begins(nameStart, nameStart)) return -1;
    // First: what it sends may replace the server's unnamed statement.
    if (!this.#runs(relay.names.unnamed.fingerprint)) return -1;
    if (!this.#unnamed.ensure()) return messages.refuse(nameStart, nameStart);
    relay.names.unnamed.bound();
    this.#told.binds(null, nameStart - 1);
    return this.#pass();
  }

  /** Whether the server has the statement under this name of the client's: what lists them shows no other for it. */
  #stands({ foreignNames }: ServerConnection, bytes: Uint8Array, start: number, end: number): boolean {
    return foreignNames.has(this.#relay.encoding.statementName(bytes, start, end));
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
    const name = relay.encoding.statementName(bytes, start, end);
    // While its Parse is on its way, the text is as new as that, and may still have to be taken back.
    if (relay.changes.changes(name)) return statement;
    const made = relay.names.remade(name, statement);
    // One for each time that it ran would drive out what others need.
    if (made !== statement) relay.onServer.closeIfHeld(server, statement);
    return made;
  }

  /** A Bind of what stands on the server under the client's name. */
  #takeClientNamed(
    statement: Statement | null,
    name: BinaryString,
    nameStart: number,
    nameEnd: number,
  ): number {
    const relay = this.#relay;
    const { server } = this.#cursor;
    if (!this.#begins(nameStart, nameEnd)) return -1;
    const sure = knowsPath(server, relay);
    const hash = statement?.hash ?? 0;
    const known = hash === 0 ? null : relay.watch.fingerprints.find(hash);
    if (!this.#runs(known ?? OPAQUE_FINGERPRINT)) return -1;
    if (this.#messages.mayFail()) return -1;
    if (relay.sql.outOfReach(server, name)) return this.#messages.refuseAborted();
    this.#messages.useSqlStatement(name, sure);
    return this.#pass();
  }

  #pass(): number {
    this.#cursor.server.owed.sent(Owed.Bind);
    return this.#cursor.pass();
  }

  /** The statement whose name lies there begins; false when the scan has to stop first. */
  #begins(nameStart: number, nameEnd: number): boolean {
    const options = this.#optionsOf(nameStart, nameEnd);
    return (options === null && !this.#steering.active) || this.#steering.begin(this.#cursor, options ?? []);
  }

  /** What a directive asks for each time that the statement runs whose name lies there. */
  #optionsOf(nameStart: number, nameEnd: number): readonly OptionChange[] | null {
    const { names, encoding } = this.#relay;
    const order = nameEnd === nameStart
      ? names.unnamed.order
      : names.hasOrders
      ? names.orderOf(encoding.statementName(this.#cursor.bytes, nameStart, nameEnd))
      : null;
    return order === null || order.changes.length === 0 ? null : order.changes;
  }

  /** The statement is bound: it will run. False when more of the message, or replies, must come first. */
  #runs(fingerprint: Fingerprint): boolean {
    const cursor = this.#cursor;
    const { setsByParameter } = fingerprint;
    if (setsByParameter && 1 + cursor.length <= LOOK_BYTES_MAX) {
      if (!cursor.whole) return cursor.wantWhole() > 0;
      this.#relay.watch.lookAtParameters(cursor.bytes, cursor.bodyStart, cursor.messageEnd);
    }
    if (!this.#messages.runs(fingerprint)) return false;
    if (!fingerprint.plain && dropsNames(fingerprint.traits)) this.#bindsDrop();
    if (setsByParameter && 1 + cursor.length > LOOK_BYTES_MAX) {
      cursor.readBy(this.#relay.watch.readParameters());
    }
    return true;
  }

  #bindsDrop(): void {
    const { bytes, bodyStart, seenEnd } = this.#cursor;
    this.#relay.changes.bindsDrop(binaryString(bytes, bodyStart, findNul(bytes, bodyStart, seenEnd)));
  }
}
