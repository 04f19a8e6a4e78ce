import { assert, type Clock, PgplexError } from "../kernel/mod.ts";
import {
  Back,
  type BinaryString,
  binaryString,
  decodeErrorFields,
  encodeTerminate,
  endsConnection,
  findNul,
  int32At,
  TxStatus,
  utf8FromBinary,
} from "../protocol/mod.ts";
import {
  type BufferPool,
  type ByteStream,
  type Endpoint,
  LARGE_BUFFER_BYTES,
  Outbox,
} from "../transport/mod.ts";
import { type FrameTaker, takeFrames } from "./frames.ts";
import { OwedReplies } from "./owed.ts";
import { PreparedSet } from "./prepared_set.ts";
import type { StatementStore } from "./statement.ts";
import { ServerState } from "./server_state.ts";
import type { Settings } from "./settings.ts";
import { SqlTexts } from "./sql_texts.ts";
import { Tenancy } from "./tenancy.ts";
import { UnnamedSlot } from "./unnamed_slot.ts";

/** Who takes what a server sends. All calls are synchronous. */
export interface ServerSink {
  /**
   * Takes bytes from `start` to `end`.
   *
   * @returns the place of the first byte not taken: the beginning of a message of which more must come.
   */
  receive(bytes: Uint8Array, start: number, end: number): number;
  /** Writes on what was handed over; null when nothing waits. The buffer is used again once it settles. */
  flush(): Promise<void> | null;
  /** Everything received so far was written on: a lease may end here. */
  settle(): void;
  /** The connection is over; `error` is what the server said last, or what the socket said. */
  ended(error: PgplexError): void;
}

/** What a login tells of a new connection. */
export interface ServerIdentity {
  readonly endpoint: Endpoint;
  readonly user: string;
  readonly database: string;
  /** The server's process id and cancel secret; null where a server sends no BackendKeyData. */
  readonly key: { readonly pid: number; readonly secret: Uint8Array } | null;
  /** Everything that the server reported while logging in. */
  readonly parameters: Settings;
  /** Which startup parameters it was opened with; sessions of the same ones find their RESET values on it. */
  readonly base: string;
  /** It was opened with the application_name of one session, though others may have it. */
  readonly hasLentName: boolean;
  /** TLS protocol and cipher, or null. */
  readonly tls: string | null;
  /** NoticeResponse messages of the login, one behind the other. */
  readonly notices: Uint8Array;
}

/** A message longer than this is not what a server sends where pgplex must read all of it: errors, parameters, texts of PREPARE. */
const INSPECT_BYTES_MAX = 1 << 26;

/** Consecutive full buffers that one connection may read before others get their turn. */
const FULL_READS_PER_TURN = 16;

/**
 * One connection to a server, logged in. It has one reader for its life, which feeds whoever holds the connection.
 *
 * Invariant: while {@link sink} is null the connection is idle, owes nothing, and takes unasked messages itself.
 */
export class ServerConnection {
  readonly id: number;
  readonly identity: ServerIdentity;
  readonly openedMs: number;
  readonly out: Outbox;
  readonly owed = new OwedReplies();
  readonly prepared: PreparedSet;
  /** Its unnamed statement. */
  readonly unnamed = new UnnamedSlot();
  /** What is known of its session's state. */
  readonly state: ServerState;
  /** Prepared statements that SQL made on the server. */
  readonly sqlStatements = new SqlTexts();
  /** Names under which statements prepared by protocol stand on the server, besides pgplex's. */
  readonly foreignNames = new Set<BinaryString>();
  /** The leases of the connection. */
  readonly tenancy: Tenancy;
  /** What was put in front of the client's first message and is not answered yet; "./restore_ahead.ts". */
  ahead: { readonly next: string | null } | null = null;
  /**
   * The setting that was not restored, as the message that goes first sets it: until that is known to be done nothing else goes there, and
   * nobody else may have the connection.
   */
  overwrites: string | null = null;

  readonly #stream: ByteStream;
  readonly #turn: () => Promise<void>;
  #sink: ServerSink | null = null;
  #buffer = new Uint8Array(LARGE_BUFFER_BYTES);
  #start = 0;
  #end = 0;
  #closed = false;
  #lastError: PgplexError | null = null;
  #fatal = false;
  #txStatus: number = TxStatus.Idle;
  #rests = 0;
  #cutAtRest: PgplexError | null = null;
  #received = 0;
  #onNotification: ((message: Uint8Array) => void) | null = null;
  #onIdleEnd: ((error: PgplexError) => void) | null = null;
  #onTrouble: (() => void) | null = null;

