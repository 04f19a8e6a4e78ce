import { type BufferPool, type ByteStream, SMALL_BUFFER_BYTES } from "../transport/mod.ts";

/** Where large buffers come from. */
export type LargeBuffers = Pick<BufferPool, "borrow" | "giveBack">;

/**
 * What a client sent and the session has not taken yet: small while the client is idle, borrowed while data flows, grown
 * where one message must lie in it as a whole.
 *
 * Invariants: bytes from `start` to `end` are not taken; one read at a time.
 */
export class ClientBuffer {
  bytes: Uint8Array;
  start = 0;
  end = 0;
  readonly #small: Uint8Array;
  readonly #pool: LargeBuffers;
  readonly #stream: Pick<ByteStream, "read">;
  #reading: Promise<number> | null = null;

  constructor(pool: LargeBuffers, stream: Pick<ByteStream, "read">, smallBytes = SMALL_BUFFER_BYTES) {
    this.#pool = pool;
    this.#stream = stream;
    this.bytes = this.#small = new Uint8Array(smallBytes);
  }

  get empty(): boolean {
    return this.start === this.end;
  }

  get full(): boolean {
    return this.end === this.bytes.length;
  }

  /** Begins with what was read behind the login. Before the first read, also one ahead. */
  fill(rest: Uint8Array): void {
    if (rest.length > this.bytes.length) this.#growTo(rest.length);
    this.bytes.set(rest);
    this.end = rest.length;
  }

  /**
   * Waits for more: the stream's own promise of the number of bytes, 0 at its end. Whoever awaits it says {@link took}.
   *
   * @param wanted bytes that must fit behind `start`; 0: any number.
   */
  read(wanted: number): Promise<number> {
    if (this.#reading !== null) return this.#reading;
    this.#makeRoom(wanted);
    return this.#reading = this.#read();
  }

  /** What {@link read} promised has come. */
  took(n: number): void {
    this.#reading = null;
    this.end += n;
  }

  /** Reads ahead while there is room; null when a read is on its way already, or there is no room. */
  readAhead(): Promise<number> | null {
    if (this.#reading !== null || this.full) return null;
    return this.#reading = this.#read();
  }

  /** Gives back what was borrowed. Nothing is read from here on. */
  release(): void {
    if (this.bytes !== this.#small) this.#shrink();
  }

  #read(): Promise<number> {
    return this.#stream.read(this.end === 0 ? this.bytes : this.bytes.subarray(this.end));
  }

  /** An idle client waits in a small buffer, a busy one borrows a large one. */
  #makeRoom(wanted: number): void {
    if (this.start === this.end) {
      const wasFull = this.end === this.bytes.length;
      this.start = this.end = 0;
      if (wasFull && this.bytes === this.#small) this.#growTo(0);
      else if (!wasFull && this.bytes !== this.#small) this.#shrink();
      return;
    }
    if (this.start > 0) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    if (wanted > this.bytes.length || this.end === this.bytes.length) {
      this.#growTo(Math.max(wanted, this.end * 2));
    }
  }

  /** A large buffer takes the place of a small one, a larger one where `bytes` must fit; what lies there comes along. */
  #growTo(bytes: number): void {
    const borrowed = this.bytes === this.#small ? this.#pool.borrow() : this.bytes;
    const bigger = borrowed.length >= bytes && borrowed !== this.bytes ? borrowed : new Uint8Array(bytes);
    bigger.set(this.bytes.subarray(0, this.end));
    this.bytes = bigger;
  }

  #shrink(): void {
    this.#pool.giveBack(this.bytes);
    this.bytes = this.#small;
  }
}
