import {
  type Describing,
  Mark,
  NOT_OWED,
  Owed,
  parameterAt,
  type ServerConnection,
  serverError,
} from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  Action,
  Back,
  type BinaryString,
  decodeErrorFields,
  encodeErrorFields,
  endsConnection,
  type ErrorFields,
  int32At,
  QUERY_CANCELED,
  SERVER_ACTIONS,
  TxStatus,
} from "../protocol/mod.ts";
import type { RowTaker } from "./commit_guard.ts";
import type { Relay } from "./relay.ts";

/** What a session wants to hear of while replies pass. */
export interface ServerScanPort {
  /** The server reported a setting. Whether the client is told. */
  parameter(name: BinaryString, value: BinaryString): boolean;
  /** The complete notification at `at`; it may be changed where it lies. Whether the client gets it. */
  notification(server: ServerConnection, bytes: Uint8Array, at: number, end: number): boolean;
  /** The server says that it ends the connection. Whether the client gets its message. */
  fatal(error: PgplexError): boolean;
  /** The server says that it cancelled the statement: what the client is told in place of that, or null. */
  canceled(): Uint8Array | null;
  /** A transaction is open behind what the client sent, where none may be: the client hears no more of the server. */
  blockBegun(): void;
}

/** SQLSTATE invalid_sql_statement_name. */
const UNDEFINED_STATEMENT = "26000";

/** Of these marks alone Swallow: nothing of the reply is for the client. */
const SWALLOWS = Mark.Swallow | Mark.Replace;

/** {@link SERVER_ACTIONS} while a row of pgplex's own is awaited. */
const ROW_ACTIONS: Readonly<Uint8Array> = SERVER_ACTIONS.map((action, type) =>
  type === Back.DataRow ? Action.Inspect : action
);

/** So much of an ErrorResponse is read to know how grave it is: severity and SQLSTATE come first. */
const ERROR_PEEK_BYTES = 8192;

/**
 * A server's messages on their way to the client: rows pass by count, replies are checked off against what is owed, and
 * those that belong to pgplex are taken out. Pure.
 */
export class ServerScan implements RowTaker {
  readonly #relay: Relay;
  readonly #port: ServerScanPort;
  #actions: Readonly<Uint8Array> = SERVER_ACTIONS;
  #left = 0;
  #drop = false;
  #run = 0;
  /** The error of something that pgplex sent ahead of a simple query, which is about to fail for want of it. */
  #heldError: Uint8Array | null = null;
  /** What learns from the message that passes. */
  #describing: Describing | null = null;
  /** A reply was checked off: internal answers may be next. */
  #answeredOne = false;

  constructor(relay: Relay, port: ServerScanPort) {
    this.#relay = relay;
    this.#port = port;
    relay.guard.readBy(this);
  }

  /** Whether a message to the client has begun and not ended: any other byte would be taken for the rest of it. */
  get midMessage(): boolean {
    return this.#left > 0 && !this.#drop;
  }

  takesRow(): void {
    this.#actions = ROW_ACTIONS;
  }

  /** The server is lost, behind a whole message: the next one begins anew. */
  serverLost(): void {
    this.#actions = SERVER_ACTIONS;
    this.#left = 0;
    this.#answeredOne = false;
    this.#heldError = this.#describing = null;
  }

