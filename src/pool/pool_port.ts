import type { PgplexError } from "../kernel/mod.ts";
import type { SharedLimit } from "./limits.ts";

/** What a pool asks of a resource: which wishes it can serve, and how well. */
export interface Poolable<Wish> {
  /** When it was made, in clock milliseconds; the pool ends it after its lifetime. */
  readonly openedMs: number;
  /** 0: cannot serve this wish; 1: can, after some work; 2: can as it is. */
  fitness(wish: Wish): 0 | 1 | 2;
}

/** How a lease ended. */
export type LeaseEnd = "clean" | "broken";

/** Someone who waits for a resource. The pool calls exactly one of `granted` and `refused`, once. */
export interface Waiter<Wish, R> {
  readonly wish: Wish;
  granted(resource: R): void;
  refused(error: PgplexError): void;
}

/**
 * Someone who waits for a seat: it counts as a resource does, and whoever has it makes what it is for itself. The pool calls exactly one of
 * `seated` and `refused`, once.
 */
export interface SeatWaiter<Wish> {
  readonly wish: Wish;
  /** `leave` is called once, when the seat is free again. */
  seated(leave: (nowMs: number) => void): void;
  refused(error: PgplexError): void;
}

/** Whoever may stand in a pool's queue. */
export type AnyWaiter<Wish, R> = Waiter<Wish, R> | SeatWaiter<Wish>;

/** What a recall came to: the resource was given back, or is about to be; null: it is needed. */
export type Recall = "given" | "looking" | null;

/** A lease that its holder does not need at the moment. */
export interface Recallable {
  /** Somebody waits: gives the resource back, where it is still not needed. */
  recall(): Recall;
}

/** What a pool asks of the world. Calls return at once; the answer to `open` comes as `opened` or `openFailed`. */
export interface PoolPort<Wish, R> {
  /**
   * Begins to make a resource for this wish; null for one that only keeps the minimum. `generation` goes back with the
   * answer.
   */
  open(wish: Wish | null, generation: number): void;
  /** Ends a resource that nobody holds. */
  close(resource: R, reason: string): void;
  /** Another pool's idle resource that shares an exhausted limit may be closed to make room. Whether one was. */
  makeRoom?(limit: SharedLimit): boolean;
  /** A resource is gone that a pause or {@link "./pool.ts" Pool.recycle} waits for: {@link "./pool.ts" Pool.quiet} or `staleCount` may have changed. */
  receded?(): void;
}

/** Limits of one pool; times in milliseconds, 0 switches a limit off. */
export interface PoolLimits {
  readonly size: number;
  readonly sizeMin: number;
  readonly reserveSize: number;
  readonly reserveTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly lifetimeMs: number;
  readonly retryMs: number;
  /** Opened at the same time, at most; bounds the storm on a server that comes back. */
  readonly openingMax: number;
}

/** A place in a queue; times in clock milliseconds. */
export interface Place<Wish, R> {
  readonly waiter: AnyWaiter<Wish, R>;
  readonly sinceMs: number;
  readonly untilMs: number;
}
