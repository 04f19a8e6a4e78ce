import type { ServerConnection, StatementStore } from "../../backend/mod.ts";
import type { Intent } from "../../options/mod.ts";
import { type BinaryString, Front } from "../../protocol/mod.ts";
import { BindMessages } from "./bind_messages.ts";
import type { ClientCursor } from "../client_cursor.ts";
import { DescribeClose } from "./describe_close.ts";
import { ParseMessages } from "./parse_messages.ts";
import { PlainBatch } from "./plain_batch.ts";
import type { Relay } from "../relay.ts";
import { ShowBatch } from "../show/show_batch.ts";
import { StatementMessages } from "./statement_messages.ts";
import type { StatementParts } from "./statement_parts.ts";
import type { Steering } from "../steering.ts";
import { ToldTypes } from "./told_types.ts";
import { UnnamedStatement } from "./unnamed_statement.ts";

/**
 * Parse, Bind, Describe and Close on their way to the server: the session's names of prepared statements become the
 * server's. Pure.
 *
 * Each method is about the message at which the cursor stands. Those that take it return the place of the next byte, or -1 where
 * the scan has to stop.
 */
export class ExtendedQuery {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #unnamed: UnnamedStatement;
  readonly #plain: PlainBatch;
  readonly #parses: ParseMessages;
  readonly #binds: BindMessages;
  readonly #describeClose: DescribeClose;
  readonly #showBatch: ShowBatch;

  constructor(relay: Relay, store: StatementStore, cursor: ClientCursor, steering: Steering) {
    const messages = new StatementMessages(relay, cursor, steering);
    const unnamed = new UnnamedStatement(relay, cursor, messages);
    const told = new ToldTypes(relay, cursor);
    const parts: StatementParts = { store, cursor, steering, messages, unnamed, told };
    this.#relay = relay;
    this.#cursor = cursor;
    this.#unnamed = unnamed;
    this.#plain = new PlainBatch(relay, parts);
    this.#parses = new ParseMessages(relay, parts);
    this.#binds = new BindMessages(relay, parts);
    this.#describeClose = new DescribeClose(relay, parts);
    const closeStatement = (name: BinaryString) => this.#describeClose.close(name);
    this.#showBatch = new ShowBatch(relay, { store, cursor, steering, closeStatement });
  }

  /**
   * Before a server connection is had for a message: what its statement says of the wait holds already, or it begins a batch about
   * SHOW of options alone, which is answered.
   *
   * @returns the place behind that batch, -1 when more must come first, 0 when a server is needed.
   */
  foresee(): number {
    const cursor = this.#cursor;
    const { type } = cursor;
    if (type === Front.Parse) {
      const concerns = this.#parses.mayConcern();
      if (concerns === false) return 0;
      const answered = concerns === null ? 0 : this.#showBatch.take();
      if (answered !== 0) return answered;
      return concerns !== null && this.#parses.foresee() ? 0 : cursor.wantHead();
    }
    if (type !== Front.Bind && type !== Front.Describe) return 0;
    const answered = this.#relay.names.hasShows ? this.#showBatch.take() : 0;
    if (answered !== 0 || type === Front.Describe) return answered;
    return this.#binds.foresee() ? 0 : cursor.wantHead();
  }

  /** What the message at hand says of its intent; null for nothing, undefined when more of it must come first. */
  intentOf(): Intent | null | undefined {
    const { type } = this.#cursor;
    return type === Front.Parse
      ? this.#parses.intentOf()
      : type === Front.Bind
      ? this.#binds.intentOf()
      : null;
  }

  /** Takes a Parse, and counts it, or with it the batch that it begins; one at which the scan stops comes again. */
  parse(): number {
    const batchEnd = this.#plain.take();
    if (batchEnd !== 0) return batchEnd;
    this.#relay.progress.batchBegins();
    const next = this.#parses.take();
    if (next >= 0) this.#relay.counts.parseTaken();
    return this.#noteSent(next);
  }

  /** Takes a Bind, and counts it. */
  bind(): number {
    this.#relay.progress.batchBegins();
    const next = this.#binds.take();
    if (next >= 0) this.#relay.counts.bindTaken();
    return this.#noteSent(next);
  }

  /** Takes a Describe or Close. */
  describeOrClose(): number {
    this.#relay.progress.batchBegins();
    return this.#noteSent(this.#describeClose.take());
  }

  /** The statement's name in the complete Describe or Close at hand; null when it is about a portal, or malformed. */
  statementOf(): BinaryString | null {
    return this.#describeClose.statementOf();
  }

  /** Closes one of the session's statements, if there is one, and answers the client. */
  closeStatement(name: BinaryString): void {
    this.#describeClose.close(name);
  }

  /** A simple query goes to `server`, which ends the unnamed statement where it does not skip the query. */
  queryEndsUnnamed(server: ServerConnection): void {
    this.#unnamed.queryEnds(server);
  }

  /** `next` is the place behind a message of a batch, or -1 where the scan stopped before it. */
  #noteSent(next: number): number {
    const { progress, preamble } = this.#relay;
    if (next >= 0) progress.batchGoesOn();
    else if (preamble.lender !== null && !progress.batchSent) progress.batchWaits();
    return next;
  }
}
