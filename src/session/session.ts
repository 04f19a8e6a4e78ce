import { cancelOn, type ServerConnection, type ServerSink, type Settings } from "../backend/mod.ts";
import { PgplexError, toPgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBackendKeyData,
  encodeError,
  encodeParameterStatus,
  encodeReadyForQuery,
  TxStatus,
} from "../protocol/mod.ts";
import {
  type ByteStream,
  LARGE_BUFFER_BYTES,
  Outbox,
  type PeerAddress,
  SMALL_BUFFER_BYTES,
} from "../transport/mod.ts";
import type { CancelKey, Cancellable } from "./cancel_keys.ts";
import { ClientScan, InvalidMessageLength, Need } from "./client_scan.ts";
import { Relay } from "./relay.ts";
import { resetConnection, restoreSettings } from "./restore.ts";
import type { Base, PooledServer, ServerPool, ServerWish } from "./server_pools.ts";
import { ServerScan } from "./server_scan.ts";
import type { Worker } from "./worker.ts";

/** Full buffers that one client may send in a row before others get their turn. */
const FULL_READS_PER_TURN = 16;

/** A reset or a rollback that takes longer ends the server connection instead. */
const RESET_TIMEOUT_MS = 10_000;

/** Who a client is and what it asked for, as its login found out. */
export interface SessionFacts {
  readonly id: number;
  readonly peer: PeerAddress;
  readonly user: string;
  /** The database name that the client gave. */
  readonly database: string;
  readonly minor: number;
  readonly tls: string | null;
  readonly mode: "session" | "transaction";
  readonly base: Base;
  /** In transaction mode kept apart from the base, as it differs from client to client; null when not given. */
  readonly applicationName: BinaryString | null;
}

/**
 * One client after login: it reads what the client sends, leases server connections for it, and takes their replies.
 *
 * Invariants: `relay.server` is set exactly while a lease is held; only the client loop begins leases; a lease ends in
 * {@link settle}, at a boundary, or with the session.
 */
export class Session implements ServerSink, ServerWish, Cancellable {
  readonly facts: SessionFacts;
  readonly pool: ServerPool;
  readonly base: Base;
  /** What this client was last told of its settings; null until it is greeted. */
  settings: Settings | null = null;
  /** When the session last became idle, or its lease began; clock milliseconds. */
  sinceMs: number;
  readonly connectedMs: number;

  readonly #worker: Worker;
  readonly #stream: ByteStream;
  readonly #out: Outbox;
  readonly #relay: Relay;
  readonly #clientScan: ClientScan;
  readonly #serverScan: ServerScan;
  readonly #key: CancelKey;
  #lease: PooledServer | null = null;
  #leaseSinceMs = 0;
  #queriesSeen = 0;
  #cancels = 0;
  #ending = false;
  /** The server's own FATAL has been handed to the client: another would contradict it. */
  #fatalPassed = false;
  #waiting: { reject(error: PgplexError): void } | null = null;
  #wake: (() => void) | null = null;

  #buffer: Uint8Array = new Uint8Array(SMALL_BUFFER_BYTES);
  #small: Uint8Array = this.#buffer;
  #start = 0;
  #end = 0;
  #reading: Promise<number | null> | null = null;

