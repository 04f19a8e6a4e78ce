import type { ServerConnection, Settings } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { type Clock, PgplexError, type Timer } from "../kernel/mod.ts";
import { encodeError } from "../protocol/mod.ts";
import type { ClientLog, LoggedClient } from "./client_log.ts";
import type { WorkTime } from "./work_time.ts";
import type { PinReason } from "../lease/mod.ts";

/** How long a server may take to end a statement that was cancelled for its time; then the session ends. */
const CANCEL_GRACE_MS = 2000;

/** Since when a session waits, in clock milliseconds, and why, for people. */
export interface Waits {
  readonly sinceMs: number;
  readonly reason: string;
}

/** What time limits ask of a session, and do to it. */
export interface TimeLimitsHost {
  readonly facts: LoggedClient;
  /** The pool's settings with what the client set over them. */
  readonly limits: PoolSettings;
  /** What the client was last told of its settings. */
  readonly settings: Settings | null;
  /** Of a session that waits for a server connection; null: it does not. */
  readonly waits: Waits | null;
  /** Whether the session waits for a server connection, also for its greeting. */
  readonly waiting: boolean;
  /** Whether no other session ever gets the server connection before this one ends. */
  readonly keepsServer: boolean;
  readonly idle: boolean;
  /** When the session last became idle, or its lease began; clock milliseconds. */
  readonly idleSinceMs: number;
  readonly pins: readonly PinReason[];
  readonly server: ServerConnection | null;
  readonly ending: boolean;
  readonly work: Pick<WorkTime, "statementSinceMs" | "xactSinceMs" | "idleInXactSinceMs">;
  /** The client hears this beside its answers. */
  notice(error: PgplexError): void;
  /** Cancels what runs on `server`; resolves when no other statement can be met by it any more. */
  cancelOn(server: ServerConnection): Promise<void>;
  /** The wait for a server connection ends with this error. */
  stopWaiting(error: PgplexError): void;
  end(error: PgplexError): void;
}

/**
 * The time limits of one session: those of idleness end it, those of a statement cancel the statement.
 *
 * Invariant: at most one cancel for time is under way, and none outlasts its statement.
 */
export class TimeLimits {
  readonly #clock: Clock;
  readonly #host: TimeLimitsHost;
  readonly #log: Pick<ClientLog, "poolerError">;
  /** Ends a statement that has a time of its own. */
  #timer: Timer | null = null;
  /** Ends a session that is idle for as long as its own idle_session_timeout says. */
  #idleTimer: Timer | null = null;
  /** When the statement was cancelled for its time; clock milliseconds. */
  #timedOutMs: number | null = null;
  #cancelling: Promise<void> | null = null;
  /** The client cancelled the statement before its time was over. */
  #clientCanceled = false;
  /** When the wait began of which the client was told last; clock milliseconds. */
  #toldOfWaitMs = -1;

  constructor(clock: Clock, host: TimeLimitsHost, log: Pick<ClientLog, "poolerError">) {
    this.#clock = clock;
    this.#host = host;
    this.#log = log;
  }

  /** A cancel for time that is on its way, or null: nothing may go to the server that it could meet. */
  get cancelling(): Promise<void> | null {
    return this.#cancelling;
  }

  /** Does what time demands. Called about once a second. */
  check(nowMs: number): void {
    const host = this.#host;
    if (host.waiting) {
      if (host.waits !== null) this.#tellOfWait(nowMs, host.waits);
      if (this.#isOver(nowMs)) host.stopWaiting(queryTimeout());
      return;
    }
    if (host.idle) {
      const error = this.#idleTooLong(nowMs - host.idleSinceMs);
      if (error !== null) host.end(error);
      return;
    }
    const error = this.#transactionTooLong(nowMs);
    if (error !== null) host.end(error);
    else if (host.server !== null && !host.server.owed.settled) this.#checkStatement(nowMs);
  }

  /** The session may be idle from here on: its own idle_session_timeout, which few have, is kept to the millisecond. */
  idles(): void {
    const host = this.#host;
    const limitMs = idleSessionTimeoutMs(host);
    if (limitMs === 0) return;
    const dueMs = host.idleSinceMs + limitMs;
    this.#idleTimer?.cancel();
    this.#idleTimer = this.#clock.after(Math.max(0, dueMs - this.#clock.nowMs()), () => {
      if (host.ending || !host.idle) return;
      this.check(Math.max(dueMs, this.#clock.nowMs()));
      // It was not idle all the time.
      if (!host.ending) this.idles();
    });
  }

  /** A statement begins that may take `timeoutMs`, the wait behind it included; null or 0: no limit of its own. */
  statementBegins(timeoutMs: number | null): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (timeoutMs === null || timeoutMs === 0) return;
    const sinceMs = this.#host.work.statementSinceMs;
    const waitedMs = sinceMs < 0 ? 0 : this.#clock.nowMs() - sinceMs;
    this.#timer = this.#clock.after(Math.max(0, timeoutMs - waitedMs), () => this.#statementTimedOut());
  }

