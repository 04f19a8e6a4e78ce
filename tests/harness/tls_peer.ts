import type { Clock } from "../../src/kernel/mod.ts";
import type { ByteStream } from "../../src/transport/stream.ts";
import { socketStream } from "../../src/transport/socket_stream.ts";
import {
  acceptTls,
  type AcceptTlsOptions,
  connectTls,
  type ConnectTlsOptions,
  type TlsStream,
} from "../../src/transport/tls.ts";
import { type CertPair, type Certs, freePort } from "./mod.ts";

/** The system's time. */
export const realClock: Clock = {
  nowMs: () => performance.now(),
  exactMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, fire) => {
    const id = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(id) };
  },
};

/** Two ends of a TCP connection on this machine. */
export async function tcpPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  return await Promise.all([listener.accept(), Deno.connect({ hostname: "127.0.0.1", port })]);
}

/** `acceptTls` over a socket. */
export function acceptConn(conn: Deno.Conn, options: AcceptTlsOptions): Promise<TlsStream> {
  return acceptTls(socketStream(conn), options);
}

/** `connectTls` over a socket. */
export function connectConn(conn: Deno.Conn, options: ConnectTlsOptions): Promise<TlsStream> {
  return connectTls(socketStream(conn), options);
}

/** A server's options: `certs.server`, nothing else. */
export function acceptOptions(certs: Certs, more: Partial<AcceptTlsOptions> = {}): AcceptTlsOptions {
  return {
    certPem: certs.server.cert,
    keyPem: certs.server.key,
    clientCaPem: null,
    alpn: null,
    requireAlpn: false,
    initialBytes: new Uint8Array(0),
    handshakeTimeoutMs: 5_000,
    clock: realClock,
    ...more,
  };
}

/** A client's options: `verify-full` for localhost. */
export function connectOptions(certs: Certs, more: Partial<ConnectTlsOptions> = {}): ConnectTlsOptions {
  return {
    mode: "verify-full",
    host: "localhost",
    caPem: certs.ca,
    certPem: null,
    keyPem: null,
    handshakeTimeoutMs: 5_000,
    clock: realClock,
    ...more,
  };
}

/** Content that is wrong wherever a byte is lost, doubled or moved: xorshift over the position of each word. */
export function fillPattern(bytes: Uint8Array, position: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = patternAt(position + i);
}

function patternAt(position: number): number {
  let word = Math.imul((position >>> 2) + 1, 0x9e3779b1);
  word ^= word >>> 15;
  return (word >>> ((position & 3) * 8)) & 0xff;
}

/** Writes `total` bytes of the pattern in pieces of `piece`. */
export async function sendPattern(stream: Pick<ByteStream, "write">, total: number, piece = 65_536) {
  const bytes = new Uint8Array(piece);
  for (let at = 0; at < total;) {
    const run = bytes.subarray(0, Math.min(piece, total - at));
    fillPattern(run, at);
    for (let from = 0; from < run.length;) from += await stream.write(run.subarray(from));
    at += run.length;
  }
}

/** Reads `total` bytes and throws where they are not the pattern. */
export async function expectPattern(stream: Pick<ByteStream, "read">, total: number, room = 16_384) {
  const bytes = new Uint8Array(room);
  for (let at = 0; at < total;) {
    const count = await stream.read(bytes.subarray(0, Math.min(room, total - at)));
    if (count === 0) throw new Error(`The stream ended after ${at} of ${total} bytes`);
    for (let i = 0; i < count; i++) {
      if (bytes[i] !== patternAt(at + i)) throw new Error(`Wrong byte at ${at + i} of ${total}`);
    }
    at += count;
  }
}

/** Writes all of `text`. */
export async function sendText(stream: Pick<ByteStream, "write">, text: string) {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
}

/** Reads until what came so far ends with `ending`, or until the end of the stream. */
export async function readText(stream: Pick<ByteStream, "read">, ending: string): Promise<string> {
  const bytes = new Uint8Array(1_024);
  let text = "";
  while (!text.endsWith(ending)) {
    const count = await stream.read(bytes);
    if (count === 0) return text;
    text += new TextDecoder().decode(bytes.subarray(0, count));
  }
  return text;
}

/** A running `openssl s_client` or `s_server`: its standard input goes to its peer, what its peer sends to its output. */
export class OpensslPeer implements ByteStream, AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #errors: Promise<string>;
  #left: Uint8Array = new Uint8Array(0);

  constructor(args: string[]) {
    this.#child = new Deno.Command("openssl", { args, stdin: "piped", stdout: "piped", stderr: "piped" })
      .spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
    this.#errors = new Response(this.#child.stderr).text();
  }

  /** `openssl s_client` to `port`. */
  static client(port: number, ...args: string[]): OpensslPeer {
    return new OpensslPeer(["s_client", "-quiet", "-connect", `127.0.0.1:${port}`, ...args]);
  }

  /** `openssl s_server` with `pair`, and a connection to it as soon as it listens. */
  static async server(pair: CertPair, ...args: string[]): Promise<[OpensslPeer, Deno.TcpConn]> {
    const port = freePort();
    const keys = ["-cert", pair.certFile, "-key", pair.keyFile];
    const peer = new OpensslPeer([
      "s_server",
      "-quiet",
      "-naccept",
      "1",
      "-accept",
      `${port}`,
      ...keys,
      ...args,
    ]);
    const deadlineMs = performance.now() + 5_000;
    for (;;) {
      try {
        return [peer, await Deno.connect({ hostname: "127.0.0.1", port })];
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  async read(into: Uint8Array): Promise<number> {
    if (this.#left.length === 0) {
      const { value, done } = await this.#reader.read();
      if (done) return 0;
      this.#left = value;
    }
    const count = Math.min(into.length, this.#left.length);
    into.set(this.#left.subarray(0, count));
    this.#left = this.#left.subarray(count);
    return count;
  }

  writeNow(): number {
    return 0;
  }

  async write(from: Uint8Array): Promise<number> {
    await this.#writer.write(from.slice());
    return from.length;
  }

  /** Ends its standard input, after which it closes its connection. */
  close(): void {
    this.#writer.close().catch(() => {});
  }

  /** What it wrote to its standard error, once it has ended. */
  get errors(): Promise<string> {
    return this.#errors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await this.#reader.cancel();
    await Promise.all([this.#errors, this.#child.status]);
  }
}
