import type { StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  Back,
  type BinaryString,
  binaryString,
  encodeBack,
  encodeCommandComplete,
  encodeError,
  encodeReadyForQuery,
  type Ending,
  endingsIn,
  findNul,
  Front,
  peekBindStatement,
  TxStatus,
  utf8FromBinary,
} from "../protocol/mod.ts";
import type { ClientCursor } from "./client_cursor.ts";
import type { Relay } from "./relay.ts";
import { CLOSE_COMPLETE } from "./replies.ts";

/** Longer texts are refused unread: none that ends a transaction is so long. */
const TEXT_BYTES_MAX = 1 << 16;

/** What a session was in the middle of when its server was lost. */
export interface LeftOver {
  /** In a transaction, which the client has to end. */
  readonly inTransaction: boolean;
  /** In a batch that has failed: what comes up to its Sync is dropped. */
  readonly skipping: boolean;
  /** What the client has yet to hear of the loss; null: it has heard. */
  readonly untold: PgplexError | null;
  /** Called where the client rolls back without having heard. */
  readonly unheard?: () => void;
}

/** A statement as an aborted transaction looks at it. */
interface Prepared {
  readonly ending: Ending | "nothing";
  readonly text: BinaryString;
}

/**
 * What a session answers by itself whose server was lost in the middle of something: as a server in an aborted transaction does,
 * until the client has ended it, or up to the Sync of a batch that has failed (postgres.c: IsAbortedTransactionBlockState,
 * ignore_till_sync). Pure.
 *
 * A client that has not heard of the loss yet hears of it with its next statement, COMMIT too, unless that is ROLLBACK.
 */
export class Aftermath {
  readonly #relay: Relay;
  readonly #store: StatementStore;
  #inTransaction: boolean;
  #skipping: boolean;
  #untold: Uint8Array | null;
  readonly #unheard: (() => void) | undefined;
  /** The client has sent messages of a batch, and no Sync. */
  #midBatch = false;
  /** What was prepared since, by name; "" is the unnamed one. */
  readonly #prepared = new Map<BinaryString, Prepared>();
  readonly #portals = new Map<BinaryString, Prepared>();

  constructor(relay: Relay, store: StatementStore, { inTransaction, skipping, untold, unheard }: LeftOver) {
    this.#relay = relay;
    this.#store = store;
    this.#inTransaction = inTransaction;
    this.#skipping = skipping;
    this.#untold = untold === null ? null : encodeError("ERROR", untold);
    this.#unheard = unheard;
  }

  /** Whether the client needs a server again for what it sends next. */
  get over(): boolean {
    return !this.#inTransaction && !this.#skipping && !this.#midBatch;
  }

  /**
   * Answers the message at hand.
   *
   * @returns the place behind it, -1 where the scan has to stop in front of it, 0 where only a server can answer it
   */
  take(cursor: ClientCursor): number {
    const { type } = cursor;
    if (type === Front.Terminate) return cursor.needNothing();
    if (type === Front.Sync) {
      this.#skipping = this.#midBatch = false;
      this.#ready();
      return cursor.drop();
    }
    if (this.#skipping || IGNORED.has(type)) return cursor.drop();
    if (!this.#inTransaction) {
      this.#midBatch = false;
      return 0;
    }
    if (cursor.length > TEXT_BYTES_MAX) return this.#takeLong(cursor);
    if (!cursor.whole) return cursor.wantWhole();
    switch (type) {
      case Front.Query:
        return this.#query(cursor);
      case Front.FunctionCall:
        this.#put(this.#refusal());
        this.#ready();
        return cursor.dropWhole();
      case Front.Parse:
        return this.#parse(cursor);
      case Front.Bind:
        return this.#bind(cursor);
      case Front.Describe:
        return this.#describe(cursor);
      case Front.Execute:
        return this.#execute(cursor);
      default:
        return this.#close(cursor);
    }
  }

  #takeLong(cursor: ClientCursor): number {
    this.#put(this.#refusal());
    if (cursor.type === Front.Query || cursor.type === Front.FunctionCall) this.#ready();
    else this.#skipping = true;
    return cursor.drop();
  }