  /** The client's last statement is answered. */
  statementEnds(): void {
    this.#timedOutMs = null;
    this.#clientCanceled = false;
  }

  /** The client cancels its statement. */
  clientCancels(): void {
    if (this.#timedOutMs === null) this.#clientCanceled = true;
  }

  /** The server says that it cancelled a statement: the client's answer if that was for its time; null: the server's own. */
  canceledReply(): Uint8Array | null {
    if (this.#timedOutMs === null || this.#clientCanceled) return null;
    const error = queryTimeout();
    this.#log.poolerError(this.#host.facts, error);
    return encodeError("ERROR", error);
  }

  /** No timer fires from here on. */
  close(): void {
    this.#timer?.cancel();
    this.#idleTimer?.cancel();
  }

  #idleTooLong(forMs: number): PgplexError | null {
    const { limits, pins } = this.#host;
    const exceeds = (limitMs: number) => limitMs > 0 && forMs >= limitMs;
    if (pins.length > 0 && exceeds(limits.pin_timeout)) {
      return new PgplexError(
        "pin_timeout",
        `terminating connection due to pin_timeout: ${pins.join(", ")}`,
      );
    }
    if (exceeds(idleSessionTimeoutMs(this.#host))) {
      return new PgplexError("idle_timeout", "terminating connection due to idle-session timeout");
    }
    return exceeds(limits.client_idle_timeout)
      ? new PgplexError("idle_timeout", "terminating connection due to client_idle_timeout")
      : null;
  }

  #transactionTooLong(nowMs: number): PgplexError | null {
    const { limits, server, work: { xactSinceMs, idleInXactSinceMs } } = this.#host;
    if (server === null) return null;
    const exceeds = (sinceMs: number, limitMs: number) =>
      limitMs > 0 && sinceMs >= 0 && nowMs - sinceMs >= limitMs;
    if (exceeds(xactSinceMs, limits.transaction_timeout)) {
      return new PgplexError("transaction_timeout", "terminating connection due to transaction_timeout");
    }
    return exceeds(idleInXactSinceMs, limits.idle_transaction_timeout)
      ? new PgplexError(
        "idle_transaction_timeout",
        "terminating connection due to idle_transaction_timeout",
      )
      : null;
  }

  #tellOfWait(nowMs: number, { sinceMs, reason }: Waits): void {
    const { query_wait_notify: notifyMs } = this.#host.limits;
    if (notifyMs === 0 || nowMs - sinceMs < notifyMs || this.#toldOfWaitMs === sinceMs) return;
    this.#toldOfWaitMs = sinceMs;
    const detail = `It has waited for ${Math.round((nowMs - sinceMs) / 1000)} s: ${reason}.`;
    this.#host.notice(
      new PgplexError("query_wait_timeout", "the client waits for a server connection", { detail }),
    );
  }

  /** A statement that runs for too long is cancelled; where that does not help, the session ends. */
  #checkStatement(nowMs: number): void {
    const host = this.#host;
    if (this.#timedOutMs !== null) {
      if (nowMs - this.#timedOutMs >= CANCEL_GRACE_MS) host.end(queryTimeout());
      return;
    }
    if (this.#isOver(nowMs)) this.#statementTimedOut();
  }

  /** Whether the client has waited for its statement for as long as query_timeout lets it. */
  #isOver(nowMs: number): boolean {
    const { limits, work: { statementSinceMs: sinceMs } } = this.#host;
    return limits.query_timeout > 0 && sinceMs >= 0 && nowMs - sinceMs >= limits.query_timeout;
  }

  #statementTimedOut(): void {
    const { server, ending } = this.#host;
    if (server === null || server.owed.settled || ending || this.#timedOutMs !== null) return;
    this.#timedOutMs = this.#clock.nowMs();
    this.#cancelling = this.#host.cancelOn(server).finally(() => this.#cancelling = null);
  }
}

/** The session's own, 0 where it has none: the server cannot keep it, as its connections serve others meanwhile. */
function idleSessionTimeoutMs({ settings, keepsServer }: TimeLimitsHost): number {
  return keepsServer ? 0 : settings?.idleSessionTimeoutMs ?? 0;
}

function queryTimeout(): PgplexError {
  return new PgplexError("query_timeout", "canceling statement due to query_timeout");
}
