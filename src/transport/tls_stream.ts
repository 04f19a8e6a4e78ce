import type { TLSSocket } from "node:tls";
import type { Buffer } from "node:buffer";
import { assert, type Clock } from "../kernel/mod.ts";
import type { ByteStream } from "./stream.ts";
import type { CipherDuplex } from "./tls_duplex.ts";

/**
 * Bytes that one write encrypts at most: one TLS record of 2^14 bytes (RFC 8446, section 5.1). Also keeps clear of the
 * 64 kB limit of rustls' own plaintext buffer.
 */
const RECORD_BYTES_MAX = 16_384;

/** How long a close waits for its close_notify to be written to a socket that takes no more bytes. */
const CLOSE_NOTIFY_MS_MAX = 1_000;

/** A {@link ByteStream} whose bytes go through TLS, and what the handshake agreed on. */
export interface TlsStream extends ByteStream {
  /** The peer's certificate in DER. Accepted: the client's, verified, or null. Connected: the server's. */
  readonly peerCertificate: Uint8Array | null;
  /** The common name in that certificate's subject, only when it was verified; the first one where there are several. */
  readonly peerCommonName: string | null;
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly protocol: string;
  /** OpenSSL's name of the cipher suite, as pg_stat_ssl shows it. */
  readonly cipher: string;
  /** The protocol that ALPN agreed on, or null. */
  readonly alpn: string | null;
  /** The server name that the client asked for (SNI), or null. */
  readonly serverName: string | null;
}

/** What the handshake found out, as {@link TlsStream} shows it. */
export type TlsFacts = Omit<TlsStream, keyof ByteStream>;

