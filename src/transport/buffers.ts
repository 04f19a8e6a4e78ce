import { assert } from "../kernel/mod.ts";

/** What an idle client waits in. */
export const SMALL_BUFFER_BYTES = 512;

/** What data flows through: a server connection's own buffer, and what a busy client borrows. */
export const LARGE_BUFFER_BYTES = 16_384;

/** What a few bytes are put off in. */
export const FEW_BYTES = 1024;

/** Buffers of one size kept for the next borrower; more than these are left to the garbage collector. */
const FREE_BUFFERS_MAX = 256;

/** Buffers for those who have data flowing right now. Invariant: a buffer is either lent or free, never both. */
export class BufferPool {
  readonly #free: Uint8Array[] = [];
  readonly #few: Uint8Array[] = [];
  #lent = 0;

  /** Number of buffers that are out. */
  get lent(): number {
    return this.#lent;
  }

  /** Number of large buffers that wait for the next borrower. */
  get free(): number {
    return this.#free.length;
  }

  /** A buffer of {@link LARGE_BUFFER_BYTES}, its content undefined. */
  borrow(): Uint8Array {
    this.#lent++;
    return this.#free.pop() ?? new Uint8Array(LARGE_BUFFER_BYTES);
  }

  /** A buffer of {@link FEW_BYTES}, its content undefined. */
  borrowFew(): Uint8Array {
    this.#lent++;
    return this.#few.pop() ?? new Uint8Array(FEW_BYTES);
  }

  /** Takes a borrowed buffer back; its borrower forgets it. One that was grown beyond the usual sizes is dropped. */
  giveBack(buffer: Uint8Array): void {
    this.#lent--;
    assert(this.#lent >= 0, "a buffer is given back once");
    const free = buffer.length === LARGE_BUFFER_BYTES ? this.#free : this.#few;
    if (free === this.#few && buffer.length !== FEW_BYTES) return;
    if (free.length < FREE_BUFFERS_MAX) free.push(buffer);
  }
}
