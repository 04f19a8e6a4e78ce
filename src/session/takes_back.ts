import { type BinaryString, binaryString, Front } from "../protocol/mod.ts";

/** So much of a message is read: its header, a statement's name, the first word. */
const HEAD_BYTES = 200;

/** Statements that set, or take back, or end what has failed. */
const WORDS = /^[\s;]*(?:reset|discard|set|rollback|abort|commit|end)\b/i;
const ROLLBACK = /^[\s;]*(?:rollback|abort)\b/i;

/** Whether the message at `start` is ROLLBACK: who hears an error to that takes the connection for broken. */
export function saysRollback(bytes: Uint8Array, start: number, end: number): boolean {
  return ROLLBACK.test(textAt(bytes, start, end));
}

/** Whether the message at `start` is a statement by which a client takes back settings, or its transaction. */
export function takesBack(bytes: Uint8Array, start: number, end: number): boolean {
  return WORDS.test(textAt(bytes, start, end));
}

/** The beginning of the text in a Query or Parse at `start`; empty for anything else. */
function textAt(bytes: Uint8Array, start: number, end: number): BinaryString {
  const type = bytes[start];
  const text = binaryString(bytes, Math.min(start + 5, end), Math.min(end, start + HEAD_BYTES));
  if (type === Front.Query) return text;
  return type === Front.Parse ? text.slice(text.indexOf("\0") + 1) : "";
}
