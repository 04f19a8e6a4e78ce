import { PgplexError } from "../kernel/mod.ts";
import type { ByteStream } from "./stream.ts";

/** One message: its type byte and its body, valid until the next read. */
export interface Frame {
  readonly type: number;
  readonly body: Uint8Array;
}

/** A frame whose length word is impossible or above the caller's limit. */
export class FrameLengthError extends PgplexError {
  constructor() {
    super("protocol_violation", "invalid message length");
  }
}

/**
 * Reads whole messages one by one, for logging in: before the relay takes over, when bytes are few.
 *
 * Reads are never concurrent. What was read too much is taken with {@link rest}.
 */
export class FramedReader {
  readonly stream: ByteStream;
  #buffer: Uint8Array;
  #start = 0;
  #end = 0;

  constructor(stream: ByteStream, initial: Uint8Array = new Uint8Array(0)) {
    this.stream = stream;
    this.#buffer = new Uint8Array(Math.max(512, initial.length));
    this.#buffer.set(initial);
    this.#end = initial.length;
  }

  /** Number of bytes that were read and not taken yet. */
  get buffered(): number {
    return this.#end - this.#start;
  }

  /** Waits for `count` bytes without taking them; null when the stream ends before. The view is valid until the next read. */
  async peek(count: number): Promise<Uint8Array | null> {
    while (this.buffered < count) {
      if (this.#start > 0) {
        this.#buffer.copyWithin(0, this.#start, this.#end);
        this.#end -= this.#start;
        this.#start = 0;
      }
      if (this.#buffer.length < count) {
        const bigger = new Uint8Array(Math.max(count, this.#buffer.length * 2, 64));
        bigger.set(this.#buffer.subarray(0, this.#end));
        this.#buffer = bigger;
      }
      const n = await this.stream.read(this.#buffer.subarray(this.#end));
      if (n === 0) return null;
      this.#end += n;
    }
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Takes `count` bytes that were peeked. */
  skip(count: number): void {
    this.#start += count;
  }

  /**
   * Waits for one message with a body of at most `bodyMax` bytes; null when the stream ends before.
   *
   * @throws FrameLengthError
   */
  async readFrame(bodyMax: number): Promise<Frame | null> {
    const header = await this.peek(5);
    if (header === null) return null;
    const type = header[0]!;
    const length = (header[1]! << 24) | (header[2]! << 16) | (header[3]! << 8) | header[4]!;
    if (length < 4 || length - 4 > bodyMax) throw new FrameLengthError();
    const message = await this.peek(1 + length);
    if (message === null) return null;
    this.skip(1 + length);
    return { type, body: message.subarray(5, 1 + length) };
  }

  /** Everything that was read and not taken, as a copy; the reader is empty afterwards. */
  rest(): Uint8Array {
    const rest = this.#buffer.slice(this.#start, this.#end);
    this.#start = this.#end = 0;
    this.#buffer = new Uint8Array(0);
    return rest;
  }
}

/** Writes all of `bytes`. */
export async function writeAll(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await stream.write(at === 0 ? bytes : bytes.subarray(at));
}
