import { int32At } from "../../protocol/mod.ts";
import { type ByteStream, type Frame, FrameLengthError, SMALL_BUFFER_BYTES } from "../../transport/mod.ts";

/**
 * What a client of the console sends, cut into messages. Reading and taking are separate, so that the owner, while it waits for a
 * command, can notice whether the client is still there.
 *
 * Invariant: at most one read of the stream is under way.
 */
export class Inbox {
  readonly #stream: ByteStream;
  readonly #bytesMax: number;
  #buffer: Uint8Array;
  #start = 0;
  #end: number;
  #reading: Promise<boolean> | null = null;

  /** `initial` was read already; a message of more than `bytesMax` bytes is refused. */
  constructor(stream: ByteStream, initial: Uint8Array, bytesMax: number) {
    this.#stream = stream;
    this.#bytesMax = bytesMax;
    this.#buffer = new Uint8Array(Math.max(SMALL_BUFFER_BYTES, initial.length));
    this.#buffer.set(initial);
    this.#end = initial.length;
  }

  /** Whether more bytes wait than one message may have: nothing more is read until some are taken. */
  get full(): boolean {
    return this.#end - this.#start > this.#bytesMax + 1;
  }

  /** The next message, if all of it is there; its body is valid until the next {@link fill}. @throws FrameLengthError */
  tryTake(): Frame | null {
    if (this.#end - this.#start < 5) return null;
    const length = int32At(this.#buffer, this.#start + 1);
    if (length < 4 || length > this.#bytesMax) throw new FrameLengthError();
    const end = this.#start + 1 + length;
    if (end > this.#end) return null;
    const frame = { type: this.#buffer[this.#start]!, body: this.#buffer.subarray(this.#start + 5, end) };
    this.#start = end;
    return frame;
  }

  /** Waits for more bytes; false at the end of the stream. Rejects when the stream does. */
  fill(): Promise<boolean> {
    return this.#reading ??= this.#read().finally(() => this.#reading = null);
  }

  async #read(): Promise<boolean> {
    const waiting = this.#buffer.subarray(this.#start, this.#end);
    const wanted = Math.max(SMALL_BUFFER_BYTES, waiting.length * 2);
    if (wanted > this.#buffer.length || (waiting.length === 0 && this.#buffer.length > SMALL_BUFFER_BYTES)) {
      this.#buffer = new Uint8Array(wanted);
      this.#buffer.set(waiting);
    } else this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    const n = await this.#stream.read(this.#buffer.subarray(this.#end));
    if (n === 0) return false;
    this.#end += n;
    return true;
  }
}
