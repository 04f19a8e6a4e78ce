import * as net from "node:net";
import * as tls from "node:tls";
import type { Duplex } from "node:stream";

/** TLS towards the server. Certificates are verified exactly when `ca` is given. */
export interface WireTls {
  /** PEM text. */
  ca?: string;
  /** PEM text: the client's certificate and key. */
  cert?: string;
  key?: string;
  /** The name that the server's certificate has to carry; `localhost` unless said. */
  servername?: string;
  alpn?: string[];
}

/** Where to connect: TCP, or the path of a Unix socket. */
export type WireTarget = { host?: string; port: number } | { path: string };

/**
 * A socket that reads only when asked to, so that a test may be a slow reader, and never without a deadline.
 *
 * Built on node:net, as node:tls can take such a socket over in the middle of the stream, client certificate included.
 */
export class WireSocket implements AsyncDisposable {
  readonly deadlineMs: number;
  #raw: net.Socket;
  #stream: Duplex;
  #pending = new Uint8Array(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(raw: net.Socket, deadlineMs: number) {
    this.deadlineMs = deadlineMs;
    this.#raw = raw;
    this.#stream = raw;
    this.#listen(raw);
  }

  static async open(target: WireTarget, deadlineMs = 10_000): Promise<WireSocket> {
    const raw = net.connect(
      "path" in target ? target : { host: target.host ?? "127.0.0.1", port: target.port },
    );
    const socket = new WireSocket(raw, deadlineMs);
    await socket.#event(raw, "connect", `a connection to ${JSON.stringify(target)}`);
    raw.setNoDelay?.(true);
    return socket;
  }

  /** Hands the connection over to TLS; all that was read so far has been consumed. */
  async startTls(options: WireTls = {}): Promise<void> {
    if (this.#pending.length > 0) throw new Error("Cannot start TLS as unread bytes came before it");
    this.#raw.removeAllListeners("readable");
    const secure = tls.connect({
      socket: this.#raw,
      servername: options.servername ?? "localhost",
      rejectUnauthorized: options.ca !== undefined,
      ...(options.ca !== undefined && { ca: options.ca }),
      ...(options.cert !== undefined && { cert: options.cert }),
      ...(options.key !== undefined && { key: options.key }),
      ...(options.alpn !== undefined && { ALPNProtocols: options.alpn }),
    });
    this.#stream = secure;
    await this.#event(secure, "secureConnect", "the TLS handshake");
    this.#listen(secure);
  }

  /** Whether the peer closed, and all that it sent was read. */
  get ended(): boolean {
    return this.#ended && this.#pending.length === 0;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, (error) => error ? reject(error) : resolve());
    });
    await this.#within(written, "the peer to take what was written");
  }

  /** Sends FIN, and still reads. */
  end(): void {
    this.#stream.end();
  }

  /** Resets the connection, as a crashed client's kernel would. */
  reset(): void {
    this.#raw.resetAndDestroy();
  }

  /** Exactly `count` bytes, or null when the peer closed before the first of them. */
  async readExactly(count: number, what: string): Promise<Uint8Array | null> {
    while (this.#pending.length < count) {
      if (this.#ended) {
        if (this.#pending.length === 0) return null;
        throw new Error(`The peer closed in the middle of ${what}`);
      }
      await this.#more(what);
    }
    const bytes = this.#pending.slice(0, count);
    this.#pending = this.#pending.subarray(count);
    return bytes;
  }

  /** Returns whether anything came, or the peer closed, within `ms`. */
  async anythingWithin(ms: number): Promise<boolean> {
    if (this.#pending.length > 0 || this.#ended) return true;
    return await this.#more("anything", ms).then(() => true, () => false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#raw.closed
      ? null
      : new Promise<void>((resolve) => this.#raw.once("close", () => resolve()));
    this.#stream.destroy();
    this.#raw.destroy();
    await closed;
  }

  #listen(stream: Duplex): void {
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    stream.on("readable", () => this.#wake());
    stream.on("end", end).on("close", end).on("error", end);
  }

  /** Waits until more bytes are pending, or the peer closed. */
  async #more(what: string, deadlineMs = this.deadlineMs): Promise<void> {
    if (this.#take()) return;
    const woken = new Promise<void>((resolve) => {
      this.#wake = () => {
        if (this.#take() || this.#ended) resolve();
      };
    });
    await this.#within(woken, what, deadlineMs);
    this.#wake = () => {};
  }

  #take(): boolean {
    const chunk = this.#stream.read() as Uint8Array | null;
    if (chunk === null) return false;
    const joined = new Uint8Array(this.#pending.length + chunk.length);
    joined.set(this.#pending);
    joined.set(chunk, this.#pending.length);
    this.#pending = joined;
    return true;
  }

  async #event(stream: Duplex, name: string, what: string): Promise<void> {
    let fail: (error: Error) => void = () => {};
    const happened = new Promise<void>((resolve, reject) => {
      fail = reject;
      stream.once(name, () => resolve());
      stream.once("error", fail);
      stream.once("close", () => reject(new Error(`The peer closed instead of ${what}`)));
    });
    try {
      await this.#within(happened, what);
      stream.off("error", fail);
    } catch (thrown) {
      await this[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  async #within<T>(promise: Promise<T>, what: string, deadlineMs = this.deadlineMs): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Waited ${deadlineMs} ms in vain for ${what}`)), deadlineMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
