import type { PgplexError } from "../kernel/mod.ts";
import { binaryFromUtf8, type BinaryString, putBinary, putInt32 } from "./bytes.ts";
import { Back } from "./types.ts";

/** A FATAL error in the format of protocol 2, for a client that speaks no newer one: text up to a NUL, without a length. */
export function encodeOldError(error: PgplexError): Uint8Array {
  const text = binaryFromUtf8(`EFATAL:  ${error.message}\n\0`);
  const message = new Uint8Array(text.length);
  putBinary(message, 0, text);
  return message;
}

/** A message of one type with a body that is already laid out. */
export function encodeBack(type: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(5 + body.length);
  message[0] = type;
  putInt32(message, 1, 4 + body.length);
  message.set(body, 5);
  return message;
}

/** A ParameterStatus. */
export function encodeParameterStatus(name: BinaryString, value: BinaryString): Uint8Array {
  return encodeBackText(Back.ParameterStatus, `${name}\0${value}\0`);
}

/** A BackendKeyData. */
export function encodeBackendKeyData(pid: number, secret: Uint8Array): Uint8Array {
  const message = new Uint8Array(9 + secret.length);
  message[0] = Back.BackendKeyData;
  putInt32(message, 1, message.length - 1);
  putInt32(message, 5, pid);
  message.set(secret, 9);
  return message;
}

/** A ReadyForQuery with a status of {@link TxStatus}. */
export function encodeReadyForQuery(status: number): Uint8Array {
  return new Uint8Array([Back.ReadyForQuery, 0, 0, 0, 5, status]);
}

/** A NegotiateProtocolVersion: the newest minor spoken, and the protocol options that are not known. */
export function encodeNegotiation(minor: number, refused: readonly BinaryString[]): Uint8Array {
  const names = refused.map((name) => `${name}\0`).join("");
  const message = new Uint8Array(5 + 8 + names.length);
  message[0] = Back.NegotiateProtocolVersion;
  putInt32(message, 1, message.length - 1);
  putInt32(message, 5, (3 << 16) | minor);
  putInt32(message, 9, refused.length);
  putBinary(message, 13, names);
  return message;
}

/** The RowDescription of one computed column of type text, as SHOW has it; `format` is 0 for text and 1 for binary. */
export function encodeTextColumn(name: BinaryString, format: number = 0): Uint8Array {
  const behind = `\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0${String.fromCharCode(format)}`;
  return encodeBackText(Back.RowDescription, `\0\x01${name}${behind}`);
}

/** The DataRow of one text; it is the same in both formats. */
export function encodeTextRow(value: BinaryString): Uint8Array {
  const row = encodeBackText(Back.DataRow, `\0\x01\0\0\0\0${value}`);
  putInt32(row, 7, value.length);
  return row;
}

/** A CommandComplete. */
export function encodeCommandComplete(tag: BinaryString): Uint8Array {
  return encodeBackText(Back.CommandComplete, `${tag}\0`);
}

/** SQLSTATE warning. */
const WARNING = "01000";

/** How grave an ErrorResponse is; a client's library closes the connection on FATAL. */
export type Severity = "ERROR" | "FATAL" | "WARNING" | "NOTICE";

/** An ErrorResponse with an error's public texts: never its log text, never its cause. */
export function encodeError(severity: Severity, error: PgplexError): Uint8Array {
  return encodeBackText(Back.ErrorResponse, fields(severity, error.sqlstate, error));
}

/** A NoticeResponse with an error's public texts and the SQLSTATE of a warning. */
export function encodeNotice(severity: "WARNING" | "NOTICE", error: PgplexError): Uint8Array {
  return encodeBackText(Back.NoticeResponse, fields(severity, WARNING, error));
}

function fields(severity: Severity, sqlstate: string, { message, extra }: PgplexError): BinaryString {
  const { detail, hint, position, routine } = extra;
  let body = `S${severity}\0V${severity}\0C${sqlstate}\0M${binaryFromUtf8(message)}\0`;
  if (detail !== undefined) body += `D${binaryFromUtf8(detail)}\0`;
  if (hint !== undefined) body += `H${binaryFromUtf8(hint)}\0`;
  if (position !== undefined) body += `P${position}\0`;
  if (routine !== undefined) body += `R${routine}\0`;
  return `${body}\0`;
}

function encodeBackText(type: number, body: BinaryString): Uint8Array {
  const message = new Uint8Array(5 + body.length);
  message[0] = type;
  putInt32(message, 1, 4 + body.length);
  putBinary(message, 5, body);
  return message;
}
