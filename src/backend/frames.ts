import { PgplexError } from "../kernel/mod.ts";
import { HEADER_BYTES, int32At } from "../protocol/mod.ts";

/** Who takes a server's messages whole, one by one. */
export interface FrameTaker {
  /** Whether the next message, of this type, is to be taken; if not, it stays where it is. */
  wants(type: number): boolean;
  /** A message whose body lies from `start` to `end`; its header lies in front of it. The bytes are the reader's. */
  frame(type: number, bytes: Uint8Array, start: number, end: number): void;
}

/**
 * Hands the complete messages from `start` to `end` to `taker`, as long as it wants them. For what pgplex reads itself: what is a
 * client's passes by count, and never has to be whole.
 *
 * @returns the place of the first byte not taken
 * @throws PgplexError `server_protocol`
 */
export function takeFrames(taker: FrameTaker, bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (end - at >= HEADER_BYTES && taker.wants(bytes[at]!)) {
    const length = int32At(bytes, at + 1);
    if (length < 4) throw new PgplexError("server_protocol", "the server sent a message of invalid length");
    const frameEnd = at + 1 + length;
    if (frameEnd > end) break;
    taker.frame(bytes[at]!, bytes, at + HEADER_BYTES, frameEnd);
    at = frameEnd;
  }
  return at;
}