  constructor(
    id: number,
    stream: ByteStream,
    identity: ServerIdentity,
    parts: { buffers: BufferPool; statements: StatementStore; clock: Clock; turn: () => Promise<void> },
  ) {
    this.id = id;
    this.#stream = stream;
    this.identity = identity;
    this.openedMs = parts.clock.nowMs();
    this.tenancy = new Tenancy(this.openedMs);
    this.out = new Outbox(stream, parts.buffers);
    this.prepared = new PreparedSet(parts.statements);
    this.state = new ServerState(identity.parameters);
    this.#turn = parts.turn;
  }

  /** What the server reported last by ParameterStatus. */
  get reported(): Settings {
    return this.state.reported;
  }

  /** The whole state, as far as it is known; see {@link ServerState.settings}. */
  get settings(): Settings {
    return this.state.settings;
  }

  /** Status of the last ReadyForQuery, a value of `TxStatus`. */
  get txStatus(): number {
    return this.#txStatus;
  }

  /** How often it was said that no transaction runs. */
  get rests(): number {
    return this.#rests;
  }

  /** Bytes read so far. */
  get received(): number {
    return this.#received;
  }

  /** Whether the connection is over. */
  get closed(): boolean {
    return this.#closed;
  }

  /** What the server said as it ended the connection, if it said something. */
  get lastError(): PgplexError | null {
    return this.#lastError;
  }

  /** Who holds the connection; null when it is idle. */
  get sink(): ServerSink | null {
    return this.#sink;
  }

  /** Hands the connection to `sink`, or to nobody. Bytes that came early are handed over at the next read. */
  setSink(sink: ServerSink | null): void {
    this.#sink = sink;
  }

