import { ok, strictEqual as equal } from "node:assert/strict";
import type { ServerConnection, StatementStore } from "../../src/backend/mod.ts";
import { fakeServer, type FakeStream } from "../../src/backend/fake_server_test.ts";
import { OPTION_NAMES, type PoolSettings } from "../../src/config/mod.ts";
import { PgplexError, VirtualClock } from "../../src/kernel/mod.ts";
import type { ByteSink } from "../../src/transport/mod.ts";
import { ClientScan } from "../../src/relay/client_scan.ts";
import { Fingerprints } from "../../src/learning/fingerprints.ts";
import { Relay } from "../../src/relay/relay.ts";
import { PLAIN_TEXTS } from "./script.ts";
import { ServerScan } from "../../src/relay/server_scan.ts";
import { SessionOptions } from "../../src/options/session_options.ts";
import { Steering, type SteeringHost } from "../../src/relay/steering.ts";
import { PoolControl } from "../../src/servers/pool_control.ts";
import { ClientBuffer } from "../../src/session/client_buffer.ts";
import { ClientLoop, type ClientLoopHost } from "../../src/session/client_loop.ts";

/**
 * Where a machine's bytes go. What is forwarded is taken only at the flush, as a socket would: whoever changes it earlier
 * is found out.
 */
export class RecordingSink implements ByteSink {
  /** Everything flushed so far. */
  readonly bytes: number[] = [];
  readonly written = 0;
  readonly writing = false;
  readonly broken = false;
  #waiting: Uint8Array[] = [];

  forward(bytes: Uint8Array, start: number, end: number): void {
    this.#waiting.push(bytes.subarray(start, end));
  }

  copy(bytes: Uint8Array, start: number, end: number): void {
    this.#waiting.push(bytes.slice(start, end));
  }

  put(bytes: Uint8Array): void {
    this.#waiting.push(bytes.slice());
  }

  /** Takes what was put, at once. */
  flush(): null {
    for (const bytes of this.#waiting) for (const byte of bytes) this.bytes.push(byte);
    this.#waiting = [];
    return null;
  }

  /** Takes what was flushed since the last call. */
  taken(): Uint8Array {
    return Uint8Array.from(this.bytes.splice(0));
  }
}

/** A server connection's read buffer: as large as it must be. */
class ReadBuffer {
  bytes: Uint8Array;
  start = 0;
  end = 0;
  readonly #small: number;
  readonly #large: number;

  constructor(small: number, large: number) {
    this.#small = small;
    this.#large = large;
    this.bytes = new Uint8Array(small);
  }

