import type { ServerConnection, Statement, StatementStore } from "../../backend/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import { type BinaryString, binaryString, int32At, putInt32, utf8FromBinary } from "../../protocol/mod.ts";
import type { ClientCursor } from "../client_cursor.ts";
import type { OptionChange } from "../../options/mod.ts";
import type { Fingerprint } from "../../learning/mod.ts";
import type { OwnStatements } from "./own_statements.ts";
import { poison } from "../poison.ts";
import { UNNAMED_BYTES_MAX } from "./prepared_names.ts";
import { missingStatement, type Relay } from "../relay.ts";
import type { Steered, Steering } from "../steering.ts";
import type { ToldTypes } from "./told_types.ts";
import type { UnnamedStatement } from "./unnamed_statement.ts";

/** Names of portals and statements that fit the buffer; PostgreSQL itself compares 63 bytes of them. */
export const NAMES_BYTES_MAX = 8192;

/** What the machines of Parse, Bind, Describe and Close are made of; one of each for a session. */
export interface StatementParts {
  readonly store: StatementStore;
  readonly cursor: ClientCursor;
  readonly steering: Steering;
  readonly messages: StatementMessages;
  readonly unnamed: UnnamedStatement;
  readonly own: OwnStatements;
  readonly told: ToldTypes;
}

/**
 * What Parse, Bind, Describe and Close do alike with the statement that they name: they wait while nobody knows what its name
 * stands for, send what must come before it, give it the server's name, or fail. Pure.
 */
export class StatementMessages {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #steering: Steering;

  constructor(relay: Relay, cursor: ClientCursor, steering: Steering) {
    this.#relay = relay;
    this.#cursor = cursor;
    this.#steering = steering;
  }