  #query(cursor: ClientCursor): number {
    const { bytes, bodyStart, messageEnd } = cursor;
    const text = textAt(bytes, bodyStart, messageEnd);
    const endings = endingsIn(text);
    const [first] = endings;
    // What stands behind ROLLBACK runs, and where nothing is open ROLLBACK does nothing.
    if (first === "rollback" && endings.length > 1) {
      this.#ends();
      return 0;
    }
    if (first === undefined) this.#put(EMPTY);
    else if (first === "commit" && endings.length > 1 && this.#untold === null) {
      this.#ends();
      this.#put(ROLLED_BACK);
      this.#put(encodeError("ERROR", restNotRun()));
    } else this.#put(this.#run(first, text));
    this.#ready();
    return cursor.dropWhole();
  }

  /** The answer to a statement; the transaction may be over behind it. */
  #run(ending: Ending, text: BinaryString): Uint8Array {
    if (ending === "rollback" || ending === "commit") {
      const answer = ending === "commit" ? this.#refusalOr(ROLLED_BACK) : ROLLED_BACK;
      this.#ends();
      return answer;
    }
    if (ending === "savepoint" && this.#untold === null) return encodeError("ERROR", savepointMissing(text));
    return this.#refusal();
  }

  #parse(cursor: ClientCursor): number {
    const { bytes, bodyStart, messageEnd } = cursor;
    const nameEnd = findNul(bytes, bodyStart, messageEnd);
    if (nameEnd < 0) return this.#fail(cursor, this.#refusal());
    const name = this.#relay.encoding.statementName(bytes, bodyStart, nameEnd);
    const prepared = preparedOf(textAt(bytes, nameEnd + 1, messageEnd));
    if (!isAllowed(prepared)) return this.#fail(cursor, this.#refusal());
    if (name === "") this.#relay.names.unnamed.drop();
    else if (this.#find(name) !== null) return this.#fail(cursor, encodeError("ERROR", duplicate(name)));
    else if (this.#relay.renames) this.#keep(name, binaryString(bytes, nameEnd + 1, messageEnd));
    this.#prepared.set(name, prepared);
    return this.#goOn(cursor, PARSE_COMPLETE);
  }

  /** The session has the statement from now on, as any other. */
  #keep(name: BinaryString, definition: BinaryString): void {
    const statement = this.#store.use(definition);
    this.#relay.changes.make(name, { statement, order: null, path: null, batch: 0, also: NOTHING }).done();
  }

  #bind(cursor: ClientCursor): number {
    const { bytes, bodyStart, messageEnd } = cursor;
    const nameStart = peekBindStatement(bytes, bodyStart, messageEnd);
    const nameEnd = nameStart < 0 ? -1 : findNul(bytes, nameStart, messageEnd);
    if (nameEnd < 0) return this.#fail(cursor, this.#refusal());
    const name = this.#relay.encoding.statementName(bytes, nameStart, nameEnd);
    const prepared = this.#find(name);
    if (prepared === null || !isAllowed(prepared)) return this.#failOf(cursor, name, prepared);
    this.#portals.set(binaryString(bytes, bodyStart, nameStart - 1), prepared);
    return this.#goOn(cursor, BIND_COMPLETE);
  }

  #describe(cursor: ClientCursor): number {
    const name = this.#nameAt(cursor);
    const isPortal = cursor.bytes[cursor.bodyStart] === PORTAL;
    if (isPortal) {
      return this.#portals.has(name)
        ? this.#goOn(cursor, NO_DATA)
        : this.#fail(cursor, this.#untold ?? encodeError("ERROR", portalMissing(name)));
    }
    const prepared = this.#find(name);
    if (prepared === null || !isAllowed(prepared)) return this.#failOf(cursor, name, prepared);
    this.#put(NO_PARAMETERS);
    return this.#goOn(cursor, NO_DATA);
  }

  #execute(cursor: ClientCursor): number {
    const { bytes, bodyStart, messageEnd } = cursor;
    const name = textAt(bytes, bodyStart, messageEnd);
    const portal = this.#portals.get(name);
    if (portal === undefined) {
      return this.#fail(cursor, this.#untold ?? encodeError("ERROR", portalMissing(name)));
    }
    if (portal.ending === "nothing") return this.#goOn(cursor, EMPTY);
    const answer = this.#run(portal.ending, portal.text);
    return answer === ROLLED_BACK ? this.#goOn(cursor, answer) : this.#fail(cursor, answer);
  }

  #close(cursor: ClientCursor): number {
    const name = this.#nameAt(cursor);
    if (cursor.bytes[cursor.bodyStart] === PORTAL) this.#portals.delete(name);
    else {
      this.#prepared.delete(name);
      if (name === "") this.#relay.names.unnamed.drop();
      else if (this.#relay.renames) {
        this.#relay.changes.end(name, 0).done();
      }
    }
    return this.#goOn(cursor, CLOSE_COMPLETE);
  }

  /** A statement of the session's; null where there is none of this name. */
  #find(name: BinaryString): Prepared | null {
    const since = this.#prepared.get(name);
    if (since !== undefined) return since;
    const before = name === "" ? null : this.#relay.names.findName(name);
    return before === null ? null : preparedOf(before.definition.slice(0, before.definition.indexOf("\0")));
  }

  /** A statement is named that there is not, or that an aborted transaction does not run. */
  #failOf(cursor: ClientCursor, name: BinaryString, prepared: Prepared | null): number {
    const isMissing = prepared === null && name !== "" && this.#untold === null;
    return this.#fail(cursor, isMissing ? encodeError("ERROR", statementMissing(name)) : this.#refusal());
  }

  #nameAt({ bytes, bodyStart, messageEnd }: ClientCursor): BinaryString {
    return textAt(bytes, bodyStart + 1, messageEnd);
  }

  /** The transaction is over. Its portals are gone. */
  #ends(): void {
    this.#inTransaction = false;
    if (this.#untold !== null) this.#unheard?.();
    this.#untold = null;
    this.#portals.clear();
  }

  /** What any other statement hears: of the loss, once, then as from a server. */
  #refusal(): Uint8Array {
    return this.#refusalOr(ABORTED);
  }

  #refusalOr(otherwise: Uint8Array): Uint8Array {
    const answer = this.#untold ?? otherwise;
    this.#untold = null;
    return answer;
  }

  #goOn(cursor: ClientCursor, answer: Uint8Array): number {
    this.#midBatch = true;
    this.#put(answer);
    return cursor.dropWhole();
  }

  #fail(cursor: ClientCursor, error: Uint8Array): number {
    this.#untold = null;
    this.#skipping = true;
    this.#put(error);
    return cursor.dropWhole();
  }

  #put(message: Uint8Array): void {
    this.#relay.client.put(message);
  }

  #ready(): void {
    this.#put(encodeReadyForQuery(this.#inTransaction ? TxStatus.Failed : TxStatus.Idle));
    this.#relay.counts.answeredHere();
  }
}

