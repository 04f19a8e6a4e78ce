import { type BufferPool, FEW_BYTES } from "./buffers.ts";
import type { ByteStream, RoundTask } from "./stream.ts";

/** Where a synchronous machine puts bytes. */
export interface ByteSink {
  /** Hands over `bytes` from `start` to `end` without copying where possible: they must stay until the next flush settles. */
  forward(bytes: Uint8Array, start: number, end: number): void;
  /** Copies `bytes` from `start` to `end`. */
  copy(bytes: Uint8Array, start: number, end: number): void;
  /** Copies all of `bytes`. */
  put(bytes: Uint8Array): void;
}

/**
 * Everything that is written to one stream, in the order in which it was handed over, whoever did it.
 *
 * A single contiguous run is written from where it lies; anything else is gathered in a borrowed buffer. Writers await
 * {@link flush}, which is all the back-pressure there is.
 *
 * Invariant: a run by reference and gathered bytes are never both waiting.
 */
export class Outbox implements ByteSink, RoundTask {
  readonly #stream: ByteStream;
  readonly #buffers: BufferPool;
  #run: Uint8Array | null = null;
  #runStart = 0;
  #runEnd = 0;
  #gathered: Uint8Array | null = null;
  #gatheredBytes = 0;
  #writing: Promise<void> | null = null;
  /** What the stream has not taken yet of the write under way, and the borrowed buffer in which it lies. */
  #inWrite: Uint8Array | null = null;
  #borrowed: Uint8Array | null = null;
  /** Made with the first write that has to wait: most never do. */
  #afterWrite: { wrote(count: number): Promise<void> | void; failed(): void } | null = null;
  #broken = false;
  /** The stream tells when the round ends. */
  #putOff = false;
  #written = 0;

  constructor(stream: ByteStream, buffers: BufferPool) {
    this.#stream = stream;
    this.#buffers = buffers;
  }

  /** Whether the peer is gone, or {@link end} was called: what is handed over from then on is dropped. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Bytes written so far. */
  get written(): number {
    return this.#written;
  }

  /** Bytes that were handed over so far, written or not. */
  get handedOver(): number {
    return this.#written + (this.#run === null ? this.#gatheredBytes : this.#runEnd - this.#runStart);
  }

  /** Whether a write is under way that the peer has not taken yet. */
  get writing(): boolean {
    return this.#writing !== null;
  }

  /** What waits is still written; what is handed over from here on is dropped. */
  end(): void {
    this.#broken = true;
  }

  forward(bytes: Uint8Array, start: number, end: number): void {
    if (start >= end || this.#broken) return;
    if (this.#run !== null) {
      if (this.#run === bytes && this.#runEnd === start) {
        this.#runEnd = end;
        return;
      }
      this.#gatherRun();
    }
    if (this.#gathered === null && this.#writing === null) {
      this.#run = bytes;
      this.#runStart = start;
      this.#runEnd = end;
    } else {
      this.#gather(bytes, start, end);
    }
  }

  copy(bytes: Uint8Array, start: number, end: number): void {
    if (start >= end || this.#broken) return;
    if (this.#run !== null) this.#gatherRun();
    this.#gather(bytes, start, end);
  }

  put(bytes: Uint8Array): void {
    this.copy(bytes, 0, bytes.length);
  }

  /**
   * Writes what waits. Resolves, never rejects, when it is written or the peer is gone; null when nothing waits, or the stream
   * took it at once.
   */
  flush(): Promise<void> | null {
    if (this.#writing !== null) return this.#writing;
    if (this.#run === null && this.#gathered === null) return null;
    const rest = this.#write();
    return rest === null ? null : this.#writing = this.#behind(rest);
  }

  /**
   * As {@link flush}, but a few bytes are copied and written when the round of events ends. Reading, deciding and writing do not
   * share the processor's caches: each is cheaper for all events in a row.
   */
  flushSoon(): Promise<void> | null {
    if (this.#writing !== null) return this.#writing;
    const bytes = this.#run !== null ? this.#runEnd - this.#runStart : this.#gatheredBytes;
    if (bytes === 0) return null;
    if (bytes > FEW_BYTES || !this.#untilRoundEnds()) return this.flush();
    if (this.#run !== null) {
      this.#gathered = this.#buffers.borrowFew();
      this.#gatherRun();
    }
    return null;
  }

  #untilRoundEnds(): boolean {
    return this.#putOff ||= this.#stream.atRoundEnd?.(this) ?? false;
  }

  roundEnds(): void {
    this.#putOff = false;
    void this.flush();
  }

  /** Hands what waits to the stream; null when it took all of it at once. */
  #write(): Promise<number> | null {
    const bytes = (this.#run ?? this.#gathered)!;
    const start = this.#run !== null ? this.#runStart : 0;
    const end = this.#run !== null ? this.#runEnd : this.#gatheredBytes;
    this.#borrowed = this.#gathered;
    this.#run = null;
    this.#gathered = null;
    this.#gatheredBytes = 0;
    this.#written += end - start;
    const taken = this.#stream.writeNow(bytes, start, end);
    if (taken === end - start) {
      this.#release();
      return null;
    }
    const from = start + taken;
    this.#inWrite = from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end);
    return this.#stream.write(this.#inWrite);
  }

  /** What follows a write: one closure each for all of them, where an async function would make several for each. */
  #behind(write: Promise<number>): Promise<void> {
    this.#afterWrite ??= { wrote: (count) => this.#wrote(count), failed: () => this.#failed() };
    return write.then(this.#afterWrite.wrote, this.#afterWrite.failed);
  }

  /** The stream took `count` bytes of the write: nearly always all of it, and nothing waits behind. */
  #wrote(count: number): Promise<void> | void {
    const bytes = this.#inWrite!;
    if (count < bytes.length) {
      this.#inWrite = bytes.subarray(count);
      return this.#behind(this.#stream.write(this.#inWrite));
    }
    this.#release();
    const rest = this.#run === null && this.#gathered === null ? null : this.#write();
    if (rest !== null) return this.#behind(rest);
    this.#writing = null;
  }

  /** The reader of this stream sees the same end and says what it means; here the bytes have no taker any more. */
  #failed(): void {
    this.#release();
    this.#broken = true;
    this.#run = null;
    if (this.#gathered !== null) this.#buffers.giveBack(this.#gathered);
    this.#gathered = null;
    this.#writing = null;
  }

  #release(): void {
    this.#inWrite = null;
    if (this.#borrowed !== null) this.#buffers.giveBack(this.#borrowed);
    this.#borrowed = null;
  }

  #gatherRun(): void {
    const run = this.#run!;
    this.#run = null;
    this.#gather(run, this.#runStart, this.#runEnd);
  }

  #gather(bytes: Uint8Array, start: number, end: number): void {
    let into = this.#gathered ??= this.#buffers.borrow();
    const needed = this.#gatheredBytes + (end - start);
    if (needed > into.length) {
      // The grown buffer takes the borrowed one's place in the books; the pool drops it when it comes back.
      const bigger = new Uint8Array(Math.max(needed, into.length * 2));
      bigger.set(into.subarray(0, this.#gatheredBytes));
      into = this.#gathered = bigger;
    }
    if (end - start <= 64) {
      for (let i = start, to = this.#gatheredBytes; i < end; i++, to++) into[to] = bytes[i]!;
    } else {
      into.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), this.#gatheredBytes);
    }
    this.#gatheredBytes = needed;
  }
}
