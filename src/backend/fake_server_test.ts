import { BufferPool, type ByteStream, type Endpoint } from "../transport/mod.ts";
import { SeededRandom, VirtualClock } from "../kernel/mod.ts";
import { ServerConnection, type ServerIdentity } from "./connection.ts";
import { StatementStore } from "./statement.ts";
import { Settings } from "./settings.ts";
import type { SqlStatement } from "./sql_texts.ts";

/** A socket whose other end is the test: what it says, and when. */
export class FakeStream implements ByteStream {
  /** Everything written so far. */
  readonly written: number[] = [];
  closed = false;
  /** Answers each write, when set. */
  onWrite: ((bytes: Uint8Array) => void) | null = null;
  /** Writes wait for as long as this is set. */
  stalled: Promise<void> | null = null;
  /** Whether a write is done before it is waited for, as a socket with room does it. */
  takesAtOnce = false;
  readonly #queue: (Uint8Array | "end" | Error)[] = [];
  #reader: PromiseWithResolvers<void> | null = null;
  #hungry: PromiseWithResolvers<void>[] = [];

  /** The other end sends this: one chunk each, unless a read takes less. */
  say(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) if (chunk.length > 0) this.#queue.push(chunk.slice());
    this.#wake();
  }

  /** The other end closes. */
  end(): void {
    this.#queue.push("end");
    this.#wake();
  }

  /** The next read rejects. */
  fail(error: Error): void {
    this.#queue.push(error);
    this.#wake();
  }

  /** Resolves when everything said has been read and the reader waits for more, or has gone. */
  async drained(): Promise<void> {
    if (this.closed || (this.#reader !== null && this.#queue.length === 0)) return;
    const hungry = Promise.withResolvers<void>();
    this.#hungry.push(hungry);
    await hungry.promise;
  }

  async read(into: Uint8Array): Promise<number> {
    while (this.#queue.length === 0 && !this.closed) {
      this.#reader = Promise.withResolvers();
      this.#feedHungry();
      await this.#reader.promise;
      this.#reader = null;
    }
    if (this.closed) throw new Deno.errors.BadResource("closed");
    const next = this.#queue[0]!;
    if (next === "end") return 0;
    if (next instanceof Error) throw next;
    const count = Math.min(into.length, next.length);
    into.set(next.subarray(0, count));
    if (count === next.length) this.#queue.shift();
    else this.#queue[0] = next.subarray(count);
    return count;
  }

  writeNow(bytes: Uint8Array, start: number, end: number): number {
    if (!this.takesAtOnce || this.closed) return 0;
    const taken = bytes.slice(start, end);
    this.written.push(...taken);
    this.onWrite?.(taken);
    return end - start;
  }

  async write(from: Uint8Array): Promise<number> {
    if (this.closed) throw new Deno.errors.BadResource("closed");
    const bytes = from.slice();
    await this.stalled;
    if (this.closed) throw new Deno.errors.BadResource("closed");
    this.written.push(...bytes);
    this.onWrite?.(bytes);
    return bytes.length;
  }

  close(): void {
    this.closed = true;
    this.#wake();
    this.#feedHungry();
  }

  /** Takes what was written since the last call. */
  taken(): Uint8Array {
    return Uint8Array.from(this.written.splice(0));
  }

  #wake(): void {
    this.#reader?.resolve();
  }

  #feedHungry(): void {
    for (const { resolve } of this.#hungry.splice(0)) resolve();
  }
}

const ENDPOINT: Endpoint = { host: "127.0.0.1", port: 5432 };

/** A server connection, logged in over a {@link FakeStream}, and what it shares with others. */
export function fakeServer(options: {
  id?: number;
  settings?: Settings;
  statements?: StatementStore;
  buffers?: BufferPool;
} = {}): { server: ServerConnection; stream: FakeStream; buffers: BufferPool; statements: StatementStore } {
  const stream = new FakeStream();
  const buffers = options.buffers ?? new BufferPool();
  const statements = options.statements ?? new StatementStore();
  const identity: ServerIdentity = {
    endpoint: ENDPOINT,
    user: "app",
    database: "app",
    key: { pid: 1, secret: new SeededRandom(1).fill(new Uint8Array(4)) },
    parameters: options.settings ?? Settings.none,
    base: "",
    hasLentName: false,
    tls: null,
    notices: new Uint8Array(0),
  };
  const parts = { buffers, statements, clock: new VirtualClock(), turn: () => Promise.resolve() };
  return {
    server: new ServerConnection(options.id ?? 1, stream, identity, parts),
    stream,
    buffers,
    statements,
  };
}

/** A statement that SQL prepared. */
export function sqlStatement(sql: string): SqlStatement {
  return { sql, literals: "", path: null };
}