  /**
   * Takes bytes from `start` to `end` as far as it can.
   *
   * @returns the place of the first byte not taken.
   * @throws PgplexError `server_protocol`: the server connection is broken.
   */
  scan(server: ServerConnection, bytes: Uint8Array, start: number, end: number): number {
    this.#run = start;
    let at = start;
    try {
      while (at < end) {
        if (this.#left > 0) {
          const n = Math.min(this.#left, end - at);
          this.#left -= n;
          if (this.#describing !== null && !this.#describing.take(bytes, at, at + n)) this.#describing = null;
          at += n;
          if (this.#drop) this.#run = at;
          if (this.#left === 0 && this.#relay.client.holding) {
            this.#flushRun(bytes, at);
            this.#relay.client.messageEnds();
          }
          continue;
        }
        if (this.#answeredOne) this.#flushLocals(server, bytes, at);
        if (end - at < 5) break;
        const type = bytes[at]!;
        const length = int32At(bytes, at + 1);
        const action = this.#actions[type]!;
        if (length < 4 || action === Action.Reject) {
          throw broken(`message of type ${type} and length ${length}`);
        }
        if (action === Action.Pass) {
          at = this.#begin(at, length);
          continue;
        }
        if (action === Action.Inspect) {
          const needed = 1 + (type === Back.ErrorResponse ? Math.min(length, ERROR_PEEK_BYTES) : length);
          if (end - at < needed) break;
        }
        at = this.#note(server, type, length, bytes, at);
      }
    } catch (thrown) {
      // What came before reaches the client whole: only then it may hear why nothing else does.
      this.#flushRun(bytes, at);
      throw thrown;
    }
    if (this.#answeredOne && this.#left === 0) this.#flushLocals(server, bytes, at);
    this.#flushRun(bytes, at);
    this.#relay.progress.repliesTaken(this.#left > 0);
    return at;
  }

  #begin(at: number, length: number): number {
    this.#left = length - 4;
    this.#drop = false;
    return at + 5;
  }

  #note(server: ServerConnection, type: number, length: number, bytes: Uint8Array, at: number): number {
    const { owed } = server;
    switch (type) {
      case Back.ReadyForQuery:
        return this.#ready(server, length, bytes, at);
      case Back.CommandComplete:
        if (server.ahead === null) this.#commandComplete(server, bytes, at, length);
        owed.commandEnds();
        if (owed.peekKind() === Owed.Execute) return this.#answered(server, Owed.Execute, bytes, at, length);
        break;
      case Back.ErrorResponse:
        return this.#error(server, bytes, at, length);
      case Back.ParameterStatus: {
        const [name, value] = parameterAt(bytes, at + 5, at + 1 + length);
        server.noteParameter(name, value);
        this.#flushRun(bytes, at);
        // Before PostgreSQL 14 it comes at once: what a text is read by is set, and behind it set back.
        if (owed.peek() === (Owed.Execute | Mark.Swallow) && name !== "application_name") {
          return this.#skip(bytes, at, length);
        }
        if (!this.#port.parameter(name, value)) return this.#skip(bytes, at, length);
        break;
      }
      case Back.NotificationResponse:
        this.#flushRun(bytes, at);
        if (!this.#port.notification(server, bytes, at, at + 1 + length)) {
          return this.#skip(bytes, at, length);
        }
        break;
      case Back.NoticeResponse: {
        // A notice of what pgplex sent for itself, and not for the client: that heard it when it said the same.
        const entry = owed.peek();
        if (entry > 0 && (entry & SWALLOWS) === Mark.Swallow) return this.#skip(bytes, at, length);
        break;
      }
      case Back.DataRow:
        if (this.#relay.guard.row(server, bytes, at)) return this.#skip(bytes, at, length);
        break;
      case Back.ParseComplete:
        return this.#answered(server, Owed.Parse, bytes, at, length);
      case Back.BindComplete:
        return this.#answered(server, Owed.Bind, bytes, at, length);
      case Back.CloseComplete:
        return this.#answered(server, Owed.Close, bytes, at, length);
      case Back.ParameterDescription: {
        this.#describes(server, type, length);
        const entry = owed.peek();
        if (entry > 0 && (entry & Mark.Swallow) !== 0) return this.#skip(bytes, at, length);
        break;
      }
      case Back.NoData:
        this.#describes(server, type, length);
        return this.#answered(server, Owed.Describe, bytes, at, length);
      case Back.RowDescription:
        if (owed.peekKind() === Owed.Describe) {
          this.#describes(server, type, length);
          return this.#answered(server, Owed.Describe, bytes, at, length);
        }
        break;
      case Back.PortalSuspended:
        return this.#answered(server, Owed.Execute, bytes, at, length);
      case Back.EmptyQueryResponse:
        if (owed.peekKind() === Owed.Execute) return this.#answered(server, Owed.Execute, bytes, at, length);
        break;
      case Back.CopyInResponse:
      case Back.CopyBothResponse:
        owed.copyStarts();
        break;
    }
    return this.#begin(at, length);
  }

  /** A reply to a Describe that may be remembered begins. */
  #describes({ owed, prepared }: ServerConnection, type: number, length: number): void {
    if (owed.peekKind() !== Owed.Describe || (owed.peek() & Mark.Effect) === 0) return;
    const describing = prepared.describing[0];
    if (describing !== undefined && describing.begin(type, length - 4)) this.#describing = describing;
  }

  #ready(server: ServerConnection, length: number, bytes: Uint8Array, at: number): number {
    if (length !== 5) throw broken("ReadyForQuery of invalid length");
    const entry = server.owed.ready();
    if (entry === NOT_OWED) throw broken("ReadyForQuery that was not owed");
    server.noteStatus(bytes[at + 5]!);
    if (server.overwrites !== null && !this.#relay.watch.undone) server.overwrites = null;
    this.#answeredOne = true;
    if ((entry & Mark.Swallow) !== 0) return this.#skip(bytes, at, length);
    this.#heldError = null;
    if (this.#relay.refusesBlocks && server.txStatus !== TxStatus.Idle) {
      this.#flushRun(bytes, at);
      this.#port.blockBegun();
      return this.#skip(bytes, at, length);
    }
    this.#relay.counts.queryAnswered(server.txStatus === TxStatus.Idle);
    this.#left = 0;
    this.#relay.progress.checkBoundary();
    return at + 6;
  }

  /** Checks a reply off; what pgplex asked for itself does not reach the client. Returns the place to go on. */
  #answered(server: ServerConnection, kind: number, bytes: Uint8Array, at: number, length: number): number {
    const entry = server.owed.reply(kind);
    if (entry === NOT_OWED) throw broken(`reply to a message of kind ${kind} that was not sent`);
    this.#answeredOne = true;
    if ((entry & Mark.Swallow) === 0) return this.#begin(at, length);
    if (kind === Owed.Execute) this.#actions = SERVER_ACTIONS;
    return this.#skip(bytes, at, length);
  }

  /** What pgplex answers itself comes out when its turn has come, behind the last message that was answered. */
  #flushLocals(server: ServerConnection, bytes: Uint8Array, at: number): void {
    this.#answeredOne = false;
    for (;;) {
      const reply = server.owed.nextLocal();
      if (reply === null) return;
      this.#flushRun(bytes, at);
      this.#relay.client.put(reply);
      this.#relay.progress.checkBoundary();
    }
  }

  #commandComplete(server: ServerConnection, bytes: Uint8Array, at: number, length: number): void {
    // "RESET", "DISCARD ALL", "DISCARD PLANS" or "DEALLOCATE ALL", each followed by NUL.
    const first = bytes[at + 5];
    if (first !== 0x44 && first !== 0x52) return;
    const { renames, watch } = this.#relay;
    if (length === 4 + 6 && tagIs(bytes, at + 5, "RESET")) watch.resets();
    else if (length === 4 + 12 && tagIs(bytes, at + 5, "DISCARD ALL")) {
      watch.resets();
      if (!renames) return;
      this.#relay.forgetStatements(server);
      this.#relay.preamble.lender?.discarded();
    } else if (renames && length === 4 + 15 && tagIs(bytes, at + 5, "DEALLOCATE ALL")) {
      this.#relay.forgetStatements(server);
    } else if (renames && length === 4 + 14 && tagIs(bytes, at + 5, "DISCARD PLANS")) {
      this.#relay.plansDiscarded(server);
    }
  }

  #error(server: ServerConnection, bytes: Uint8Array, at: number, length: number): number {
    const bodyEnd = at + 1 + Math.min(length, ERROR_PEEK_BYTES);
    const fields = decodeErrorFields(bytes, at + 5, bodyEnd);
    if (endsConnection(fields)) {
      const told = this.#port.fatal(serverError(bytes, at + 5, bodyEnd));
      // What a server that ends still has to say goes with it, where the same is asked of another one.
      if (!told && this.#relay.reads.unanswered !== null) this.#run = at;
      return told ? this.#begin(at, length) : this.#skip(bytes, at, length);
    }
    this.#flushRun(bytes, at);
    // The server skips what stands behind, and its transaction has failed.
    if (server.ahead !== null) throw notRestored(serverError(bytes, at + 5, bodyEnd));
    this.#actions = SERVER_ACTIONS;
    this.#relay.watch.fails();
    // "cached plan must not change result type": prepared again, it will work.
    if (fields.get("C") === "0A000" && this.#relay.renames) server.prepared.expire();
    this.#relay.names.failed = null;
    let replaced = false;
    const put = (reply: Uint8Array) => {
      replaced = true;
      this.#relay.client.put(reply);
    };
    const failed = server.owed.error(fields.get("C"), put);
    if (failed > 0 && (failed & Mark.Swallow) !== 0 && server.owed.peek() === (Owed.Sync | Mark.Swallow)) {
      // What pgplex sent ahead of a simple query failed: that is the answer to the query, which names what is missing now.
      this.#heldError = bytes.slice(at, Math.min(at + 1 + length, bodyEnd));
      return this.#skip(bytes, at, length);
    }
    if (this.#heldError !== null && fields.get("C") === UNDEFINED_STATEMENT && !replaced) {
      put(this.#heldError);
    }
    // The server knows the statement by pgplex's name.
    const named = replaced ? null : this.#inClientsWords(fields);
    if (named !== null) put(named);
    if (!replaced && fields.get("C") === QUERY_CANCELED) {
      const reply = this.#port.canceled();
      if (reply !== null) put(reply);
    }
    return replaced ? this.#skip(bytes, at, length) : this.#begin(at, length);
  }

  /** The error with the client's name of a statement in place of pgplex's; null where it names none. */
  #inClientsWords(fields: ErrorFields): Uint8Array | null {
    const message = fields.get("M");
    const name = /"(pgplex:\d+)"/.exec(message ?? "")?.[1];
    if (name === undefined) return null;
    const { names } = this.#relay;
    const clients = names.failed ?? names.clientsNameOf(name);
    return clients === null
      ? null
      : encodeErrorFields(new Map([...fields, ["M", message!.replace(name, () => clients)]]));
  }

  /** Leaves a message out of what goes to the client. */
  #skip(bytes: Uint8Array, at: number, length: number): number {
    this.#flushRun(bytes, at);
    this.#left = length - 4;
    this.#drop = true;
    this.#run = at + 5;
    return at + 5;
  }

  #flushRun(bytes: Uint8Array, at: number): void {
    if (this.#run < at) this.#relay.client.forward(bytes, this.#run, at);
    this.#run = at;
  }
}

function tagIs(bytes: Uint8Array, at: number, tag: string): boolean {
  for (let i = 0; i < tag.length; i++) if (bytes[at + i] !== tag.charCodeAt(i)) return false;
  return true;
}

/** What went in front of the client's message failed. */
function notRestored(error: PgplexError): PgplexError {
  const { message, sqlstate, extra } = error;
  return new PgplexError("restore_failed", message, { ...extra, sqlstate, cause: error });
}

function broken(what: string): PgplexError {
  return new PgplexError("server_protocol", "the server broke the protocol", { log: what });
}
