import type { Clock } from "../kernel/mod.ts";
import type { PoolCounters } from "../telemetry/mod.ts";

/**
 * How long a session's transactions and statements take, as PgBouncer counts them.
 *
 * A transaction lasts from the first message that is sent on to the boundary behind it; a query as long as the server owes a
 * reply, so that the time a client takes between two statements of a transaction counts for the first only. A transaction of
 * one round trip costs no look at the clock beyond those of its lease; each further round trip costs two.
 *
 * Invariant: a query runs only inside a transaction.
 */
export class WorkTime {
  readonly #clock: Clock;
  readonly #counters: PoolCounters;
  #xactSinceMs = -1;
  #querySinceMs = -1;
  /** When a lease began whose first message has not been sent on yet; -1 when there is none. */
  #leasedMs = -1;
  /** When the statement began to wait for a server connection; -1: it did not. */
  #askedMs = -1;
  #answeredMs = -1;
  /** When the client last sent something that went to a server, in clock milliseconds. */
  requestMs: number;
  /** When the last transaction ended, in clock milliseconds; -1 before the first. */
  endedMs = -1;

  constructor(clock: Clock, counters: PoolCounters) {
    this.#clock = clock;
    this.#counters = counters;
    this.requestMs = clock.nowMs();
  }

  /** Since when the server owes a reply, in clock milliseconds; -1 when it owes none. */
  get querySinceMs(): number {
    return this.#querySinceMs;
  }

  /** Since when the client waits for its statement, in clock milliseconds: also for a server connection. -1: for none. */
  get statementSinceMs(): number {
    return this.#askedMs >= 0 ? this.#askedMs : this.#querySinceMs;
  }

  /** Since when the transaction runs, in clock milliseconds; -1 outside of one. */
  get xactSinceMs(): number {
    return this.#xactSinceMs;
  }

  /** Since when the client could go on with its transaction, in clock milliseconds; -1 while the server works, and outside of one. */
  get idleInXactSinceMs(): number {
    return this.#querySinceMs < 0 && this.#xactSinceMs >= 0 ? this.#answeredMs : -1;
  }

  /** A statement begins to wait for a server connection, or goes on to. */
  asks(): void {
    if (this.#askedMs < 0) this.#askedMs = this.#clock.nowMs();
  }

  /** A lease begins for a message that is sent on at once. */
  leased(nowMs: number): void {
    this.#leasedMs = nowMs;
  }

  /** Something was sent on that the server will answer. */
  sent(): void {
    if (this.#querySinceMs >= 0) return;
    const nowMs = this.#leasedMs >= 0 ? this.#leasedMs : this.#clock.nowMs();
    this.#leasedMs = -1;
    this.#querySinceMs = this.requestMs = nowMs;
    if (this.#xactSinceMs < 0) this.#xactSinceMs = nowMs;
  }

  /** The server owes nothing, in the middle of a transaction. */
  answered(): void {
    if (this.#querySinceMs < 0) return;
    this.#answeredMs = this.#clock.nowMs();
    this.#queried(this.#answeredMs - this.#querySinceMs);
    this.#querySinceMs = this.#askedMs = -1;
  }

  /** The boundary was reached, and the lease goes on. */
  rests(): void {
    if (this.#xactSinceMs >= 0) this.ended(this.#clock.nowMs());
    this.#leasedMs = this.#askedMs = -1;
  }

  /** No server connection could be had for a statement, which was answered so. */
  failed(): void {
    this.#askedMs = -1;
  }

  /** The lease has ended. */
  ended(nowMs: number): void {
    if (this.#querySinceMs >= 0) this.#queried(nowMs - this.#querySinceMs);
    if (this.#xactSinceMs >= 0) {
      const xactMs = nowMs - this.#xactSinceMs;
      this.#counters.xactMs += xactMs;
      this.#counters.histograms.xact.record(xactMs);
    }
    this.#querySinceMs =
      this.#xactSinceMs =
      this.#leasedMs =
      this.#askedMs =
        -1;
    this.endedMs = nowMs;
  }

  #queried(ms: number): void {
    this.#counters.queryMs += ms;
    this.#counters.histograms.query.record(ms);
  }
}