const PORTAL = 0x50;

/** Messages that get no answer outside of a COPY. */
const IGNORED: ReadonlySet<number> = new Set([
  Front.Flush,
  Front.CopyData,
  Front.CopyDone,
  Front.CopyFail,
]);

const NONE = new Uint8Array(0);
const NOTHING = { done() {}, undo() {} };
const EMPTY: Uint8Array = encodeBack(Back.EmptyQueryResponse, NONE);
const PARSE_COMPLETE: Uint8Array = encodeBack(Back.ParseComplete, NONE);
const BIND_COMPLETE: Uint8Array = encodeBack(Back.BindComplete, NONE);
const NO_DATA: Uint8Array = encodeBack(Back.NoData, NONE);
const NO_PARAMETERS: Uint8Array = encodeBack(Back.ParameterDescription, new Uint8Array(2));
const ROLLED_BACK: Uint8Array = encodeCommandComplete("ROLLBACK");
const ABORTED: Uint8Array = encodeError(
  "ERROR",
  new PgplexError(
    "transaction_aborted",
    "current transaction is aborted, commands ignored until end of transaction block",
  ),
);

function preparedOf(text: BinaryString): Prepared {
  const endings = endingsIn(text);
  return { text, ending: endings.length > 1 ? "other" : endings[0] ?? "nothing" };
}

/** Whether an aborted transaction takes it. */
function isAllowed({ ending }: Prepared): boolean {
  return ending !== "other" && ending !== "chain";
}

/** The text that ends with NUL, or with what lies before `end`. */
function textAt(bytes: Uint8Array, start: number, end: number): BinaryString {
  const nul = findNul(bytes, start, end);
  return binaryString(bytes, start, nul < 0 ? end : nul);
}

function restNotRun(): PgplexError {
  return new PgplexError("transaction_lost", "what stands behind COMMIT was not run", {
    detail: "The server connection was lost, and the transaction with it.",
    hint: "Send it again, by itself.",
  });
}

function savepointMissing(text: BinaryString): PgplexError {
  const name = /\bto\s+(?:savepoint\s+)?("(?:[^"]|"")*"|[^\s;]+)/i.exec(text)?.[1] ?? "";
  const plain = name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name.toLowerCase();
  return new PgplexError("savepoint_missing", `savepoint "${utf8FromBinary(plain)}" does not exist`);
}

function statementMissing(name: BinaryString): PgplexError {
  return new PgplexError("statement_missing", `prepared statement "${utf8FromBinary(name)}" does not exist`);
}

function portalMissing(name: BinaryString): PgplexError {
  return new PgplexError("portal_missing", `portal "${utf8FromBinary(name)}" does not exist`);
}

function duplicate(name: BinaryString): PgplexError {
  return new PgplexError(
    "duplicate_statement",
    `prepared statement "${utf8FromBinary(name)}" already exists`,
  );
}
