import { UNREAD_MS } from "./unread_leases.ts";

/** For how long a session that comes back sooner is left unread while it is at rest, in milliseconds, at most. */
export const REST_MAX_MS = 160;

/**
 * How long a session is at rest before what it left on its connection is read though nobody waits: longer for one that used to come back
 * shortly behind that, so that the look was in vain. On a machine that has more to do than it can most clients rest so long, and each look is
 * one more thing to do.
 */
export class RestTime {
  #ms = UNREAD_MS;
  /** Since when it was at rest when it was read; null: it has been back. */
  #sinceMs: number | null = null;

  /** In milliseconds. */
  get ms(): number {
    return this.#ms;
  }

  /** It is read, having been at rest since `sinceMs`. */
  read(sinceMs: number): void {
    this.#sinceMs = sinceMs;
  }

  /** It asks for a connection again. */
  back(nowMs: number): void {
    if (this.#sinceMs === null) return;
    this.#ms = nowMs - this.#sinceMs < REST_MAX_MS ? Math.min(2 * this.#ms, REST_MAX_MS) : UNREAD_MS;
    this.#sinceMs = null;
  }

  /** Somebody else wanted its connection: what it leaves is read soon. */
  wanted(): void {
    this.#ms = UNREAD_MS;
  }
}
