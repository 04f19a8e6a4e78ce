import { cancelOn, type ServerConnection } from "../backend/mod.ts";
import { type Clock, PgplexError, toPgplexError } from "../kernel/mod.ts";
import type { LeaseEnd, Recall, Recallable, Waiter } from "../pool/mod.ts";
import { QUERY_CANCELED } from "../protocol/mod.ts";
import { type Fingerprints, refreshCatalogue } from "../learning/mod.ts";
import type { Pins } from "./pins.ts";
import { probe, type ProbeResult } from "./probe.ts";
import { PREPARE_TIMEOUT_MS, withinTimeout } from "./prepare_time.ts";
import { resetConnection, resetIdleTimeout } from "./reset.ts";
import { lostBy, sessionOver } from "./lease_errors.ts";
import type { LeaseHolder } from "./lease_holder.ts";
import { restoreState } from "./restore.ts";
import { tryRestoreAhead } from "./restore_ahead.ts";
import {
  type Destination,
  type PooledServer,
  type ServerPool,
  type ServerWish,
  warnOfSpoilt,
} from "../servers/mod.ts";
import type { LeaseParts } from "./lease_parts.ts";
import { UNREAD_MAX_MS, UNREAD_MS, type UnreadLease } from "./unread_leases.ts";

/**
 * Server connections that one session may lose in a row to a restore that was cancelled: the statement_timeout that holds on one,
 * whoever set it, holds for the restore's statements, and a busy machine may be slower.
 */
const CANCELED_RESTORES_MAX = 5;

/** After a look that failed, though the connection is alive, the next one is made so much later, in milliseconds; then twice that, … */
const LOOK_AGAIN_MS = 20;
const LOOK_AGAIN_MAX_MS = 5_000;

type Work = (connection: ServerConnection) => Promise<void>;

/** What a lease asks of the session's pins. */
export type LeasePins = Pick<Pins, "reasons" | "forLife">;

/**
 * One session's way to a server connection: at once, or through the pool's queue; then its state made the session's; then
 * held; then given back clean, reset or broken.
 *
 * In transaction pooling a lease ends by {@link end}, at a boundary. Where something may have changed the state out of sight it
 * does not end there: it is {@link unread}, the session keeps its connection, and a {@link probe} looks at it when somebody
 * else must have it, or when the session has been at rest for some milliseconds. What holds the session to the connection
 * pins the lease.
 *
 * Invariant: at most one of waiting, preparing and held; probing and unread imply held, and exclude each other.
 */
export class Lease implements Waiter<ServerWish, PooledServer>, Recallable, UnreadLease {
  readonly wish: LeaseHolder;
  /** Why the last {@link obtain} did not end in a lease; null when it did. */
  error: PgplexError | null = null;
  #failure: PgplexError | null = null;
  readonly #parts: LeaseParts;
  readonly #clock: Clock;
  readonly #destination: Destination;
  /** Why the lease may not end at the transaction's end. */
  readonly #pins: LeasePins;
  #held: PooledServer | null = null;
  #sinceMs = 0;
  #waitingSinceMs = 0;
  #untilMs = 0;
  #waiting = false;
  #ended = false;
  #canceledRestores = 0;
  #probing: Promise<void> | null = null;
  #unread = false;
  #unreadSinceMs = 0;
  /** No look is made before, as the last ones failed; clock milliseconds. */
  #lookAgainAtMs = 0;
  #lookAgainMs = LOOK_AGAIN_MS;
  #resolve: (() => void) | null = null;

  constructor(parts: LeaseParts, destination: Destination, holder: LeaseHolder, pins: LeasePins) {
    this.#parts = parts;
    this.#clock = parts.runtime.clock;
    this.#destination = destination;
    this.wish = holder;
    this.#pins = pins;
  }

