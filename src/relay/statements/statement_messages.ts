import type { Reading, Statement } from "../../backend/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import { type BinaryString, binaryString, putInt32, TxStatus, utf8FromBinary } from "../../protocol/mod.ts";
import type { ClientCursor } from "../client_cursor.ts";
import type { Fingerprint } from "../../learning/mod.ts";
import { poison } from "../poison.ts";
import type { NamedStatement } from "./prepared_names.ts";
import { UNNAMED_BYTES_MAX } from "./unnamed_memory.ts";
import type { Relay } from "../relay.ts";
import type { Steered, Steering } from "../steering.ts";

/** Names of portals and statements that fit the buffer; PostgreSQL itself compares 63 bytes of them. */
export const NAMES_BYTES_MAX = 8192;

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
  doubtful(statement: Statement | null, nameStart: number, nameEnd: number): boolean {
    if (statement !== null && this.statementDoubtful(statement)) return true;
    const { server, bytes } = this.#cursor;
    const { changes, sql } = this.#relay;
    return (changes.pending || sql.pending || changes.drops.doubtful(server.owed)) &&
      this.nameDoubtful(this.#relay.encoding.statementName(bytes, nameStart, nameEnd));
  }

  /**
   * Before `named` is used: what servers keep of its text besides literals is made by the settings that hold now, and nobody else gets
   * what is made by settings that nobody has looked at. True where the message at hand has to wait, as answers on their way tell those.
   */
  adapt(named: NamedStatement): boolean {
    const { statement: { reading }, rereads } = named;
    if (reading === null) return false;
    const { owed, prepared } = this.#cursor.server;
    const comes = this.#relay.watch.readingComes;
    // What the server has is read already.
    const isMade = comes && !rereads && prepared.touch(named.statement);
    if (comes && !isMade && this.#cursor.awaitWhile(() => owed.readies > 0 && !owed.copyIn)) return true;
    const sure = isMade || !this.readsOtherwise;
    const { literals, constants } = this.#cursor.server.settings.reading;
    if (!sure) this.#adapt(named, null);
    else if (rereads) this.#adapt(named, { literals, constants });
    else if (reading.constants !== constants) this.#adapt(named, { ...reading, constants });
    return false;
  }

  #adapt(named: NamedStatement, reading: Reading | null): void {
    const { changes, names } = this.#relay;
    if (changes.pending && changes.changes(binaryString(named.name, 0, named.name.length))) return;
    names.read(named, reading);
  }

  /** Whether the server may read a text by other settings than those that are known. */
  get readsOtherwise(): boolean {
    const { watch } = this.#relay;
    return watch.readsOtherwise(this.#cursor.server.owed.settled);
  }

  /**
   * Whether the message at hand, which begins a batch, has to wait as what is on its way may change the encoding in which its statement's name
   * is written. It lies from `nameStart` to `nameEnd`.
   */
  unreadable(nameStart: number, nameEnd: number): boolean {
    const { server: { owed }, bytes } = this.#cursor;
    if (owed.readies === 0 || this.#relay.progress.batchSent) return false;
    for (let i = nameStart; i < nameEnd; i++) {
      if (bytes[i]! > 0x7f) return this.#cursor.awaitWhile(() => owed.readies > 0 && !owed.copyIn);
    }
    return false;
  }

  /** {@link doubtful} of the statement alone. */
  statementDoubtful(statement: Statement): boolean {
    const { prepared } = this.#cursor.server;
    return prepared.inFlight.size > 0 && this.#isDoubtful(statement);
  }

  #isDoubtful(statement: Statement): boolean {
    const { prepared, owed } = this.#cursor.server;
    return this.#cursor.awaitWhile(() => prepared.inFlight.doubtful(statement, owed.batch));
  }

  /** {@link doubtful} of the name alone. */
  nameDoubtful(name: BinaryString): boolean {
    const { changes, sql } = this.#relay;
    const { drops } = changes;
    const { owed } = this.#cursor.server;
    if (drops.doubtful(owed) && this.#cursor.awaitWhile(() => drops.doubtful(owed))) return true;
    return (changes.pending || sql.pending) &&
      this.#cursor.awaitWhile(() => changes.doubtful(name, owed.batch) || sql.doubtful(name, owed.batch));
  }

  /** Whether a DEALLOCATE ALL before in the batch ends the statement whose name lies there. */
  dropped(nameStart: number, nameEnd: number): boolean {
    const { drops } = this.#relay.changes;
    const { server, bytes } = this.#cursor;
    return drops.pending &&
      drops.frees(server.owed, this.#relay.encoding.statementName(bytes, nameStart, nameEnd));
  }

  /** Does what the text of the Parse at hand asks of pgplex. */
  steer(steered: Steered): void {
    this.#cursor.flush();
    this.#steering.apply(this.#cursor.server, steered, false);
  }

  /** What must come before a statement that runs goes in front of the message at hand; false when replies must come first. */
  runs(fingerprint: Fingerprint): boolean {
    const { preamble } = this.#relay;
    if (this.#unsettled(fingerprint) || this.#renews(fingerprint)) return false;
    if (preamble.interferes(fingerprint)) this.#cursor.flush();
    preamble.runs(this.#cursor.server, fingerprint, false);
    return true;
  }

  /** Whether the batch, of which this would be the first message, has to wait for another connection. */
  #renews(fingerprint: Fingerprint): boolean {
    return this.#relay.preamble.renews(this.#cursor.server, fingerprint) && this.#cursor.needLease() < 0;
  }

  #unsettled(fingerprint: Fingerprint): boolean {
    return this.#relay.preamble.mustSettle(this.#cursor.server, fingerprint) &&
      this.#awaitSettled(fingerprint);
  }

  #awaitSettled(fingerprint: Fingerprint): boolean {
    const { preamble } = this.#relay;
    const { server } = this.#cursor;
    return this.#cursor.awaitWhile(() => preamble.mustSettle(server, fingerprint));
  }

  /**
   * {@link runs} where a statement is only parsed or described: the columns of an EXECUTE are those of the statement that it
   * names, and the server must have that.
   */
  parses(fingerprint: Fingerprint): boolean {
    const { preamble } = this.#relay;
    if (this.#renews(fingerprint)) return false;
    if (!preamble.interferes(fingerprint)) return true;
    if (this.#unsettled(fingerprint)) return false;
    this.#cursor.flush();
    preamble.parses(this.#cursor.server, fingerprint);
    return true;
  }

  /**
   * The message at hand names a statement that SQL made: the server is made to have it, and nothing is known of what it does.
   *
   * @param sure as {@link Lending.sure}
   */
  useSqlStatement(name: BinaryString, sure: boolean): void {
    this.#cursor.flush();
    this.#relay.sql.ensure(this.#cursor.server, name, { simple: false, sure });
    this.#relay.watch.runsOpaque();
  }

  /**
   * Hands over the Bind or Describe at hand up to and without the NUL of the statement's name, which lies from `nameStart` to
   * `nameEnd`, with the name that servers know. `parameters` are those that the client was told, if it was.
   */
  putRenamed(
    statement: Statement,
    parameters: BinaryString | null,
    nameStart: number,
    nameEnd: number,
  ): void {
    const cursor = this.#cursor;
    const { server, bytes, at, length } = cursor;
    cursor.flush();
    this.#relay.onServer.ensure(server, statement, parameters);
    // The buffer is this session's own, and the message is not read again: its length is patched where it lies.
    putInt32(bytes, at + 1, length - (nameEnd - nameStart) + statement.nameBytes.length);
    server.out.forward(bytes, at, nameStart);
    server.out.put(statement.nameBytes);
    cursor.replacedTo(nameEnd);
  }

  /** {@link fail} as the statement does not exist whose name lies from `nameStart` to `nameEnd`. */
  refuse(nameStart: number, nameEnd: number): number {
    const lost = nameStart === nameEnd && this.#relay.names.unnamed.tooLarge;
    const name = utf8FromBinary(binaryString(this.#cursor.bytes, nameStart, nameEnd));
    return this.fail(lost ? unnamedTooLarge() : missingStatement(name));
  }

  /** {@link fail} as servers refuse each statement of an aborted transaction that does not end it. */
  refuseAborted(): number {
    return this.fail(transactionAborted());
  }

  /** Whether the message at hand has to wait, as the transaction has failed and what is on its way may end it. */
  mayFail(): boolean {
    const { server } = this.#cursor;
    const { owed } = server;
    return this.#cursor.awaitWhile(() =>
      server.txStatus === TxStatus.Failed && owed.readies > 0 && !owed.copyIn
    );
  }

  /** Makes the batch fail with `error`, and leaves out the message at hand. Returns the place of its rest. */
  fail(error: PgplexError): number {
    this.#cursor.flush();
    poison(this.#cursor.server, error);
    return this.#cursor.drop();
  }
}

function transactionAborted(): PgplexError {
  return new PgplexError(
    "transaction_aborted",
    "current transaction is aborted, commands ignored until end of transaction block",
  );
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

/** A statement's name in an error, as PostgreSQL quotes it. */
function missingStatement(name: string): PgplexError {
  return new PgplexError(
    "statement_missing",
    name === "" ? "unnamed prepared statement does not exist" : `prepared statement "${name}" does not exist`,
  );
}
