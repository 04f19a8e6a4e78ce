import { binaryFromUtf8, type BinaryString, binaryString, findNul, int32At, putBinary } from "./bytes.ts";
import { encodeBack } from "./backend_writer.ts";
import { Back } from "./types.ts";

/** A NotificationResponse, taken apart. */
export interface Notification {
  /** Process id of the backend that notified. */
  readonly pid: number;
  readonly channel: BinaryString;
  readonly payload: BinaryString;
}

/**
 * Reads the complete NotificationResponse whose type byte stands at `at` and which ends before `end`. Null when it is
 * malformed.
 */
export function notificationAt(bytes: Uint8Array, at: number, end: number): Notification | null {
  const channelEnd = end - at < 11 ? -1 : findNul(bytes, at + 9, end);
  const payloadEnd = channelEnd < 0 ? -1 : findNul(bytes, channelEnd + 1, end);
  if (payloadEnd < 0) return null;
  return {
    pid: int32At(bytes, at + 5),
    channel: binaryString(bytes, at + 9, channelEnd),
    payload: binaryString(bytes, channelEnd + 1, payloadEnd),
  };
}

/** A NoticeResponse of severity WARNING, SQLSTATE 01000. Texts are written in UTF-8, so they are ASCII. */
export function encodeWarning(message: string, detail: string): Uint8Array {
  const text = binaryFromUtf8(`SWARNING\0VWARNING\0C01000\0M${message}\0D${detail}\0\0`);
  const body = new Uint8Array(text.length);
  putBinary(body, 0, text);
  return encodeBack(Back.NoticeResponse, body);
}

/** LISTEN, one for each of `channels`. */
export function listenSql(channels: Iterable<BinaryString>): BinaryString {
  return [...channels].map((channel) => `LISTEN ${quoteChannel(channel)}`).join(";");
}

/** UNLISTEN, one for each of `channels`. */
export function unlistenSql(channels: Iterable<BinaryString>): BinaryString {
  return [...channels].map((channel) => `UNLISTEN ${quoteChannel(channel)}`).join(";");
}

/**
 * A channel as LISTEN takes it. A quotation mark is never the second byte of a character, in none of the encodings that
 * clients may have.
 */
export function quoteChannel(channel: BinaryString): BinaryString {
  return `"${channel.replaceAll('"', '""')}"`;
}
