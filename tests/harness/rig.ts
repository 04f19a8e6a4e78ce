import { ok, strictEqual as equal } from "node:assert/strict";
import type { ServerConnection, StatementStore } from "../../src/backend/mod.ts";
import { fakeServer, type FakeStream } from "../../src/backend/fake_server_test.ts";
import { OPTION_NAMES, type PoolSettings } from "../../src/config/mod.ts";
import { PgplexError } from "../../src/kernel/mod.ts";
import type { ByteSink } from "../../src/transport/mod.ts";
import { Need } from "../../src/relay/client_cursor.ts";
import { ClientScan } from "../../src/relay/client_scan.ts";
import { Fingerprints } from "../../src/learning/fingerprints.ts";
import { Relay } from "../../src/relay/relay.ts";
import { PLAIN_TEXTS } from "./script.ts";
import { ServerScan } from "../../src/relay/server_scan.ts";
import { SessionOptions } from "../../src/options/session_options.ts";
import { Steering, type SteeringHost } from "../../src/relay/steering.ts";

/**
 * Where a machine's bytes go. What is forwarded is taken only at the flush, as a socket would: whoever changes it earlier
 * is found out.
 */
export class RecordingSink implements ByteSink {
  /** Everything flushed so far. */
  readonly bytes: number[] = [];
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

  flush(): void {
    for (const bytes of this.#waiting) for (const byte of bytes) this.bytes.push(byte);
    this.#waiting = [];
  }

  /** Takes what was flushed since the last call. */
  taken(): Uint8Array {
    return Uint8Array.from(this.bytes.splice(0));
  }
}

/** A read buffer with the rules of the session's: small while idle, larger when more must be in it. */
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
      await holder.settle();
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
    answered() {},
    describe: () => [["id", "1"], ["tls", null]],
    describeOptions: () => [["tag", "it's", "client", "A word."]],
  };
}

/** One session's machines between a client and servers, driven as `Session` drives them, without sockets. */
export class Rig {
  readonly out = new RecordingSink();
  readonly relay: Relay;
  readonly clientScan: ClientScan;
  readonly serverScan: ServerScan;
  readonly steering: Steering;
  readonly host: SteeringHost;
  readonly input: ReadBuffer;
  readonly parameters: [string, string][] = [];
  fatal: PgplexError | null = null;
  server: RigServer | null = null;
  /** What the client's side waits for. */
  waiting: "bytes" | "lease" | "replies" | "end" = "bytes";
  leases = 0;
  /** Replies that come make nothing of the client's go on. */
  holdsClient = false;
  readonly #options: RigOptions;

  constructor(options: RigOptions) {
    this.#options = options;
    this.input = new ReadBuffer(options.small ?? 512, options.large ?? 16_384);
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
      fatal: (error) => this.fatal = error,
      canceled: () => null,
    });
  }

  /** The client says `bytes`; returns what could not be read yet, as the session waits for a lease or for replies. */
  async say(bytes: Uint8Array): Promise<Uint8Array> {
    let rest = bytes;
    while (rest.length > 0 && this.waiting === "bytes") {
      this.input.makeRoom(this.clientScan.wanted);
      rest = this.input.read(rest);
      await this.#pump();
    }
    return rest;
  }

  /** What the session waited for may have come. */
  async resume(): Promise<void> {
    if (this.waiting === "lease" || this.waiting === "replies") await this.#pump();
  }

  async settle(): Promise<void> {
    const server = this.relay.server;
    if (server !== null && server.owed.readies === 0 && !this.relay.openBatch) this.steering.statementEnds();
    if (this.relay.boundary) this.#settleLease();
    if (this.waiting === "replies" && !this.holdsClient && !this.clientScan.blocked) await this.#pump();
  }

  #settleLease(): void {
    const { relay, server } = this;
    if (!relay.boundary || server === null) return;
    this.host.options.transactionEnds();
    this.host.options.forgetPending();
    relay.watch.begin();
    if (!this.#options.renames) {
      relay.boundary = false;
      return;
    }
    equal(server.connection.owed.settled, true, "a lease ends with nothing owed");
    server.holder = null;
    this.server = null;
    relay.server = null;
    relay.boundary = false;
  }

  async #pump(): Promise<void> {
    const { input, clientScan: scan, relay } = this;
    this.waiting = "bytes";
    while (input.end > input.start) {
      const start = scan.scan(input.bytes, input.start, input.end);
      await this.server?.connection.out.flush();
      this.out.flush();
      input.took(start);
      if (scan.need === Need.Bytes) {
        if (relay.boundary) this.#settleLease();
        return;
      }
      if (scan.need === Need.End) {
        this.waiting = "end";
        return;
      }
      if (scan.need === Need.Lease) {
        if (!this.#lease()) {
          this.waiting = "lease";
          return;
        }
      } else if (scan.blocked) {
        this.waiting = "replies";
        return;
      }
    }
  }

  #lease(): boolean {
    const server = this.#options.acquire();
    if (server === null) return false;
    server.holder = this;
    this.server = server;
    this.relay.server = server.connection;
    this.relay.boundary = false;
    this.relay.openBatch = false;
    this.leases++;
    return true;
  }
}
