/** A resource that exists: leased, or idle. */
export interface Slot<R> {
  readonly resource: R;
  /** By which part of the lifetime it ends early, from 0 to 0.1. */
  readonly earlier: number;
  leased: boolean;
  /** Since when it is idle, if it is. */
  sinceMs: number;
  /** Older than a {@link Pool.recycle}: it ends as it is released. */
  stale: boolean;
  /** Nobody has had it, or the first who has it got it no later than `retryMs` after it was opened. */
  fresh: boolean;
}
