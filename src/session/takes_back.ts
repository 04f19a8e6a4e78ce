import { binaryString, Front } from "../protocol/mod.ts";

/** So much of a message is read: its header, a statement's name, the first word. */
const HEAD_BYTES = 200;

/** Statements that set, or take back, or end what has failed. */
const WORDS = /^[\s;]*(?:reset|discard|set|rollback|abort|commit|end)\b/i;

/** Whether the message at `start` is a statement by which a client takes back settings, or its transaction. */
export function takesBack(bytes: Uint8Array, start: number, end: number): boolean {
  const type = bytes[start];
  const text = binaryString(bytes, Math.min(start + 5, end), Math.min(end, start + HEAD_BYTES));
  if (type === Front.Query) return WORDS.test(text);
  return type === Front.Parse && WORDS.test(text.slice(text.indexOf("\0") + 1));
}
