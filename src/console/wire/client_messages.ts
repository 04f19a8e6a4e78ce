import { PgplexError } from "../../kernel/mod.ts";
import { findNul, Front, int32At, uint16At } from "../../protocol/mod.ts";
import type { Format } from "./reply.ts";

/** The messages of a console client, decoded; texts are UTF-8 on the wire. */
export type ClientMessage =
  | { readonly kind: "query"; readonly text: string }
  | {
    readonly kind: "parse";
    readonly name: string;
    readonly text: string;
    readonly types: readonly number[];
  }
  | {
    readonly kind: "bind";
    readonly portal: string;
    readonly statement: string;
    readonly formats: readonly Format[];
    readonly values: readonly (Uint8Array | null)[];
    readonly resultFormats: readonly Format[];
  }
  | { readonly kind: "describe"; readonly target: "statement" | "portal"; readonly name: string }
  | { readonly kind: "close"; readonly target: "statement" | "portal"; readonly name: string }
  | { readonly kind: "execute"; readonly portal: string; readonly rowsMax: number }
  | { readonly kind: "flush" }
  | { readonly kind: "sync" }
  | { readonly kind: "terminate" }
  | { readonly kind: "function_call" }
  /** CopyData, CopyDone and CopyFail outside of a COPY: PostgreSQL ignores them. */
  | { readonly kind: "copy" };

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes one message. Byte sequences in `bind` are copies.
 *
 * @throws PgplexError `protocol_violation`, in PostgreSQL's words: FATAL for an unknown type, an ERROR for a bad body
 */
export function decodeClientMessage(type: number, body: Uint8Array): ClientMessage {
  const read = new Body(body);
  switch (type) {
    case Front.Query:
      return read.all({ kind: "query", text: read.text() });
    case Front.Parse:
      return read.all({
        kind: "parse",
        name: read.text(),
        text: read.text(),
        types: read.list(() => read.int32()),
      });
    case Front.Bind:
      return read.all({
        kind: "bind",
        portal: read.text(),
        statement: read.text(),
        formats: read.list(() => read.format()),
        values: read.list(() => read.value()),
        resultFormats: read.list(() => read.format()),
      });
    case Front.Describe:
      return read.all({ kind: "describe", target: read.target("DESCRIBE"), name: read.text() });
    case Front.Close:
      return read.all({ kind: "close", target: read.target("CLOSE"), name: read.text() });
    case Front.Execute:
      return read.all({ kind: "execute", portal: read.text(), rowsMax: Math.max(0, read.int32()) });
    case Front.Flush:
      return read.all({ kind: "flush" });
    case Front.Sync:
      return read.all({ kind: "sync" });
    case Front.Terminate:
      return { kind: "terminate" };
    case Front.FunctionCall:
      return { kind: "function_call" };
    case Front.CopyData:
    case Front.CopyDone:
    case Front.CopyFail:
      return { kind: "copy" };
    default:
      throw new UnknownMessageType(type);
  }
}

/** A type byte that no client message has: the connection ends, as in PostgreSQL. */
export class UnknownMessageType extends PgplexError {
  constructor(type: number) {
    super("protocol_violation", `invalid frontend message type ${type}`);
  }
}

/** The value of a bound parameter as text. @throws PgplexError for bytes that its declared type does not allow */
export function paramText(value: Uint8Array | null, format: Format, type: number): string | null {
  if (value === null) return null;
  if (format === 0) return decoded(value);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const widths: Readonly<Record<number, number>> = { 16: 1, 21: 2, 23: 4, 26: 4, 20: 8 };
  const width = widths[type];
  if (width === undefined) return decoded(value);
  if (width !== value.length) {
    throw new PgplexError("protocol_violation", "incorrect binary data format in bind parameter", {
      sqlstate: "22P03",
    });
  }
  switch (type) {
    case 16:
      return value[0] === 0 ? "false" : "true";
    case 21:
      return String(view.getInt16(0));
    case 26:
      return String(view.getUint32(0));
    case 23:
      return String(view.getInt32(0));
    default:
      return String(view.getBigInt64(0));
  }
}

function decoded(bytes: Uint8Array): string {
  try {
    // A NUL would end the text too early in a later message; PostgreSQL does not allow it in texts either.
    if (!bytes.includes(0)) return utf8.decode(bytes);
  } catch {
    // The error is thrown below.
  }
  throw new PgplexError("protocol_violation", 'invalid byte sequence for encoding "UTF8"', {
    sqlstate: "22021",
  });
}

class Body {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  text(): string {
    const end = findNul(this.#bytes, this.#at, this.#bytes.length);
    if (end < 0) throw new PgplexError("protocol_violation", "invalid string in message");
    const text = decoded(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }

  int32(): number {
    return int32At(this.#bytes, this.#take(4));
  }

  list<T>(item: () => T): T[] {
    const count = uint16At(this.#bytes, this.#take(2));
    return Array.from({ length: count }, item);
  }

  format(): Format {
    const format = uint16At(this.#bytes, this.#take(2));
    if (format > 1) {
      throw new PgplexError("protocol_violation", `unsupported format code: ${format}`, {
        sqlstate: "22023",
      });
    }
    return format as Format;
  }

  value(): Uint8Array | null {
    const length = this.int32();
    if (length === -1) return null;
    if (length < 0) throw new PgplexError("protocol_violation", "insufficient data left in message");
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  target(message: string): "statement" | "portal" {
    const byte = this.#bytes[this.#take(1)];
    if (byte === 0x53) return "statement";
    if (byte === 0x50) return "portal";
    throw new PgplexError("protocol_violation", `invalid ${message} message subtype ${byte}`);
  }

  all(message: ClientMessage): ClientMessage {
    if (this.#at !== this.#bytes.length) {
      throw new PgplexError("protocol_violation", "invalid message format");
    }
    return message;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#bytes.length) {
      throw new PgplexError("protocol_violation", "insufficient data left in message");
    }
    this.#at += bytes;
    return at;
  }
}
