/** What is noted at first; most statements are shorter. */
const NOTED_BYTES = 1024;

/** Longer reads are not sent again. */
const NOTED_BYTES_MAX = 16_384;

/** A message that may be noted; {@link "./client_cursor.ts"}. */
export interface NotableMessage {
  readonly bytes: Uint8Array;
  /** Place of its first byte, and behind its last. */
  readonly at: number;
  readonly messageEnd: number;
  /** Whether all of it has come. */
  readonly whole: boolean;
}

/**
 * What a client has sent, byte for byte, of what only reads and is in flight at a standby: should that be lost before it has answered
 * anything, the same can be sent elsewhere. Nothing longer than {@link NOTED_BYTES_MAX} is kept. Pure.
 */
export class NotedReads {
  #bytes: Uint8Array | null = null;
  #length = 0;
  #isWhole = true;
  #toClient = 0;

  /** Nothing is in flight. */
  clear(): void {
    this.#length = 0;
    this.#isWhole = true;
  }

  /** Something is in flight that is not to be sent again. */
  spoil(): void {
    this.#isWhole = false;
  }

  /** The message at hand was sent. `toClient`: how many bytes the client was given so far. */
  note({ at, bytes, messageEnd, whole }: NotableMessage, toClient: number): void {
    const length = messageEnd - at;
    if (!whole || this.#length + length > NOTED_BYTES_MAX) this.#isWhole = false;
    if (!this.#isWhole) return;
    if (this.#length === 0) this.#toClient = toClient;
    const kept = this.#roomFor(length);
    for (let i = 0; i < length; i++) kept[this.#length + i] = bytes[at + i]!;
    this.#length += length;
  }

  /** What is in flight, as a copy, where the client was given nothing since; null where it is not known whole. */
  unanswered(toClient: number): Uint8Array | null {
    if (!this.#isWhole || this.#length === 0 || toClient !== this.#toClient) return null;
    return this.#bytes!.slice(0, this.#length);
  }

  #roomFor(length: number): Uint8Array {
    const needed = this.#length + length;
    if (this.#bytes !== null && this.#bytes.length >= needed) return this.#bytes;
    const bigger = new Uint8Array(Math.max(NOTED_BYTES, needed));
    if (this.#bytes !== null) bigger.set(this.#bytes.subarray(0, this.#length));
    return this.#bytes = bigger;
  }
}
