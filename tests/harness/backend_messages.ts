import { readAgain } from "./second_reading.ts";

/** The names of the messages that a server sends, by their type byte. */
export const BACKEND_NAMES: Record<string, string> = {
  "1": "ParseComplete",
  "2": "BindComplete",
  "3": "CloseComplete",
  A: "NotificationResponse",
  C: "CommandComplete",
  D: "DataRow",
  E: "ErrorResponse",
  G: "CopyInResponse",
  H: "CopyOutResponse",
  I: "EmptyQueryResponse",
  K: "BackendKeyData",
  N: "NoticeResponse",
  R: "Authentication",
  S: "ParameterStatus",
  T: "RowDescription",
  V: "FunctionCallResponse",
  W: "CopyBothResponse",
  Z: "ReadyForQuery",
  c: "CopyDone",
  d: "CopyData",
  n: "NoData",
  s: "PortalSuspended",
  t: "ParameterDescription",
  v: "NegotiateProtocolVersion",
};

/** A message from the server: its bytes, and for the common ones its fields. Which are there depends on `type`. */
export interface WireMessage {
  /** The type byte as a character. */
  type: string;
  /** As in {@link BACKEND_NAMES}. */
  name: string;
  /** What follows the length. */
  body: Uint8Array;
  /** ErrorResponse, NoticeResponse: value by field letter: S severity, C SQLSTATE, M message, D detail, H hint, … */
  fields?: Record<string, string>;
  /** ReadyForQuery: I, T or E. */
  status?: string;
  /** ParameterStatus. */
  parameter?: { name: string; value: string };
  /** BackendKeyData. */
  key?: { pid: number; secret: Uint8Array };
  /** CommandComplete. */
  tag?: string;
  /** DataRow: values as text; binary ones are decoded as UTF-8 all the same. */
  values?: (string | null)[];
  /** RowDescription: column names. */
  columns?: string[];
  /** ParameterDescription: type oids. */
  types?: number[];
  /** NotificationResponse. */
  notification?: { pid: number; channel: string; payload: string };
  /** NegotiateProtocolVersion: the newest minor, and the parameters not understood. */
  negotiated?: { version: number; unknown: string[] };
  /** Authentication: the request's code, and the bytes after it. */
  auth?: { code: number; data: Uint8Array };
}

/**
 * Takes the fields out of a message's body, which pg-protocol must read in the same way: see {@link readAgain}.
 *
 * @throws {Error} for a broken message, and where both differ
 */
export function decodeBackend(type: string, body: Uint8Array): WireMessage {
  const message: WireMessage = {
    type,
    name: BACKEND_NAMES[type] ?? `unknown type ${JSON.stringify(type)}`,
    body,
  };
  const reader = new Reader(body);
  switch (type) {
    case "E":
    case "N":
      message.fields = {};
      for (let code = reader.int8(); code !== 0; code = reader.int8()) {
        message.fields[String.fromCharCode(code)] = reader.cstring();
      }
      break;
    case "Z":
      message.status = String.fromCharCode(reader.int8());
      break;
    case "S":
      message.parameter = { name: reader.cstring(), value: reader.cstring() };
      break;
    case "K":
      message.key = { pid: reader.int32(), secret: reader.rest() };
      break;
    case "C":
      message.tag = reader.cstring();
      break;
    case "D":
      message.values = reader.times(reader.int16(), () => reader.value());
      break;
    case "T":
      message.columns = reader.times(reader.int16(), () => {
        const name = reader.cstring();
        reader.skip(18); // table oid, column, type oid, type size, modifier, format
        return name;
      });
      break;
    case "t":
      message.types = reader.times(reader.int16(), () => reader.uint32());
      break;
    case "A":
      message.notification = { pid: reader.int32(), channel: reader.cstring(), payload: reader.cstring() };
      break;
    case "v":
      message.negotiated = {
        version: reader.int32(),
        unknown: reader.times(reader.int32(), () => reader.cstring()),
      };
      break;
    case "R":
      message.auth = { code: reader.int32(), data: reader.rest() };
      break;
  }
  readAgain(message);
  return message;
}

/** The values of all rows among `messages`. */
export function rowsOf(messages: WireMessage[]): (string | null)[][] {
  return messages.flatMap((message) => message.values ? [message.values] : []);
}

/** The command tags among `messages`. */
export function tagsOf(messages: WireMessage[]): string[] {
  return messages.flatMap((message) => message.tag !== undefined ? [message.tag] : []);
}

/** The fields of the first ErrorResponse among `messages`, or null. */
export function errorOf(messages: WireMessage[]): Record<string, string> | null {
  return messages.find((message) => message.type === "E")?.fields ?? null;
}

/** The type bytes of `messages` in a row: "TDCZ". */
export function typesOf(messages: WireMessage[]): string {
  return messages.map((message) => message.type).join("");
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  int8(): number {
    return this.#view.getUint8(this.#at++);
  }

  int16(): number {
    this.#at += 2;
    return this.#view.getInt16(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#view.getInt32(this.#at - 4);
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  cstring(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw new Error("A string in a message from the server has no end");
    const value = decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return value;
  }

  value(): string | null {
    const length = this.int32();
    if (length < 0) return null;
    this.#at += length;
    return decode(this.#bytes.subarray(this.#at - length, this.#at));
  }

  rest(): Uint8Array {
    return this.#bytes.slice(this.#at);
  }

  skip(count: number): void {
    this.#at += count;
  }

  times<T>(count: number, read: () => T): T[] {
    return Array.from({ length: count }, read);
  }
}

function decode(bytes: Uint8Array): string {
  // A byte order mark is a character as any other.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
