import { PgplexError } from "../kernel/mod.ts";
import {
  Back,
  type BinaryString,
  binaryString,
  decodeErrorFields,
  encodeQuery,
  endsConnection,
  int32At,
  TxStatus,
  uint16At,
} from "../protocol/mod.ts";
import { parameterAt, type ServerConnection, serverError, type ServerSink } from "./connection.ts";
import { type FrameTaker, takeFrames } from "./frames.ts";

/** What came back from a task: rows of all its statements as text, in order. */
export interface TaskResult {
  readonly rows: readonly (readonly (BinaryString | null)[])[];
  /** The first ErrorResponse, if any. */
  readonly error: PgplexError | null;
  /** Status of the last ReadyForQuery, a value of `TxStatus`. */
  readonly status: number;
}

/** Rows kept of a task's result; internal statements return far fewer. */
const TASK_ROWS_MAX = 100_000;

/**
 * Something that pgplex runs on a server connection for itself: a reset, a restore, a look-up. It owns the connection
 * until the expected number of ReadyForQuery came.
 */
class Task implements ServerSink, FrameTaker {
  readonly #connection: ServerConnection;
  readonly #done: (result: TaskResult) => void;
  readonly #failed: (error: PgplexError) => void;
  #readies: number;
  #rows: (BinaryString | null)[][] = [];
  #error: PgplexError | null = null;

  constructor(
    connection: ServerConnection,
    readies: number,
    done: (result: TaskResult) => void,
    failed: (error: PgplexError) => void,
  ) {
    this.#connection = connection;
    this.#readies = readies;
    this.#done = done;
    this.#failed = failed;
  }

  receive(bytes: Uint8Array, start: number, end: number): number {
    return takeFrames(this, bytes, start, end);
  }

  wants(type: number): boolean {
    // A notification behind the last reply would wait for whatever the server says next.
    return this.#readies > 0 || type === Back.NotificationResponse;
  }

  flush(): Promise<void> | null {
    return null;
  }

  settle(): void {
    if (this.#readies > 0) return;
    this.#connection.setSink(null);
    this.#done({ rows: this.#rows, error: this.#error, status: this.#connection.txStatus });
  }

  ended(error: PgplexError): void {
    this.#failed(error);
  }

  frame(type: number, bytes: Uint8Array, start: number, end: number): void {
    switch (type) {
      case Back.DataRow:
        if (this.#rows.length < TASK_ROWS_MAX) this.#rows.push(textRowAt(bytes, start, end));
        return;
      case Back.NotificationResponse:
        this.#connection.noteNotification(bytes.slice(start - 5, end));
        return;
      case Back.ParameterStatus: {
        const [name, value] = parameterAt(bytes, start, end);
        this.#connection.noteParameter(name, value);
        return;
      }
      case Back.ErrorResponse: {
        const error = serverError(bytes, start, end);
        this.#error ??= error;
        if (endsConnection(decodeErrorFields(bytes, start, end))) this.#connection.noteFatal(error);
        return;
      }
      case Back.ReadyForQuery:
        this.#connection.noteStatus(bytes[start] ?? TxStatus.Idle);
        this.#readies--;
        return;
    }
  }
}

/**
 * Sends `messages` on an idle connection and collects what comes until `readies` ReadyForQuery.
 *
 * @returns rejects with a PgplexError only when the connection ends meanwhile; an error of a statement is in the result.
 */
export function runTask(
  connection: ServerConnection,
  messages: readonly Uint8Array[],
  readies: number,
): Promise<TaskResult> {
  return new Promise((resolve, reject) => {
    if (connection.closed) {
      reject(new PgplexError("server_lost", "the server connection is closed"));
      return;
    }
    connection.setSink(new Task(connection, readies, resolve, reject));
    for (const message of messages) connection.out.put(message);
    void connection.out.flush();
  });
}

/** Runs one simple query, of one or more statements. */
export function runQuery(connection: ServerConnection, sql: BinaryString): Promise<TaskResult> {
  connection.unnamed.clear();
  return runTask(connection, [encodeQuery(sql)], 1);
}

/** The columns of a DataRow's body in the text format. */
export function textRowAt(bytes: Uint8Array, start: number, end: number): (BinaryString | null)[] {
  const count = uint16At(bytes, start);
  const row: (BinaryString | null)[] = [];
  let at = start + 2;
  for (let i = 0; i < count && at + 4 <= end; i++) {
    const length = int32At(bytes, at);
    at += 4;
    if (length < 0) {
      row.push(null);
      continue;
    }
    row.push(binaryString(bytes, at, at + length));
    at += length;
  }
  return row;
}
