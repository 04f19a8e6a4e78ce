import { cancelOn, type ServerConnection, type ServerSink, type Settings } from "../backend/mod.ts";
import { PgplexError, toPgplexError } from "../kernel/mod.ts";
import type { LeaseEnd, Waiter } from "../pool/mod.ts";
import { resetConnection, restoreSettings } from "./restore.ts";
import type { PooledServer, ServerPool, ServerWish } from "./server_pools.ts";
import type { Worker } from "./worker.ts";

/** A reset or a restore that takes longer ends the server connection instead. */
const PREPARE_TIMEOUT_MS = 10_000;

/** What a session is to a lease: it wishes, and it takes what the server sends. */
export interface LeaseHolder extends ServerWish, ServerSink {
  /** The lease has begun: the connection's state is the session's. */
  leaseBegins(server: ServerConnection, nowMs: number): void;
}

/**
 * One session's way to a server connection: at once, or through the pool's queue; then its state made the session's; then
 * held; then given back clean, reset or broken.
 *
 * Invariant: at most one of waiting, preparing and held.
 */
export class Lease implements Waiter<ServerWish, PooledServer> {
  readonly wish: LeaseHolder;
  /** Why the last {@link obtain} did not end in a lease; null when it did. */
  error: PgplexError | null = null;
  readonly #worker: Worker;
  readonly #pool: ServerPool;
  #held: PooledServer | null = null;
  #sinceMs = 0;
  #waitingSinceMs = 0;
  #untilMs = 0;
  #waiting = false;
  #ended = false;
  #resolve: (() => void) | null = null;

  constructor(worker: Worker, pool: ServerPool, holder: LeaseHolder) {
    this.#worker = worker;
    this.#pool = pool;
    this.wish = holder;
  }

  /** Whether the session stands in the pool's queue. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** Whether a server connection is held. */
  get held(): boolean {
    return this.#held !== null;
  }

  /** Begins a lease: null when it has begun at once, else resolves, never rejects, when it has or {@link error} says why not. */
  obtain(): Promise<void> | null {
    const { pool, settings } = this.#pool;
    this.error = null;
    const idle = pool.tryAcquire(this.wish);
    if (idle !== null && this.#beginIfFit(idle)) return null;
    const obtained = new Promise<void>((resolve) => this.#resolve = resolve);
    this.#untilMs = this.#worker.clock.nowMs() + (settings.query_wait_timeout || Infinity);
    if (idle !== null) void this.#prepare(idle);
    else this.#wait();
    return obtained;
  }

  granted(server: PooledServer): void {
    this.#stopWaiting();
    if (this.#beginIfFit(server)) this.#settle(null);
    else void this.#prepare(server);
  }

  refused(error: PgplexError): void {
    this.#stopWaiting();
    this.#settle(error);
  }

  /** Takes the session out of the queue, if it stands there. */
  stopWaiting(error: PgplexError): void {
    if (this.#waiting && this.#pool.pool.forget(this)) this.refused(error);
  }

  /** Gives the connection back. @returns now, in clock milliseconds */
  end(how: LeaseEnd): number {
    const held = this.#held!;
    this.#held = null;
    if (how === "clean" && held.connection.owed.doubtful) {
      held.connection.setSink(null);
      held.connection.close();
      how = "broken";
    }
    const nowMs = this.#worker.clock.nowMs();
    this.#pool.counters.leaseMs += nowMs - this.#sinceMs;
    if (how === "clean") held.connection.setSink(null);
    this.#pool.pool.release(held, how, nowMs);
    return nowMs;
  }

  /** No lease begins from here on; one that is being prepared is given back. */
  close(): void {
    this.#ended = true;
    this.stopWaiting(new PgplexError("shutting_down", "the session is over"));
  }

  /**
   * The client is gone and a connection still held: it is rolled back and reset, or closed where it was in the middle of
   * something. Its next user notices nothing.
   */
  async abandon(midWork: boolean): Promise<void> {
    const { connection } = this.#held!;
    if (midWork || connection.closed) {
      // Closing alone would let a long statement run on: the server looks at its socket only when it writes.
      if (!connection.closed) void cancelOn(connection.identity, this.#worker.clock, PREPARE_TIMEOUT_MS);
      connection.setSink(null);
      connection.close();
      this.end("broken");
      return;
    }
    connection.setSink(null);
    let clean = false;
    try {
      clean = await this.#withinTimeout(connection, resetConnection(connection));
    } catch {
      // The connection ended while it was reset.
    }
    if (!clean) connection.close();
    this.end(clean ? "clean" : "broken");
  }

  #beginIfFit(server: PooledServer): boolean {
    if (server.fitness(this.wish) < 2 || server.connection.closed || this.#ended) return false;
    this.#begin(server);
    return true;
  }

  #begin(server: PooledServer): void {
    this.#held = server;
    this.#sinceMs = this.#worker.clock.nowMs();
    this.#pool.counters.leases++;
    server.connection.setSink(this.wish);
    this.wish.leaseBegins(server.connection, this.#sinceMs);
  }

  async #prepare(server: PooledServer): Promise<void> {
    const { connection } = server;
    const giveBack = (how: LeaseEnd) => this.#pool.pool.release(server, how, this.#worker.clock.nowMs());
    try {
      if (server.fitness(this.wish) < 2 && !connection.closed) {
        this.#pool.counters.restores++;
        const target = this.wish as { settings: Settings };
        await this.#withinTimeout(connection, restoreSettings(connection, target, this.#worker.statements));
      }
      if (connection.closed) {
        throw new PgplexError("server_lost", "the server closed the connection unexpectedly");
      }
    } catch (thrown) {
      connection.close();
      giveBack("broken");
      const error = toPgplexError(thrown);
      // The client's statement went nowhere yet: it can as well have another connection.
      if (error.code === "server_lost" && !this.#ended) this.#wait();
      else this.#settle(error);
      return;
    }
    if (this.#ended) giveBack("clean");
    else this.#begin(server);
    this.#settle(null);
  }

  #wait(): void {
    const nowMs = this.#waitingSinceMs = this.#worker.clock.nowMs();
    this.#waiting = true;
    this.#pool.pool.wait(this, nowMs, this.#untilMs);
  }

  #stopWaiting(): void {
    this.#waiting = false;
    this.#pool.counters.waitMs += this.#worker.clock.nowMs() - this.#waitingSinceMs;
  }

  #settle(error: PgplexError | null): void {
    this.error = error;
    const resolve = this.#resolve;
    this.#resolve = null;
    resolve?.();
  }

  async #withinTimeout<T>(connection: ServerConnection, work: Promise<T>): Promise<T> {
    const timer = this.#worker.clock.after(PREPARE_TIMEOUT_MS, () => connection.close());
    try {
      return await work;
    } finally {
      timer.cancel();
    }
  }
}