  /** What a login left in its buffer: the beginning of what the server says next. Before {@link start}. */
  preload(rest: Uint8Array): void {
    assert(rest.length <= this.#buffer.length, "a login leaves less than a buffer");
    this.#buffer.set(rest);
    this.#end = rest.length;
  }

  /** Begins to read. Never rejects. */
  async start(): Promise<void> {
    let fullReads = 0;
    let failure: unknown = null;
    try {
      while (!this.#closed) {
        const n = await this.#stream.read(this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end));
        if (n === 0) break;
        this.#received += n;
        this.#end += n;
        fullReads = this.#end === this.#buffer.length ? fullReads + 1 : 0;
        const sink: ServerSink = this.#sink ?? this.#idleSink;
        const written = this.#hand(sink);
        if (written !== null) await written;
        this.#compact();
        sink.settle();
        if (this.#cutAtRest !== null && this.#txStatus === TxStatus.Idle && this.owed.settled) {
          this.cut(this.#cutAtRest);
        }
        // It has said that it ends: whether it does is not waited for.
        if (this.#fatal) break;
        if (fullReads >= FULL_READS_PER_TURN) {
          fullReads = 0;
          await this.#turn();
        }
      }
    } catch (error) {
      failure = error;
    }
    try {
      // Who left bytes there may have let go since, no read comes any more, and the server's last words may be among them.
      const unheard = this.#start < this.#end && !this.#closed && !this.#fatal;
      if (unheard && !(failure instanceof PgplexError)) await this.#hand(this.#sink ?? this.#idleSink);
    } catch (error) {
      failure ??= error;
    }
    this.#over(failure);
  }

  #hand(sink: ServerSink): Promise<void> | null {
    this.#start = sink.receive(this.#buffer, this.#start, this.#end);
    return sink.flush();
  }

  /** Ends the connection: politely when it owes nothing, and at once in any case. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.owed.settled && !this.out.broken) this.out.put(encodeTerminate());
    const written = this.out.flush();
    if (written === null) this.#stream.close();
    else {
      // A server that reads nothing gets no second chance: the Terminate is a courtesy.
      void Promise.race([written, this.#turn()]).then(() => this.#stream.close());
    }
    this.prepared.clear();
  }

  /** The server is given up: whoever holds the connection hears `error`, as if the server had said it, in a turn to come. */
  cut(error: PgplexError): void {
    if (this.#closed || this.#fatal) return;
    this.noteFatal(error);
    this.#stream.close();
  }

  /** {@link cut}, as soon as a transaction that runs there has ended; null: not any more. */
  cutAtRest(error: PgplexError | null): void {
    this.#cutAtRest = error;
  }

  /** ParameterStatus came. */
  noteParameter(name: BinaryString, value: BinaryString): void {
    this.state.reports(name, value);
    if (name === "in_hot_standby") this.#onTrouble?.();
  }

  /** ReadyForQuery came, with this status. */
  noteStatus(txStatus: number): void {
    this.#txStatus = txStatus;
    if (txStatus === TxStatus.Idle) this.#rests++;
  }

  /** NotificationResponse came while no session takes what the server sends. */
  noteNotification(message: Uint8Array): void {
    this.#onNotification?.(message);
  }

  /** `hear` takes the notifications that come while pgplex runs something for itself on the connection; null: nobody does. */
  onNotification(hear: ((message: Uint8Array) => void) | null): void {
    this.#onNotification = hear;
  }

  /** `ended` is called once, if the connection is over while nobody holds it. */
  onIdleEnd(ended: (error: PgplexError) => void): void {
    this.#onIdleEnd = ended;
  }

  /** `trouble` is called when the connection ends by itself, and when its server says that it is a standby now, or no longer one. */
  onTrouble(trouble: () => void): void {
    this.#onTrouble = trouble;
  }

  /** What the server said last before it ended, if it said something. */
  noteFatal(error: PgplexError): void {
    this.#lastError = error;
    this.#fatal = true;
  }

  #compact(): void {
    if (this.#start === this.#end) {
      this.#start = this.#end = 0;
      if (this.#buffer.length > LARGE_BUFFER_BYTES) this.#buffer = new Uint8Array(LARGE_BUFFER_BYTES);
      return;
    }
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#end < this.#buffer.length) return;
    // A message that must be read whole does not fit: make room, within reason.
    if (this.#buffer.length >= INSPECT_BYTES_MAX || int32At(this.#buffer, 1) > INSPECT_BYTES_MAX) {
      throw new PgplexError("server_protocol", "the server sent a message that is too long");
    }
    const bigger = new Uint8Array(this.#buffer.length * 2);
    bigger.set(this.#buffer);
    this.#buffer = bigger;
  }

  #over(cause: unknown): void {
    const wasClosed = this.#closed;
    this.#closed = true;
    this.#stream.close();
    const error = this.#lastError ??
      (cause instanceof PgplexError
        ? cause
        : new PgplexError("server_lost", "the server closed the connection unexpectedly", {
          log: cause === null ? "end of stream" : String(cause),
          cause,
        }));
    if (!wasClosed) this.#onTrouble?.();
    const sink = this.#sink;
    this.#sink = null;
    if (sink !== null) sink.ended(error);
    else if (!wasClosed) this.#onIdleEnd?.(error);
    this.owed.clear();
    this.prepared.clear();
  }

  /** What comes unasked while nobody holds the connection: parameters are noted, everything else but an end is dropped. */
  readonly #idleSink: ServerSink & FrameTaker = {
    receive: (bytes, start, end) => takeFrames(this.#idleSink, bytes, start, end),
    wants: () => true,
    frame: (type, bytes, start, end) => this.#takeUnasked(type, bytes, start, end),
    flush: () => null,
    settle: () => {},
    ended: () => {},
  };

  #takeUnasked(type: number, bytes: Uint8Array, start: number, end: number): void {
    switch (type) {
      case Back.ParameterStatus: {
        const pair = parameterAt(bytes, start, end);
        this.noteParameter(pair[0], pair[1]);
        return;
      }
      case Back.NotificationResponse:
        this.noteNotification(bytes.slice(start - 5, end));
        return;
      case Back.NoticeResponse:
        return;
      case Back.ErrorResponse:
        if (endsConnection(decodeErrorFields(bytes, start, end))) {
          this.noteFatal(serverError(bytes, start, end));
        }
        return;
      default:
        throw new PgplexError("server_protocol", "the server sent a message that nobody asked for", {
          log: `type ${type}`,
        });
    }
  }
}

/** Name and value of a ParameterStatus's body. @throws PgplexError `server_protocol` */
export function parameterAt(bytes: Uint8Array, start: number, end: number): [BinaryString, BinaryString] {
  const nameEnd = findNul(bytes, start, end);
  const valueEnd = nameEnd < 0 ? -1 : findNul(bytes, nameEnd + 1, end);
  if (valueEnd < 0) throw new PgplexError("server_protocol", "the server sent a malformed ParameterStatus");
  return [binaryString(bytes, start, nameEnd), binaryString(bytes, nameEnd + 1, valueEnd)];
}

/** An ErrorResponse's body as an error that keeps the server's SQLSTATE and texts. */
export function serverError(bytes: Uint8Array, start: number, end: number): PgplexError {
  const fields = decodeErrorFields(bytes, start, end);
  const detail = fields.get("D");
  const hint = fields.get("H");
  return new PgplexError(
    "server_lost",
    utf8FromBinary(fields.get("M") ?? "the server ended the connection"),
    {
      sqlstate: fields.get("C") ?? "58000",
      ...(detail === undefined ? {} : { detail: utf8FromBinary(detail) }),
      ...(hint === undefined ? {} : { hint: utf8FromBinary(hint) }),
    },
  );
}
