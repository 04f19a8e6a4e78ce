import type { Poolable } from "./pool_port.ts";

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

/** Where the idle one is that serves `wish` the best, of equals the last one; -1 where none can. */
export function bestFit<Wish>(idle: readonly Slot<Poolable<Wish>>[], wish: Wish): number {
  let best = -1;
  for (let i = idle.length - 1; i >= 0; i--) {
    const fitness = idle[i]!.resource.fitness(wish);
    if (fitness === 2) return i;
    if (fitness === 1 && best < 0) best = i;
  }
  return best;
}