  /** Makes room for the next read, as `Session.#makeRoom`. */
  makeRoom(wanted: number): void {
    if (this.start === this.end) {
      const wasFull = this.end === this.bytes.length;
      this.start = this.end = 0;
      this.bytes = new Uint8Array(wasFull ? Math.max(this.#large, this.bytes.length) : this.#small);
      return;
    }
    this.bytes.copyWithin(0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    if (wanted > this.bytes.length || this.end === this.bytes.length) {
      const bigger = new Uint8Array(Math.max(wanted, this.#large, this.end * 2));
      bigger.set(this.bytes.subarray(0, this.end));
      this.bytes = bigger;
    }
  }

  /** Reads as much of `chunk` as there is room for; returns the rest. */
  read(chunk: Uint8Array): Uint8Array {
    const n = Math.min(chunk.length, this.bytes.length - this.end);
    ok(n > 0, "a read has room");
    this.bytes.set(chunk.subarray(0, n), this.end);
    this.end += n;
    return chunk.subarray(n);
  }

  /** What was taken is garbage from here on. */
  took(start: number): void {
    this.bytes.fill(0xee, this.start, start);
    this.start = start;
  }
}

/** A server connection with its read buffer, as `ServerConnection.start` drives it. */
export class RigServer {
  readonly connection: ServerConnection;
  readonly stream: FakeStream;
  readonly input: ReadBuffer;
  holder: Rig | null = null;

  constructor(options: { id?: number; statements: StatementStore; small?: number }) {
    const { server, stream } = fakeServer(options);
    this.connection = server;
    this.stream = stream;
    this.input = new ReadBuffer(options.small ?? 512, options.small ?? 512);
  }

  /** The server says `bytes`, in one piece where they fit the buffer. */
  async say(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      this.input.makeRoom(0);
      rest = this.input.read(rest);
      const { holder, input } = this;
      if (holder === null) {
        throw new Error(`the server speaks to nobody: ${input.bytes.slice(input.start, input.end)}`);
      }
      const start = holder.serverScan.scan(this.connection, input.bytes, input.start, input.end);
      holder.out.flush();
      input.took(start);
      await holder.settled();
    }
  }
}

/** How a {@link Rig} is set up. */
export interface RigOptions {
  readonly statements: StatementStore;
  /** Whether prepared statements are renamed and leases end: transaction pooling. */
  readonly renames: boolean;
  readonly small?: number;
  readonly large?: number;
  readonly preparedMax?: number;
  /** Whether what statements say to pgplex itself is followed. */
  readonly directives?: PoolSettings["directives"];
  /** A server connection for a session that needs one, or null: it waits. */
  readonly acquire: () => RigServer | null;
}

/** A session as far as its statements steer it. */
function steered(directives: PoolSettings["directives"]): SteeringHost {
  const poolSettings = { directives, options_allowed: OPTION_NAMES, query_timeout: 0, query_wait_timeout: 0 };
  return {
    options: new SessionOptions(),
    poolSettings: poolSettings as unknown as PoolSettings,
    refusal: () => null,
    statementBegins() {},
    optionsKnown: true,
    answeredItself() {},
    describe: () => [["id", "1"], ["tls", null]],
    describeOptions: () => [["tag", "it's", "client", "A word."]],
  };
}

/** A client's socket, from which the loop reads what the test says. What it may read into is garbage before. */
class ClientSocket {
  #reader: { readonly into: Uint8Array; readonly resolve: (n: number) => void } | null = null;

  /** Whether somebody waits for bytes. */
  get hungry(): boolean {
    return this.#reader !== null;
  }

  read(into: Uint8Array): Promise<number> {
    into.fill(0xee);
    return new Promise((resolve) => this.#reader = { into, resolve });
  }

  /** Gives the reader as much of `bytes` as it has room for; returns the rest. */
  give(bytes: Uint8Array): Uint8Array {
    const { into, resolve } = this.#reader!;
    const n = Math.min(into.length, bytes.length);
    ok(n > 0, "a read has room");
    into.set(bytes.subarray(0, n));
    this.#reader = null;
    resolve(n);
    return bytes.subarray(n);
  }
}

/** Turns of the event loop's microtasks after which whatever was set in motion is at rest again, or never will be. */
const TURNS_MAX = 10_000;

/** So many turns at least: what wakes the loop takes effect within them. */
const TURNS_MIN = 8;

/** One session's machines between a client and servers, driven by a session's own {@link ClientLoop}, without sockets. */
export class Rig implements ClientLoopHost {
  readonly out = new RecordingSink();
  readonly relay: Relay;
  readonly clientScan: ClientScan;
  readonly serverScan: ServerScan;
  readonly steering: Steering;
  readonly host: SteeringHost;
  readonly parameters: [string, string][] = [];
  fatal: PgplexError | null = null;
  server: RigServer | null = null;
  leases = 0;
  /** Replies that come make nothing of the client's go on. */
  holdsClient = false;
  /** What servers remember of sequences is to be taken for another session's. */
  sequencesForeign = false;
  readonly inDoubt = null;
  readonly ending = false;
  readonly greeted = true;
  readonly sinceMs = 0;
  readonly #options: RigOptions;
  readonly #socket = new ClientSocket();
  readonly #loop: ClientLoop;
  #obtaining: (() => void) | null = null;
  #ended = false;
  #failure: unknown = null;

  constructor(options: RigOptions) {
    this.#options = options;
    this.relay = new Relay(this.out, options.statements, {
      renames: options.renames,
      preparedMax: options.preparedMax ?? 200,
      fingerprints: new Fingerprints(),
    });
    for (const sql of PLAIN_TEXTS) this.relay.watch.look(new TextEncoder().encode(sql), 0, sql.length);
    this.host = steered(options.directives ?? "off");
    this.steering = new Steering(this.relay, this.host);
    this.clientScan = new ClientScan(this.relay, options.statements, this.steering);
    this.serverScan = new ServerScan(this.relay, {
      parameter: (name, value) => {
        this.parameters.push([name, value]);
        return true;
      },
      notification: () => true,
      fatal: (error) => {
        this.fatal = error;
        return true;
      },
      canceled: () => null,
      blockBegun() {},
    });
    const large = options.large ?? 16_384;
    const buffers = { borrow: () => new Uint8Array(large), giveBack() {} };
    this.#loop = new ClientLoop({
      clock: new VirtualClock(),
      control: new PoolControl(),
      input: new ClientBuffer(buffers, this.#socket, options.small ?? 512),
      out: this.out,
      relay: this.relay,
      scan: this.clientScan,
      lease: { error: null, failure: null, held: true, obtain: () => this.#obtain() },
      times: { cancelling: null },
      work: { sent() {}, asks() {}, leased() {} },
    }, this);
    this.#loop.serve().catch((error: unknown) => this.#failure = error).finally(() => this.#ended = true);
  }

  /** What the client's side waits for. */
  get waiting(): "bytes" | "lease" | "replies" | "end" {
    if (this.#ended) return "end";
    if (this.#obtaining !== null) return "lease";
    return this.#loop.sleeps ? "replies" : "bytes";
  }

  /**
   * The client says `bytes`; returns what could not be read yet, as the session waits for a lease or for replies.
   *
   * @throws what ended the session
   */
  async say(bytes: Uint8Array): Promise<Uint8Array> {
    let rest = bytes;
    await this.#atRest();
    while (rest.length > 0 && this.waiting === "bytes") {
      rest = this.#socket.give(rest);
      await this.#atRest();
    }
    return rest;
  }

  /** A server connection may have become free, or the scan needs something else now: it looks again. */
  async resume(): Promise<void> {
    const again = this.#obtaining;
    if (again === null) return this.settled();
    this.#obtaining = null;
    again();
    await this.#atRest();
  }

  /** The server's bytes were taken: the lease may end, and the client may go on. */
  async settled(): Promise<void> {
    this.settle();
    if (!this.holdsClient && !this.clientScan.blocked) this.#loop.wake();
    await this.#atRest();
  }

  settle(): void {
    const { relay, server } = this;
    if (relay.server !== null && relay.server.owed.readies === 0 && !relay.progress.openBatch) {
      this.steering.statementEnds();
    }
    if (!relay.progress.boundary || server === null) return;
    this.host.options.transactionEnds();
    this.host.options.forgetPending();
    relay.watch.begin();
    if (!this.#options.renames) {
      relay.progress.leaseGoesOn();
      return;
    }
    equal(server.connection.owed.settled, true, "a lease ends with nothing owed");
    server.holder = null;
    this.server = null;
    relay.leaseEnds();
  }

  came(): void {}
  sayNothing(): void {}
  left(): void {}

  failPending(_: number, error: PgplexError): void {
    throw error;
  }

  turn(): Promise<void> {
    return Promise.resolve();
  }

  #obtain(): Promise<void> | null {
    return this.#lease() ? null : new Promise((resolve) => this.#obtaining = resolve);
  }

  #lease(): boolean {
    const server = this.#options.acquire();
    if (server === null) return false;
    server.holder = this;
    this.server = server;
    this.relay.leaseBegins(server.connection, this.sequencesForeign);
    this.leases++;
    return true;
  }

  /** Resolves when the loop waits for something that only the test can bring. */
  async #atRest(): Promise<void> {
    for (let turns = 0; turns < TURNS_MIN || !this.#rests; turns++) {
      ok(turns < TURNS_MAX, "the loop comes to rest");
      await Promise.resolve();
    }
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure;
  }

  get #rests(): boolean {
    return this.#ended || this.#obtaining !== null || this.#loop.sleeps || this.#socket.hungry;
  }
}
