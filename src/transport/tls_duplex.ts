import { Duplex } from "node:stream";
import type { ByteStream } from "./stream.ts";

/** What an idle connection waits in; grows to {@link BUSY_READ_BYTES} as soon as a read fills it. */
const IDLE_READ_BYTES = 1_024;

/** A TLS record (RFC 8446, section 5.1: 2^14 bytes of plaintext) with its header and tag fits in one read. */
const BUSY_READ_BYTES = 17_408;

/**
 * The encrypted side of a TLS connection: a {@link ByteStream} as the `Duplex` that node:tls wants.
 *
 * It reads from the socket only when {@link CipherDuplex.demand} says that somebody waits for bytes: node:tls over a
 * Duplex decrypts whatever it is handed, so the back-pressure has to be here. It owns the stream and closes it when it
 * is destroyed.
 *
 * Invariant: one read of the inner stream is under way at most, and none once the duplex is destroyed.
 */
export class CipherDuplex extends Duplex {
  /** Set by the owner: whether somebody waits for what the next bytes decrypt to, or a handshake runs. */
  demand: () => boolean = () => false;
  /** Called once, when the inner stream takes no more bytes. Those that it had before are still read. */
  onUnwritable: (error: Error) => void = () => {};
  readonly #inner: ByteStream;
  #initial: Uint8Array | null;
  #buffer = new Uint8Array(IDLE_READ_BYTES);
  #reading = false;
  #closed = false;
  #failure: unknown = null;
  #unwritable = false;
  #ended = false;
  #received = false;

  constructor(inner: ByteStream, initialBytes: Uint8Array) {
    super({ allowHalfOpen: true, emitClose: true });
    this.#inner = inner;
    this.#initial = initialBytes.length > 0 ? initialBytes : null;
    this.#received = this.#initial !== null;
    // Errors reach the owner through node:tls; a second one, or one after the owner left, must not end the process.
    this.on("error", () => {});
  }

  /** What the inner stream rejected with, or null. Streams rewrite errors on their way up; this is the first cause. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Whether the peer ended the TCP connection, with or without saying so in TLS. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether the peer has sent anything at all. */
  get received(): boolean {
    return this.#received;
  }

  /** Reads on while there is demand. Called when demand arises; safe to call at any time. */
  pump(): void {
    if (!this.#reading && !this.#ended && !this.destroyed && this.demand()) this.#run();
  }

  override _read(): void {
    this.pump();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    if (this.#unwritable) return done();
    this.#writeAll(chunk).then(() => done(), (error) => {
      this.#unwritable = true;
      this.onUnwritable(this.#fail(error));
      // An error here would end the reading too, and what the peer said last may not have been read yet.
      done();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#inner.close();
    }
    done(error);
  }

  async #writeAll(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      at += await this.#inner.write(at === 0 ? chunk : chunk.subarray(at));
    }
  }

  async #run(): Promise<void> {
    this.#reading = true;
    try {
      do {
        const chunk = await this.#next();
        if (this.destroyed) return;
        this.push(chunk);
        if (chunk === null) return;
        // Pushed while the other side flows, the bytes are decrypted by now; otherwise they still lie in this buffer.
        if (this.readableLength > 0 && chunk.buffer === this.#buffer.buffer) {
          this.#buffer = new Uint8Array(this.#buffer.length);
        }
      } while (this.readableLength === 0 && !this.destroyed && this.demand());
    } catch (error) {
      this.destroy(this.#fail(error));
    } finally {
      this.#reading = false;
    }
  }

  async #next(): Promise<Uint8Array | null> {
    const initial = this.#initial;
    if (initial !== null) {
      this.#initial = null;
      return initial;
    }
    const count = await this.#inner.read(this.#buffer);
    if (count === 0) {
      this.#ended = true;
      return null;
    }
    this.#received = true;
    const chunk = this.#buffer.subarray(0, count);
    if (count === this.#buffer.length && count < BUSY_READ_BYTES) {
      this.#buffer = new Uint8Array(BUSY_READ_BYTES);
    } else if (count <= IDLE_READ_BYTES / 2 && this.#buffer.length > IDLE_READ_BYTES) {
      this.#buffer = new Uint8Array(IDLE_READ_BYTES);
    }
    return chunk;
  }

  #fail(thrown: unknown): Error {
    this.#failure ??= thrown;
    return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
}
