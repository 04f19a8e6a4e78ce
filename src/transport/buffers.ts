import { assert } from "../kernel/mod.ts";

/** What an idle client waits in. */
export const SMALL_BUFFER_BYTES = 512;

/** What data flows through: a server connection's own buffer, and what a busy client borrows. */
export const LARGE_BUFFER_BYTES = 16_384;

/** Buffers kept for the next borrower; more than these are left to the garbage collector. */
const FREE_BUFFERS_MAX = 256;

/** Large buffers for those who have data flowing right now. Invariant: a buffer is either lent or free, never both. */
export class BufferPool {
  readonly #free: Uint8Array[] = [];
  #lent = 0;

  /** Number of buffers that are out. */
  get lent(): number {
    return this.#lent;
  }

  /** Number of buffers that wait for the next borrower. */
  get free(): number {
    return this.#free.length;
  }

  /** A buffer of {@link LARGE_BUFFER_BYTES}, its content undefined. */
  borrow(): Uint8Array {
    this.#lent++;
    return this.#free.pop() ?? new Uint8Array(LARGE_BUFFER_BYTES);
  }

  /** Takes a borrowed buffer back; its borrower forgets it. One that was grown beyond the usual size is dropped. */
  giveBack(buffer: Uint8Array): void {
    this.#lent--;
    assert(this.#lent >= 0, "a buffer is given back once");
    if (buffer.length === LARGE_BUFFER_BYTES && this.#free.length < FREE_BUFFERS_MAX) this.#free.push(buffer);
  }
}