  /**
   * Whether the message at hand has to wait as an earlier batch, which may fail, is about to change what its statement's
   * name stands for, or whether the server has the statement. In its own batch both would be skipped together.
   */
  doubtful(
    server: ServerConnection,
    statement: Statement | null,
    bytes: Uint8Array,
    nameStart: number,
    nameEnd: number,
  ): boolean {
    if (statement !== null && this.statementDoubtful(server, statement)) return true;
    return (this.#relay.namesInFlight.size > 0 || this.#relay.drops.doubtful(server.owed)) &&
      this.nameDoubtful(server, binaryString(bytes, nameStart, nameEnd));
  }

  /** {@link doubtful} of the statement alone. */
  statementDoubtful({ prepared, owed }: ServerConnection, statement: Statement): boolean {
    return prepared.inFlight.size > 0 &&
      this.#cursor.awaitWhile(() => prepared.inFlight.doubtful(statement, owed.batch));
  }

  /** {@link doubtful} of the name alone. */
  nameDoubtful({ owed }: ServerConnection, name: BinaryString): boolean {
    const { drops, namesInFlight } = this.#relay;
    if (drops.doubtful(owed) && this.#cursor.awaitWhile(() => drops.doubtful(owed))) return true;
    return namesInFlight.size > 0 &&
      this.#cursor.awaitWhile(() => namesInFlight.doubtful(name, owed.batch));
  }

  /** Whether a DEALLOCATE ALL before in the batch ends the statement whose name lies there. */
  dropped({ owed }: ServerConnection, bytes: Uint8Array, nameStart: number, nameEnd: number): boolean {
    const { drops } = this.#relay;
    return drops.pending && drops.frees(owed, binaryString(bytes, nameStart, nameEnd));
  }

  /** The message at `at` begins a statement with these options of its own; false when the scan has to stop in front of it. */
  begins(server: ServerConnection, changes: readonly OptionChange[], bytes: Uint8Array, at: number): boolean {
    return this.#steering.begin(server, changes, { cursor: this.#cursor, bytes, at });
  }

  /** Does what the text of the Parse at `at` asks of pgplex. */
  steer(server: ServerConnection, steered: Steered, bytes: Uint8Array, at: number): void {
    this.#cursor.flushRun(bytes, at);
    this.#steering.apply(server, steered, false);
  }

  /** What must come before a statement that runs goes in front of the message at `at`; false when replies must come first. */
  runs(server: ServerConnection, fingerprint: Fingerprint, bytes: Uint8Array, at: number): boolean {
    const relay = this.#relay;
    if (this.#unsettled(server, fingerprint)) return false;
    if (relay.interferes(fingerprint)) this.#cursor.flushRun(bytes, at);
    relay.runs(server, fingerprint, false);
    return true;
  }

  #unsettled(server: ServerConnection, fingerprint: Fingerprint): boolean {
    const relay = this.#relay;
    return relay.mustSettle(server, fingerprint) &&
      this.#cursor.awaitWhile(() => relay.mustSettle(server, fingerprint));
  }

  /**
   * {@link runs} where a statement is only parsed or described: the columns of an EXECUTE are those of the statement that it
   * names, and the server must have that.
   */
  parses(server: ServerConnection, fingerprint: Fingerprint, bytes: Uint8Array, at: number): boolean {
    const relay = this.#relay;
    if (!relay.interferes(fingerprint)) return true;
    if (this.#unsettled(server, fingerprint)) return false;
    this.#cursor.flushRun(bytes, at);
    relay.parses(server, fingerprint);
    return true;
  }

  /** The message at `at` names a statement that SQL made: the server is made to have it, and nothing is known of what it does. */
  useSqlStatement(server: ServerConnection, name: BinaryString, bytes: Uint8Array, at: number): void {
    this.#cursor.flushRun(bytes, at);
    this.#relay.ensureSqlStatement(server, name, false);
    this.#relay.watch.runsOpaque();
  }

  /**
   * Hands over the Bind or Describe at `at` up to and without the NUL of the statement's name, which lies from `nameStart` to
   * `nameEnd`, with the name that servers know. `parameters` are those that the client was told, if it was.
   */
  putRenamed(
    server: ServerConnection,
    statement: Statement,
    parameters: BinaryString | null,
    bytes: Uint8Array,
    at: number,
    nameStart: number,
    nameEnd: number,
  ): void {
    this.#cursor.flushRun(bytes, at);
    this.#relay.ensureStatement(server, statement, parameters);
    // The buffer is this session's own, and the message is not read again: its length is patched where it lies.
    putInt32(bytes, at + 1, int32At(bytes, at + 1) - (nameEnd - nameStart) + statement.nameBytes.length);
    server.out.forward(bytes, at, nameStart);
    server.out.put(statement.nameBytes);
    this.#cursor.run = nameEnd;
  }

  /** {@link fail} as the statement does not exist whose name lies from `nameStart` to `nameEnd`. */
  refuse(
    server: ServerConnection,
    length: number,
    bytes: Uint8Array,
    at: number,
    nameStart: number,
    nameEnd: number,
  ): number {
    const lost = nameStart === nameEnd && this.#relay.names.unnamedTooLarge;
    const name = utf8FromBinary(binaryString(bytes, nameStart, nameEnd));
    return this.fail(server, length, bytes, at, lost ? unnamedTooLarge() : missingStatement(name));
  }

  /** Makes the batch fail with `error`, and leaves out the message at `at`. Returns the place of its rest. */
  fail(server: ServerConnection, length: number, bytes: Uint8Array, at: number, error: PgplexError): number {
    this.#cursor.flushRun(bytes, at);
    poison(server, error);
    return this.#cursor.dropMessage(at, length);
  }
}

function unnamedTooLarge(): PgplexError {
  return new PgplexError(
    "statement_too_large",
    "the unnamed prepared statement was too large to be kept for another transaction",
    {
      detail: `Transaction pooling keeps ${UNNAMED_BYTES_MAX} bytes of it once it was bound.`,
      hint: "Parse it again, give it a name, or use pool_mode: session.",
    },
  );
}