  constructor(worker: Worker, stream: ByteStream, pool: ServerPool, facts: SessionFacts) {
    this.#worker = worker;
    this.#stream = stream;
    this.pool = pool;
    this.facts = facts;
    this.base = facts.base;
    this.connectedMs = this.sinceMs = worker.clock.nowMs();
    this.#out = new Outbox(stream, worker.buffers);
    this.#relay = new Relay(this.#out, worker.statements, {
      renames: facts.mode === "transaction",
      preparedMax: pool.settings.max_prepared_statements,
    });
    this.#clientScan = new ClientScan(this.#relay, worker.statements);
    this.#serverScan = new ServerScan(this.#relay, {
      parameter: (name, value) => this.#parameter(name, value),
      fatal: (error) => this.#serverFatal(error),
    });
    this.#key = worker.cancelKeys.issue(this, facts.minor);
  }

  /** The server connection that is leased, or null. */
  get server(): ServerConnection | null {
    return this.#relay.server;
  }

  /** Whether the session waits for a server connection. */
  get waiting(): boolean {
    return this.#waiting !== null;
  }

  /** Whether the client can be sent away without harm: no lease, or in session pooling nothing but an idle one. */
  get idle(): boolean {
    return !this.busy && !this.waiting && this.#clientScan.atMessageStart && this.#start === this.#end;
  }

  /** A reload changed the pool's settings. */
  configurationChanged(): void {
    this.#relay.preparedMax = this.pool.settings.max_prepared_statements;
  }

  /** Ends the session when it was idle, or its statement ran, for longer than its pool allows. */
  checkTimeouts(nowMs: number): void {
    const { client_idle_timeout: idleMs, query_timeout: queryMs } = this.pool.settings;
    const forMs = nowMs - this.sinceMs;
    if (idleMs > 0 && forMs >= idleMs && this.idle) {
      this.end(new PgplexError("idle_timeout", "terminating connection due to client_idle_timeout"));
    } else if (queryMs > 0 && forMs >= queryMs && this.busy) {
      this.end(new PgplexError("query_timeout", "query_timeout: the statement ran for too long"));
    }
  }

  /** Whether the server owes this client something. */
  get busy(): boolean {
    return this.server !== null && !(this.server.owed.settled && this.server.txStatus === TxStatus.Idle);
  }

  /** Serves the client until it or pgplex ends the session. `rest` is what was read behind the login. Never rejects. */
  async run(rest: Uint8Array): Promise<void> {
    this.#worker.sessions.add(this);
    this.#worker.counters.sessionsOpened++;
    try {
      await this.#greet();
      if (rest.length > this.#buffer.length) this.#growTo(rest.length);
      this.#buffer.set(rest);
      this.#end = rest.length;
      await this.#serve();
    } catch (thrown) {
      await this.#fail(thrown);
    } finally {
      await this.#finish();
    }
  }

  /** Ends the session from outside: a FATAL for the client, then the connection closes. */
  end(error: PgplexError): void {
    if (this.#ending) return;
    this.#ending = true;
    if (!this.#fatalPassed) this.#out.put(encodeError("FATAL", error));
    const written = this.#out.flush() ?? Promise.resolve();
    // A client that does not read is not waited for.
    void Promise.race([written, this.#worker.login.turn()]).then(() => this.#stream.close());
    this.#waiting?.reject(error);
    this.#wake?.();
  }

  cancel(): void {
    const server = this.server;
    if (this.#waiting !== null) {
      this.#waiting.reject(new PgplexError("query_canceled", "canceling statement due to user request"));
      return;
    }
    if (server === null || server.owed.settled) return;
    this.#cancels++;
    void cancelOn(server.identity, this.#worker.clock, this.pool.settings.server_connect_timeout).then(() => {
      this.#cancels--;
      this.settle();
    });
  }

  // The server's side.

  receive(bytes: Uint8Array, start: number, end: number): number {
    this.pool.counters.bytesToClients += end - start;
    return this.#serverScan.scan(this.server!, bytes, start, end);
  }

  flush(): Promise<void> | null {
    return this.#out.flush();
  }

  settle(): void {
    this.#wake?.();
    if (!this.#relay.boundary || this.#cancels > 0 || this.#ending) return;
    if (this.facts.mode === "transaction") this.#endLease("clean");
    else this.#relay.boundary = false;
  }

  ended(error: PgplexError): void {
    // The connection has let go of its sink: the lease is over whatever the session was doing.
    this.pool.counters.lost++;
    this.#worker.log.warning("server connection lost while in use", {
      session: this.facts.id,
      error: error.message,
      cause: error.extra.log,
    });
    this.#endLease("broken");
    this.end(error);
  }

  #parameter(name: BinaryString, value: BinaryString): boolean {
    const server = this.server!;
    const before = this.settings;
    const after = before!.with(name, value);
    // One object for both, where they agree: the next lease compares two references.
    this.settings = after.equals(server.settings) ? server.settings : after;
    return true;
  }

  #serverFatal(error: PgplexError): void {
    this.server!.noteFatal(error);
    this.#fatalPassed = true;
  }

  // The client's side.

  async #greet(): Promise<void> {
    const { facts, pool } = this;
    let settings = pool.greeting(facts.base);
    if (facts.mode === "session" && (settings === null || pool.pool.hasRoom(this))) {
      // A session of its own begins now, as on a server; only where the pool is full it begins with the first message.
      await this.#prepareLease(pool.pool.tryAcquire(this) ?? await this.#waitForServer());
      settings = this.settings ?? this.server!.settings;
    } else if (settings === null) {
      const lease = await this.#waitForServer();
      settings = lease.connection.identity.parameters;
      pool.pool.release(lease, lease.connection.closed ? "broken" : "clean", this.#worker.clock.nowMs());
    }
    if (facts.applicationName !== null) settings = settings.with("application_name", facts.applicationName);
    this.settings = settings;
    for (const [name, value] of settings.values) this.#out.put(encodeParameterStatus(name, value));
    this.#out.put(encodeBackendKeyData(this.#key.pid, this.#key.secret));
    this.#out.put(encodeReadyForQuery(TxStatus.Idle));
    pool.counters.logins++;
    await this.#out.flush();
  }

  async #serve(): Promise<void> {
    const scan = this.#clientScan;
    let fullReads = 0;
    while (!this.#ending) {
      if (this.#end > this.#start) {
        this.#start = scan.scan(this.#buffer, this.#start, this.#end);
        const server = this.#relay.server;
        if (server !== null) {
          const written = server.out.flush();
          if (written !== null) await written;
        }
        const answered = this.#out.flush();
        if (answered !== null) await answered;
        if (scan.need !== Need.Bytes) {
          if (scan.need === Need.End) return;
          if (scan.need === Need.Lease) await this.#obtainLease();
          else await this.#replies();
          continue;
        }
        // A boundary may have been reached by what the client sent: the end of COPY data that nobody wanted.
        if (this.#relay.boundary) this.settle();
      }
      if (this.#ending) return;
      if (this.#reading === null) this.#makeRoom(scan.wanted);
      const n = await (this.#reading ?? this.#read());
      this.#reading = null;
      if (n === null) return;
      this.#end += n;
      this.pool.counters.bytesFromClients += n;
      fullReads = this.#end === this.#buffer.length ? fullReads + 1 : 0;
      if (fullReads >= FULL_READS_PER_TURN) {
        fullReads = 0;
        await this.#worker.login.turn();
      }
    }
  }

  #read(): Promise<number | null> {
    return this.#stream.read(this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end));
  }

  /** Makes room for the next read: an idle client waits in a small buffer, a busy one borrows a large one. */
  #makeRoom(wanted: number): void {
    if (this.#start === this.#end) {
      const wasFull = this.#end === this.#buffer.length;
      this.#start = this.#end = 0;
      if (wasFull && this.#buffer === this.#small) this.#growTo(LARGE_BUFFER_BYTES);
      else if (!wasFull && this.#buffer !== this.#small) this.#shrink();
      return;
    }
    if (this.#start > 0) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (wanted > this.#buffer.length || this.#end === this.#buffer.length) {
      this.#growTo(Math.max(wanted, LARGE_BUFFER_BYTES, this.#end * 2));
    }
  }

  #growTo(bytes: number): void {
    const borrowed = this.#buffer === this.#small ? this.#worker.buffers.borrow() : this.#buffer;
    const bigger = borrowed.length >= bytes && borrowed !== this.#buffer ? borrowed : new Uint8Array(bytes);
    bigger.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = bigger;
  }

  #shrink(): void {
    this.#worker.buffers.giveBack(this.#buffer);
    this.#buffer = this.#small;
  }

  /** Waits until the server has answered something. */
  async #replies(): Promise<void> {
    if (!this.server!.owed.full) return;
    await new Promise<void>((resolve) => this.#wake = resolve);
    this.#wake = null;
  }

  /** A lease for the message at which the client's side stands, or an error for it. */
  async #obtainLease(): Promise<void> {
    const lease = this.pool.pool.tryAcquire(this);
    if (lease !== null && lease.fitness(this) === 2) return this.#beginLease(lease);
    try {
      await this.#prepareLease(lease ?? await this.#waitForServer());
    } catch (thrown) {
      if (this.#ending) return;
      const error = toPgplexError(thrown);
      if (error.code === "internal" || error.code === "login_timeout") throw error;
      this.#clientScan.failPending(this.#buffer[this.#start]!, error);
    }
  }

  async #prepareLease(lease: PooledServer): Promise<void> {
    const { connection } = lease;
    if (lease.fitness(this) < 2) {
      this.pool.counters.restores++;
      try {
        await this.#withinResetTimeout(
          connection,
          restoreSettings(connection, this as { settings: Settings }, this.#worker.statements),
        );
      } catch (thrown) {
        connection.close();
        this.pool.pool.release(lease, "broken", this.#worker.clock.nowMs());
        throw thrown;
      }
    }
    if (connection.closed) {
      this.pool.pool.release(lease, "broken", this.#worker.clock.nowMs());
      throw new PgplexError("server_lost", "the server closed the connection unexpectedly");
    }
    if (this.#ending) {
      this.pool.pool.release(lease, "clean", this.#worker.clock.nowMs());
      return;
    }
    this.#beginLease(lease);
    if (this.settings !== null) this.#tellDifferences(connection.settings);
  }

  /** What still differs after a restore is the server's truth, and news to the client. */
  #tellDifferences(actual: Settings): void {
    if (this.settings === actual) return;
    for (const name of this.settings!.namesThatDiffer(actual)) {
      const value = actual.values.get(name);
      if (value !== undefined) this.#out.put(encodeParameterStatus(name, value));
    }
    this.settings = actual;
  }

  #beginLease(lease: PooledServer): void {
    this.#lease = lease;
    this.#relay.server = lease.connection;
    this.#relay.boundary = false;
    this.#relay.openBatch = false;
    lease.connection.setSink(this);
    this.sinceMs = this.#leaseSinceMs = this.#worker.clock.nowMs();
    this.pool.counters.leases++;
  }

  #endLease(end: "clean" | "broken"): void {
    const lease = this.#lease!;
    this.#lease = null;
    const { counters } = this.pool;
    const nowMs = this.#worker.clock.nowMs();
    counters.leaseMs += nowMs - this.#leaseSinceMs;
    counters.queries += this.#relay.queryCount - this.#queriesSeen;
    this.#queriesSeen = this.#relay.queryCount;
    this.sinceMs = nowMs;
    this.#relay.server = null;
    this.#relay.boundary = false;
    if (end === "clean") lease.connection.setSink(null);
    this.pool.pool.release(lease, end, nowMs);
  }

  /** Waits in the pool's queue, while watching whether the client is still there. */
  async #waitForServer(): Promise<PooledServer> {
    const { pool, counters, settings } = this.pool;
    const { clock } = this.#worker;
    const { promise, resolve, reject } = Promise.withResolvers<PooledServer>();
    const sinceMs = clock.nowMs();
    const waiter = { wish: this as ServerWish, granted: resolve, refused: reject };
    const limitMs = settings.query_wait_timeout === 0 ? Infinity : settings.query_wait_timeout;
    this.#waiting = {
      reject: (error) => {
        if (pool.forget(waiter)) reject(error);
      },
    };
    try {
      pool.wait(waiter, sinceMs, sinceMs + limitMs);
      this.#watchClient();
      return await promise;
    } finally {
      this.#waiting = null;
      counters.waitMs += clock.nowMs() - sinceMs;
    }
  }

  /** Reads ahead while there is room, to notice a client that leaves while it waits. */
  #watchClient(): void {
    if (this.#reading !== null || this.#end === this.#buffer.length) return;
    this.#reading = this.#read();
    const gone = () => this.#waiting?.reject(new PgplexError("login_timeout", "the client is gone"));
    this.#reading.then((n) => n === null && gone(), gone);
  }

  /** The client is told why, unless it is gone. */
  async #fail(thrown: unknown): Promise<void> {
    if (this.#ending || thrown instanceof InvalidMessageLength) {
      if (thrown instanceof InvalidMessageLength) this.#worker.counters.protocolViolations++;
      return;
    }
    if (!(thrown instanceof PgplexError)) {
      // A socket's own error means that the client is gone; anything else is a defect, and must be seen.
      if (!isSocketError(thrown)) {
        this.#worker.log.error("internal error", { session: this.facts.id, error: describe(thrown) });
        this.#out.put(encodeError("FATAL", new PgplexError("internal", "internal error")));
        await this.#out.flush();
      }
      return;
    }
    if (thrown.code === "protocol_violation") this.#worker.counters.protocolViolations++;
    this.#out.put(encodeError("FATAL", thrown));
    await Promise.race([this.#out.flush() ?? Promise.resolve(), this.#worker.login.turn()]);
  }

  async #finish(): Promise<void> {
    this.#ending = true;
    this.#worker.cancelKeys.revoke(this, this.#key);
    this.#stream.close();
    // What was not written has no taker; a write in progress ends with the stream, and gives its buffer back.
    await this.#out.flush();
    this.#relay.names.clear();
    if (this.#buffer !== this.#small) this.#shrink();
    if (this.#lease !== null) await this.#abandon();
    this.#worker.sessions.delete(this);
    this.#worker.counters.sessionsClosed++;
  }

  /** The client is gone and a server connection still in its hands: it is rolled back and reset, or closed. */
  async #abandon(): Promise<void> {
    const lease = this.#lease!;
    const { connection } = lease;
    const relay = this.#relay;
    const midWork = !connection.owed.settled || relay.midMessage || relay.openBatch || this.#cancels > 0;
    if (midWork || connection.closed) {
      // Closing alone would let a long statement run on: the server looks at its socket only when it writes.
      if (!connection.owed.settled && !connection.closed) {
        void cancelOn(connection.identity, this.#worker.clock, this.pool.settings.server_connect_timeout);
      }
      connection.setSink(null);
      connection.close();
      this.#endLeaseBroken(lease);
      return;
    }
    let clean = false;
    connection.setSink(null);
    try {
      clean = await this.#withinResetTimeout(connection, resetConnection(connection));
    } catch {
      // The connection ended while it was reset.
    }
    if (!clean) connection.close();
    relay.server = null;
    this.#lease = null;
    this.pool.pool.release(lease, clean ? "clean" : "broken", this.#worker.clock.nowMs());
  }

  #endLeaseBroken(lease: PooledServer): void {
    this.#relay.server = null;
    this.#lease = null;
    this.pool.pool.release(lease, "broken", this.#worker.clock.nowMs());
  }

  async #withinResetTimeout<T>(connection: ServerConnection, work: Promise<T>): Promise<T> {
    const timer = this.#worker.clock.after(RESET_TIMEOUT_MS, () => connection.close());
    try {
      return await work;
    } finally {
      timer.cancel();
    }
  }
}

function isSocketError(thrown: unknown): boolean {
  return thrown instanceof Deno.errors.ConnectionReset || thrown instanceof Deno.errors.BrokenPipe ||
    thrown instanceof Deno.errors.BadResource || thrown instanceof Deno.errors.Interrupted ||
    thrown instanceof Deno.errors.ConnectionAborted || thrown instanceof Deno.errors.TimedOut;
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.message}\n${thrown.stack}` : String(thrown);
}
