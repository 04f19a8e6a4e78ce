import { type BinaryString, putBinary, putInt32 } from "./bytes.ts";
import { Front } from "./types.ts";

/** A message of one type with a body that is already laid out. */
export function encodeFront(type: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(5 + body.length);
  message[0] = type;
  putInt32(message, 1, 4 + body.length);
  message.set(body, 5);
  return message;
}

/** A simple Query. */
export function encodeQuery(sql: BinaryString): Uint8Array {
  return encodeText(Front.Query, sql);
}

/** A Parse with the types left to the server. */
export function encodeParse(name: BinaryString, sql: BinaryString): Uint8Array {
  const message = new Uint8Array(5 + name.length + 1 + sql.length + 1 + 2);
  message[0] = Front.Parse;
  putInt32(message, 1, message.length - 1);
  const at = putBinary(message, 5, name) + 1;
  putBinary(message, at, sql);
  return message;
}

/** A Bind, of the unnamed portal where no other is named: parameters and results in text. */
export function encodeBind(
  statement: BinaryString,
  values: readonly (BinaryString | null)[],
  portal: BinaryString = "",
): Uint8Array {
  let bytes = 5 + portal.length + 1 + statement.length + 1 + 2 + 2 + 2;
  for (const value of values) bytes += 4 + (value?.length ?? 0);
  const message = new Uint8Array(bytes);
  message[0] = Front.Bind;
  putInt32(message, 1, bytes - 1);
  let at = putBinary(message, putBinary(message, 5, portal) + 1, statement) + 1 + 2;
  message[at] = values.length >>> 8;
  message[at + 1] = values.length;
  at += 2;
  for (const value of values) {
    putInt32(message, at, value === null ? -1 : value.length);
    at = value === null ? at + 4 : putBinary(message, at + 4, value);
  }
  return message;
}

/** An Execute, of the unnamed portal where no other is named, without a row limit. */
export function encodeExecute(portal: BinaryString = ""): Uint8Array {
  const message = new Uint8Array(5 + portal.length + 1 + 4);
  message[0] = Front.Execute;
  putInt32(message, 1, message.length - 1);
  putBinary(message, 5, portal);
  return message;
}

/** A Close of a prepared statement. */
export function encodeCloseStatement(name: BinaryString): Uint8Array {
  return encodeNamed(Front.Close, 0x53, name);
}

/** A Close of a portal. */
export function encodeClosePortal(name: BinaryString): Uint8Array {
  return encodeNamed(Front.Close, 0x50, name);
}

/** A Describe of a prepared statement. */
export function encodeDescribeStatement(name: BinaryString): Uint8Array {
  return encodeNamed(Front.Describe, 0x53, name);
}

/** `of` is `S` for a prepared statement, `P` for a portal. */
function encodeNamed(type: number, of: number, name: BinaryString): Uint8Array {
  const message = new Uint8Array(5 + 1 + name.length + 1);
  message[0] = type;
  putInt32(message, 1, message.length - 1);
  message[5] = of;
  putBinary(message, 6, name);
  return message;
}

/** A Sync. */
export function encodeSync(): Uint8Array {
  return new Uint8Array([Front.Sync, 0, 0, 0, 4]);
}

/** A Terminate. */
export function encodeTerminate(): Uint8Array {
  return new Uint8Array([Front.Terminate, 0, 0, 0, 4]);
}

function encodeText(type: number, text: BinaryString): Uint8Array {
  const message = new Uint8Array(5 + text.length + 1);
  message[0] = type;
  putInt32(message, 1, message.length - 1);
  putBinary(message, 5, text);
  return message;
}
