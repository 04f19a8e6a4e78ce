/**
 * Builders for every message that a client may send, byte for byte as in PostgreSQL's documentation, "Message Formats".
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Protocol 3.0, as PostgreSQL up to 17 speaks it. */
export const PROTOCOL_3_0 = 0x0003_0000;
/** Protocol 3.2, new in PostgreSQL 18: longer cancel keys. */
export const PROTOCOL_3_2 = 0x0003_0002;

/** A value in Bind: text, raw bytes, or NULL. */
export type BindValue = string | Uint8Array | null;

/** Any message: its type byte, then its length, then `body`. Wrong ones can be built too. */
export function message(type: string, ...body: Uint8Array[]): Uint8Array {
  return concat([text(type), withLength(body)]);
}

/** StartupMessage with any version and any parameters, in the order given. */
export function startup(params: Record<string, string>, protocol: number = PROTOCOL_3_0): Uint8Array {
  const pairs = Object.entries(params).flatMap(([name, value]) => [cstring(name), cstring(value)]);
  return withLength([int32(protocol), ...pairs, int8(0)]);
}

export function sslRequest(): Uint8Array {
  return withLength([int32(80877103)]);
}

export function gssEncRequest(): Uint8Array {
  return withLength([int32(80877104)]);
}

/** CancelRequest: `secret` has 4 bytes in protocol 3.0, up to 256 in 3.2. */
export function cancelRequest(pid: number, secret: Uint8Array): Uint8Array {
  return withLength([int32(80877102), int32(pid), secret]);
}

export function query(sql: string): Uint8Array {
  return message("Q", cstring(sql));
}

export function parse(sql: string, options: { name?: string; types?: number[] } = {}): Uint8Array {
  const types = options.types ?? [];
  return message("P", cstring(options.name ?? ""), cstring(sql), int16(types.length), ...types.map(int32));
}

/** Bind: formats are 0 for text and 1 for binary, none at all meaning text. */
export function bind(
  options: {
    portal?: string;
    statement?: string;
    values?: BindValue[];
    formats?: number[];
    resultFormats?: number[];
  } = {},
): Uint8Array {
  const { values = [], formats = [], resultFormats = [] } = options;
  return message(
    "B",
    cstring(options.portal ?? ""),
    cstring(options.statement ?? ""),
    int16(formats.length),
    ...formats.map(int16),
    int16(values.length),
    ...values.map(lengthAndValue),
    int16(resultFormats.length),
    ...resultFormats.map(int16),
  );
}

/** Describe of a statement (S) or portal (P). */
export function describe(kind: "S" | "P", name = ""): Uint8Array {
  return message("D", text(kind), cstring(name));
}

/** Execute: `rowsMax` 0 means all. */
export function execute(options: { portal?: string; rowsMax?: number } = {}): Uint8Array {
  return message("E", cstring(options.portal ?? ""), int32(options.rowsMax ?? 0));
}

/** Close of a statement (S) or portal (P). */
export function close(kind: "S" | "P", name = ""): Uint8Array {
  return message("C", text(kind), cstring(name));
}

export function sync(): Uint8Array {
  return message("S");
}

export function flush(): Uint8Array {
  return message("H");
}

export function copyData(data: string | Uint8Array): Uint8Array {
  return message("d", typeof data === "string" ? text(data) : data);
}

export function copyDone(): Uint8Array {
  return message("c");
}

export function copyFail(reason: string): Uint8Array {
  return message("f", cstring(reason));
}

/** FunctionCall of the function with this oid; arguments and result are text. */
export function functionCall(oid: number, values: BindValue[] = []): Uint8Array {
  return message("F", int32(oid), int16(0), int16(values.length), ...values.map(lengthAndValue), int16(0));
}

export function terminate(): Uint8Array {
  return message("X");
}

/** PasswordMessage: a password in clear, or "md5…". */
export function password(secret: string): Uint8Array {
  return message("p", cstring(secret));
}

export function saslInitialResponse(mechanism: string, data: string): Uint8Array {
  return message("p", cstring(mechanism), lengthAndValue(data));
}

export function saslResponse(data: string): Uint8Array {
  return message("p", text(data));
}

/** Parse, Bind, Describe, Execute and Sync of one statement with the unnamed statement and portal. */
export function extendedQuery(sql: string, values: BindValue[] = []): Uint8Array {
  return concat([parse(sql), bind({ values }), describe("P"), execute(), sync()]);
}

/** One array of bytes out of several: to send them in one write. */
export function concat(parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

export function int8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function int16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 0xff, value & 0xff);
}

export function int32(value: number): Uint8Array {
  return Uint8Array.of((value >> 24) & 0xff, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff);
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** Text and a zero byte. */
export function cstring(value: string): Uint8Array {
  return text(value + "\0");
}

function lengthAndValue(value: BindValue): Uint8Array {
  if (value === null) return int32(-1);
  const bytes = typeof value === "string" ? text(value) : value;
  return concat([int32(bytes.length), bytes]);
}

function withLength(parts: Uint8Array[]): Uint8Array {
  const body = concat(parts);
  return concat([int32(body.length + 4), body]);
}