interface Waiting {
  readonly into: Uint8Array;
  readonly resolve: (count: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A TLS connection after its handshake, as {@link ByteStream}.
 *
 * - `read` resolves with 0 at the peer's close_notify, and also where the connection just ends: PostgreSQL's
 *   protocol says itself where its messages end. It rejects when the peer resets or sends what is not TLS.
 * - Decrypted bytes that did not fit `into` are kept: at most what one read of the socket held.
 * - `write` takes at most 16 kB and resolves when the socket has taken the encrypted bytes. One that fails does not end what can
 *   be read.
 * - After `close`, reads and writes reject with `Deno.errors.BadResource`, those under way included.
 *
 * Invariant: a read waits only while nothing decrypted is kept.
 */
export class SecureStream implements TlsStream {
  readonly peerCertificate: Uint8Array | null;
  readonly peerCommonName: string | null;
  readonly protocol: string;
  readonly cipher: string;
  readonly alpn: string | null;
  readonly serverName: string | null;
  readonly #socket: TLSSocket;
  readonly #duplex: CipherDuplex;
  readonly #clock: Clock;
  #kept: Uint8Array[] = [];
  #keptStart = 0;
  #reader: Waiting | null = null;
  #writers = new Set<(error: unknown) => void>();
  #ended = false;
  #closed = false;
  #failure: unknown = null;
  #unwritable: Error | null = null;

  /** Takes over a socket right after its handshake, in the same turn of the loop: no decrypted byte has passed yet. */
  constructor(socket: TLSSocket, duplex: CipherDuplex, options: { facts: TlsFacts; clock: Clock }) {
    this.#socket = socket;
    this.#duplex = duplex;
    this.#clock = options.clock;
    const { facts } = options;
    this.peerCertificate = facts.peerCertificate;
    this.peerCommonName = facts.peerCommonName;
    this.protocol = facts.protocol;
    this.cipher = facts.cipher;
    this.alpn = facts.alpn;
    this.serverName = facts.serverName;
    duplex.demand = () => this.#reader !== null;
    duplex.onUnwritable = (error) => this.#onUnwritable(error);
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("end", () => this.#onEnd());
    socket.on("error", (error: Error) => this.#onFailure(error));
    // Where no tls.Server stands behind the socket, node:tls tells of broken records by this event only.
    socket.on("_tlsError", (error: Error) => this.#onFailure(error));
    socket.on("close", () => this.#onFailure(null));
    duplex.on("error", (error: Error) => this.#onFailure(error));
    duplex.on("close", () => this.#onFailure(null));
  }

  read(into: Uint8Array): Promise<number> {
    assert(this.#reader === null, "a stream has one reader");
    assert(into.length > 0, "a read has room for a byte");
    if (this.#closed) return Promise.reject(closedError());
    if (this.#kept.length > 0) return Promise.resolve(this.#take(into));
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve(0);
    return new Promise((resolve, reject) => {
      this.#reader = { into, resolve, reject };
      this.#duplex.pump();
    });
  }

  /** Encryption goes through the runtime's streams, which take their time. */
  writeNow(): number {
    return 0;
  }

  write(from: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#unwritable !== null) return Promise.reject(this.#unwritable);
    if (this.#socket.destroyed) return Promise.reject(resetError());
    if (from.length === 0) return Promise.resolve(0);
    const chunk = from.length > RECORD_BYTES_MAX ? from.subarray(0, RECORD_BYTES_MAX) : from;
    return new Promise((resolve, reject) => {
      // node:tls forgets the callbacks of writes that a destroyed socket still held: #fail calls these instead.
      this.#writers.add(reject);
      this.#socket.write(chunk, (error?: Error | null) => {
        if (!this.#writers.delete(reject)) return;
        if (error) reject(this.#duplex.failure ?? error);
        else resolve(chunk.length);
      });
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const cannotWrite = this.#writers.size > 0 || this.#unwritable !== null;
    this.#fail(closedError());
    this.#kept = [];
    if (cannotWrite || this.#socket.destroyed || this.#duplex.destroyed || this.#failure !== null) {
      this.#destroy();
    } else {
      this.#sayGoodbye();
    }
  }

  /** Sends close_notify, without which the peer could not tell the end from a cut, and closes when it is written. */
  #sayGoodbye(): void {
    const timer = this.#clock.after(CLOSE_NOTIFY_MS_MAX, () => this.#destroy());
    const done = () => {
      timer.cancel();
      this.#destroy();
    };
    this.#duplex.once("close", () => timer.cancel());
    // The alert is handed to the duplex in a microtask after `end`; an empty write queues behind it.
    this.#socket.end(() => queueMicrotask(() => queueMicrotask(() => this.#duplex.write(EMPTY, done))));
  }

  #destroy(): void {
    this.#socket.destroy();
    this.#duplex.destroy();
  }

  #onData(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#kept.push(chunk);
    const reader = this.#reader;
    if (reader === null) return;
    this.#reader = null;
    reader.resolve(this.#take(reader.into));
  }

  #onEnd(): void {
    this.#ended = true;
    const reader = this.#reader;
    this.#reader = null;
    reader?.resolve(0);
  }

  #onFailure(error: Error | null): void {
    if (this.#failure !== null || this.#closed) return;
    // A stream that closes after its end has not failed; writing to it is still refused.
    const failure = this.#duplex.failure ?? error ?? resetError();
    if (!this.#ended || error !== null) this.#failure = failure;
    this.#fail(failure);
    this.#destroy();
  }

  /** Reads go on to the end of what the peer sent. */
  #onUnwritable(error: Error): void {
    this.#unwritable = error;
    this.#rejectWriters(error);
  }

  #fail(error: unknown): void {
    const reader = this.#reader;
    this.#reader = null;
    reader?.reject(error);
    this.#rejectWriters(error);
  }

  #rejectWriters(error: unknown): void {
    const writers = [...this.#writers];
    this.#writers.clear();
    for (const reject of writers) reject(error);
  }

  #take(into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length && this.#kept.length > 0) {
      const chunk = this.#kept[0]!;
      const count = Math.min(into.length - filled, chunk.length - this.#keptStart);
      into.set(chunk.subarray(this.#keptStart, this.#keptStart + count), filled);
      filled += count;
      this.#keptStart += count;
      if (this.#keptStart === chunk.length) {
        this.#kept.shift();
        this.#keptStart = 0;
      }
    }
    return filled;
  }
}

const EMPTY: Readonly<Uint8Array> = new Uint8Array(0);

function closedError(): Error {
  return new Deno.errors.BadResource("the TLS stream is closed");
}

function resetError(): Error {
  return new Deno.errors.ConnectionReset("the TLS connection broke off");
}