  /** Whether the session stands in the pool's queue. */
  get waiting(): boolean {
    return this.#waiting;
  }
  /** Whether a server connection is held. */
  get held(): boolean {
    return this.#held !== null;
  }
  /** The server connection that is held, also while it is probed, or null. */
  get connection(): ServerConnection | null {
    return this.#held?.connection ?? null;
  }
  /** The pool of the server connection that is held, or null. */
  get home(): ServerPool | null {
    return this.#held?.home ?? null;
  }
  /** Whether the statement's answer is complete and only its probe says whether the connection stays with the session. */
  get probing(): boolean {
    return this.#probing !== null;
  }

  /** Whether the session is at a boundary, or was, and what it left on the connection has not been looked at since. */
  get unread(): boolean {
    return this.#unread;
  }
  /** Whether the connection is wanted elsewhere, or has to go: what is on it must be read at the next boundary. */
  get wanted(): boolean {
    const { home } = this.#held!;
    // Of a session that never rests too little would be known, should its connection be lost.
    if (this.#unread && this.#clock.nowMs() - this.#unreadSinceMs >= UNREAD_MAX_MS) return true;
    const stays = this.#destination.serves(home, this.wish) && !home.pool.mustEnd(this.#held!);
    return !stays || home.pool.waitingCount > 0 || this.#destination.settings.server_reset === "always";
  }

  /** Whether another connection is to take the place of the one that is held, as soon as it is given back. */
  get replaced(): boolean {
    const pool = this.#held?.home.pool;
    return pool !== undefined && !pool.paused && pool.closed === null && pool.mustEnd(this.#held!);
  }

  /** Since when the session stands in the queue, in clock milliseconds, if it is {@link waiting}. */
  get waitingSinceMs(): number {
    return this.#waitingSinceMs;
  }

  /** The next {@link obtain} ends with this error, and no lease. */
  fails(error: PgplexError): void {
    this.#failure = error;
  }

  /** What was told by {@link fails}, and not yet to the client. */
  get failure(): PgplexError | null {
    return this.#failure;
  }

  /**
   * Begins a lease, within `query_wait_timeout` unless `untilMs` says otherwise: null when it has begun at once, else
   * resolves, never rejects, when it has or {@link error} says why not.
   */
  obtain(untilMs: number | null = null): Promise<void> | null {
    this.error = this.#failure;
    this.#failure = null;
    if (this.error !== null) return null;
    this.#canceledRestores = 0;
    if (this.#probing !== null) {
      this.#untilMs = this.#deadlineMs();
      return new Promise<void>((resolve) => this.#resolve = resolve);
    }
    const idle = this.#destination.tryAcquire(this.wish);
    if (idle !== null && this.#beginIfFit(idle)) return null;
    const obtained = new Promise<void>((resolve) => this.#resolve = resolve);
    this.#untilMs = untilMs ?? this.#deadlineMs();
    void (idle === null ? this.#wait() : this.#prepare(idle));
    return obtained;
  }

  granted(server: PooledServer): void {
    this.#stopWaiting();
    if (this.#beginIfFit(server)) this.#settle(null);
    else void this.#prepare(server);
  }

  refused(error: PgplexError): void {
    this.#stopWaiting();
    // The client's own limit may be another than the pool's.
    const inVain = error.code === "query_wait_timeout";
    if (inVain) {
      const { cluster, database, user } = this.#destination.key;
      const about = { session: Math.floor(this.wish.tenant), cluster, database, user };
      this.#parts.warnings.say(
        `waited ${cluster} ${database}`,
        "a session waited in vain for a server connection",
        about,
      );
    }
    this.#settle(inVain ? this.#destination.waitedInVain(this.wish.queryWaitTimeoutMs, this.wish) : error);
  }

  /** Takes the session out of the queue, if it stands there. */
  stopWaiting(error: PgplexError): void {
    if (this.#waiting && this.#destination.forget(this)) this.refused(error);
  }

  /**
   * The boundary of a transaction was reached and something in it may have changed the state out of sight: looks, and then
   * gives the connection back, unless it is pinned, or the session has asked for it again meanwhile.
   */
  probe(fingerprints: Fingerprints): void {
    this.#setRead();
    this.#probing = this.#probeAndFinish(this.#held!, fingerprints);
  }

  /** The boundary of a transaction was reached that may have changed the state out of sight: it is looked at later. */
  leaveUnread(): void {
    if (this.#unread) return;
    this.#unread = true;
    this.#unreadSinceMs = this.#clock.nowMs();
    this.#held!.home.pool.lends(this.#held!, this);
    this.#parts.unread.add(this);
  }

  recall(): Recall {
    return this.#unread && this.#clock.nowMs() >= this.#lookAgainAtMs ? this.wish.look() : null;
  }

  readIfAtRest(nowMs: number): void {
    if (nowMs - this.wish.restsSinceMs >= UNREAD_MS && nowMs >= this.#lookAgainAtMs) this.wish.look();
  }
  #setRead(): void {
    if (!this.#unread) return;
    this.#unread = false;
    this.#held!.home.pool.kept(this.#held!);
    this.#parts.unread.delete(this);
  }

  /** From here on the session takes nothing but notifications, also before the first of pgplex's own messages goes out. */
  #listen(connection: ServerConnection): void {
    connection.setSink(null);
    connection.onNotification((message) => this.wish.notified(connection, message));
  }

  /** The lease goes on behind a look. */
  #keep(server: PooledServer): void {
    server.connection.setSink(this.wish);
    server.home.pool.kept(server);
  }

  /** Session pooling: looks at something while the client has its answer, and goes on with the same connection. */
  look(work: Work): void {
    this.#probing = this.#lookAndGoOn(this.#held!.connection, work);
  }

  async #lookAndGoOn(connection: ServerConnection, work: Work): Promise<void> {
    this.#listen(connection);
    try {
      await withinTimeout(this.#clock, connection, work(connection));
    } catch (thrown) {
      this.#parts.warnings.say("look", "cannot look at a session's options", {
        error: toPgplexError(thrown).message,
      });
    }
    connection.onNotification(null);
    if (connection.closed) {
      this.wish.ended(lostBy(connection));
    } else if (!this.#ended) {
      connection.setSink(this.wish);
      this.wish.leaseBegins(connection, this.#clock.nowMs());
    }
    this.#settle(null);
  }

  async #probeAndFinish(server: PooledServer, fingerprints: Fingerprints): Promise<void> {
    const { connection } = server;
    let known = false;
    this.#listen(connection);
    try {
      await withinTimeout(this.#clock, connection, this.#look(connection, fingerprints));
      known = true;
    } catch (thrown) {
      this.#parts.warnings.say("look", "cannot look at a session's state", {
        error: toPgplexError(thrown).message,
      });
    }
    connection.onNotification(null);
    if (connection.closed) {
      // The holder ends the lease by itself when it hears that its connection has ended.
      if (this.#pins.reasons.length > 0) this.wish.ended(lostBy(connection));
      else {
        this.end("broken");
        this.wish.stateLost(lostBy(connection));
      }
      this.#obtainAgain();
      return;
    }
    if (this.#ended) return this.#settle(sessionOver());
    if (!known) {
      // Nobody else can have a connection whose state is not known, and the session can have no other.
      this.#lookAgainAtMs = this.#clock.nowMs() + this.#lookAgainMs;
      this.#lookAgainMs = Math.min(2 * this.#lookAgainMs, LOOK_AGAIN_MAX_MS);
      this.#keep(server);
      this.leaveUnread();
      this.wish.leaseGoesOn(connection);
      this.#settle(null);
      return;
    }
    this.#lookAgainMs = LOOK_AGAIN_MS;
    const { pool } = server.home;
    const { settings } = this.#destination;
    const wanted = this.#resolve !== null && settings.server_reset !== "always" && pool.waitingCount === 0 &&
      this.#destination.serves(server.home, this.wish) &&
      this.wish.settings === connection.settings && server.fitness(this.wish) === 2 && !pool.mustEnd(server);
    if (this.#pins.reasons.length > 0 || wanted) {
      this.#keep(server);
      this.wish.leaseBegins(connection, this.#clock.nowMs());
      this.#settle(null);
      return;
    }
    this.end("clean");
    this.#obtainAgain();
  }

  async #look(connection: ServerConnection, fingerprints: Fingerprints): Promise<void> {
    const { log, runtime: { statements } } = this.#parts;
    const about = { clock: this.#clock, log, database: this.#destination.key.database };
    await refreshCatalogue(connection, fingerprints, about);
    const { maySet } = this.wish;
    const customSettings = [...new Set([...fingerprints.customSettings, ...maySet.customSettings])];
    const found = await probe(connection, { ...maySet, customSettings }, statements);
    fingerprints.foundSettings(found.settings.values.keys());
    fingerprints.placeholders.found(found.settings.values.keys(), found.placeholders);
    try {
      await this.#take(connection, found);
    } catch (thrown) {
      // It was read, and is now half of what it was: no other look would find that out.
      connection.close();
      throw thrown;
    }
  }

  /** What was found becomes the session's state. */
  async #take(connection: ServerConnection, found: ProbeResult): Promise<void> {
    await this.wish.stateFound(connection, found);
    // RESET took the connection back to what it was opened with, which is not all that the client logged in with.
    if (this.#pins.reasons.length === 0 || this.wish.settings === connection.settings) return;
    const { mixed } = connection.state;
    const lost = await restoreState(connection, this.wish, { statements: this.#parts.runtime.statements });
    // The seed is left to the session, whose own it may be.
    if (mixed) connection.state.mayHaveMore();
    if (lost.length === 0) return;
    this.fails(this.wish.settingsLost(connection, lost));
  }

  /** The session asked for a connection while the last one was probed: it takes its place in the queue now. */
  #obtainAgain(): void {
    if (this.#ended) return this.#settle(sessionOver());
    // Who asks from here on, before the promise of the look is settled, would wait for a look that has ended.
    this.#probing = null;
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    const obtained = this.obtain(this.#untilMs);
    if (obtained === null) resolve();
    else void obtained.then(resolve);
  }

  /** Gives the connection back. @returns now, in clock milliseconds */
  end(how: LeaseEnd): number {
    const held = this.#held!;
    this.#setRead();
    this.#held = null;
    const always = this.#destination.settings.server_reset === "always";
    const { connection } = held;
    const spoilt = connection.owed.doubtful || connection.overwrites !== null || connection.state.stained;
    if (always || spoilt) how = "broken";
    // Whatever it still says is nothing of the session's, which may have another one soon.
    connection.setSink(null);
    if (how === "broken") connection.close();
    const nowMs = this.#clock.nowMs();
    connection.tenancy.ends(nowMs);
    this.#destination.counters.leaseMs += nowMs - this.#sinceMs;
    const idleTimeoutMs = how === "clean" ? connection.settings.idleSessionTimeoutMs : 0;
    if (idleTimeoutMs === 0) held.home.pool.release(held, how, nowMs);
    else void this.#releaseWithoutTimeout(held);
    return nowMs;
  }

  /** A session's own idle_session_timeout would end the connection while it serves nobody. */
  async #releaseWithoutTimeout(server: PooledServer): Promise<void> {
    const { connection } = server;
    const known = await withinTimeout(this.#clock, connection, resetIdleTimeout(connection)).catch(() =>
      false
    );
    if (!known) connection.close();
    server.home.pool.release(server, connection.closed ? "broken" : "clean", this.#clock.nowMs());
  }

  /** No lease begins from here on; one that is being prepared is given back. */
  close(): void {
    this.#ended = true;
    if (this.#waiting) this.stopWaiting(sessionOver());
  }

  /**
   * The client is gone and a connection still held: it is rolled back and reset, or closed where it was in the middle of
   * something. Its next user notices nothing.
   */
  async abandon(midWork: boolean): Promise<void> {
    if (this.#probing !== null) await this.#probing;
    if (this.#held === null) return;
    this.#setRead();
    const { connection } = this.#held;
    if (midWork || connection.closed || this.#pins.forLife || connection.state.stained) {
      // Closing alone would let a long statement run on: the server looks at its socket only when it writes.
      if (!connection.closed) {
        void cancelOn(
          connection.identity,
          this.#parts.runtime.network,
          this.#clock,
          PREPARE_TIMEOUT_MS,
        );
      }
      this.end("broken");
      return;
    }
    connection.setSink(null);
    let clean = false;
    try {
      clean = await withinTimeout(this.#clock, connection, resetConnection(connection));
    } catch {
      // The connection ended while it was reset.
    }
    this.end(clean ? "clean" : "broken");
  }

  #beginIfFit(server: PooledServer): boolean {
    if (server.connection.closed || this.#ended) return false;
    const fitness = server.fitness(this.wish);
    if (fitness === 0 || (fitness === 1 && !tryRestoreAhead(server.connection, this.wish))) return false;
    if (server.connection.ahead !== null) this.#destination.counters.restores++;
    this.#begin(server);
    return true;
  }

  #begin(server: PooledServer): void {
    this.#held = server;
    this.#sinceMs = this.#clock.nowMs();
    this.#destination.counters.leases++;
    if (server.connection.tenancy.begins()) server.home.pool.proved();
    server.connection.setSink(this.wish);
    this.wish.leaseBegins(server.connection, this.#sinceMs);
  }

  async #prepare(server: PooledServer): Promise<void> {
    const { connection } = server;
    const { pool } = server.home;
    const clock = this.#clock;
    try {
      if (server.fitness(this.wish) < 2 && !connection.closed) {
        this.#destination.counters.restores++;
        const restored = restoreState(connection, this.wish, this.#parts.runtime);
        const lost = await withinTimeout(this.#clock, connection, restored);
        if (lost.length > 0) {
          const error = this.wish.settingsLost(connection, lost);
          pool.release(server, "clean", clock.nowMs());
          this.#settle(error);
          return;
        }
      }
      if (connection.closed) {
        throw new PgplexError("server_lost", "the server closed the connection unexpectedly");
      }
    } catch (thrown) {
      connection.close();
      const error = toPgplexError(thrown);
      const lost = error.code === "server_lost";
      if (!lost) pool.release(server, "broken", clock.nowMs());
      else if (pool.spoilt(server, error, clock.nowMs())) warnOfSpoilt(this.#parts.log, server.home, error);
      // The client's statement went nowhere yet: it can as well have another connection.
      const another = lost ||
        (error.sqlstate === QUERY_CANCELED && this.#canceledRestores++ < CANCELED_RESTORES_MAX);
      if (!another || this.#ended) this.#settle(error);
      else if (clock.nowMs() < this.#untilMs) this.#wait();
      else this.#settle(pool.failure ?? this.#destination.waitedInVain(this.wish.queryWaitTimeoutMs));
      return;
    }
    if (this.#ended) pool.release(server, "clean", clock.nowMs());
    else this.#begin(server);
    this.#settle(null);
  }

  #wait(): void {
    const nowMs = this.#waitingSinceMs = this.#clock.nowMs();
    this.#waiting = true;
    this.#destination.wait(this, nowMs, this.#untilMs);
  }

  /** Until when a wait that begins now may last, however many connections it takes. */
  #deadlineMs(): number {
    return this.#clock.nowMs() + (this.wish.queryWaitTimeoutMs || Infinity);
  }

  #stopWaiting(): void {
    this.#waiting = false;
    const waitedMs = this.#clock.nowMs() - this.#waitingSinceMs;
    const { counters } = this.#destination;
    counters.waitMs += waitedMs;
    counters.histograms.wait.record(waitedMs);
  }

  #settle(error: PgplexError | null): void {
    this.#probing = null;
    this.error = error;
    const resolve = this.#resolve;
    this.#resolve = null;
    resolve?.();
  }
}
