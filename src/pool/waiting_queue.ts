import { Queue } from "../kernel/mod.ts";
import type { AnyWaiter, Place, SeatWaiter } from "./pool_port.ts";

/** Someone who waits at a pool. */
export interface Waiting<Wish, R> extends Place<Wish, R> {
  /** A resource is being opened for this wish; {@link WaitingQueue.expect} says so. */
  opening: boolean;
}

/** Whether it waits for a seat, and not for a resource. */
export function wantsSeat<Wish, R>(waiter: AnyWaiter<Wish, R>): waiter is SeatWaiter<Wish> {
  return "seated" in waiter;
}

/** Those who wait at a pool, in the order in which they came. Pure. */
export class WaitingQueue<Wish, R> {
  readonly #queue = new Queue<Waiting<Wish, R>>();
  #seatWaiters = 0;
  #expecting = 0;

  get length(): number {
    return this.#queue.length;
  }

  /** How many of them wait for a seat. */
  get seatWaiters(): number {
    return this.#seatWaiters;
  }

  at(index: number): Waiting<Wish, R> {
    return this.#queue.at(index);
  }

  add(place: Place<Wish, R>): void {
    const { waiter, sinceMs, untilMs } = place;
    if (wantsSeat(waiter)) this.#seatWaiters++;
    this.#queue.push({ waiter, sinceMs, untilMs, opening: false });
  }

  removeAt(index: number): Waiting<Wish, R> {
    const waiting = this.#queue.removeAt(index);
    this.#leaves(waiting);
    return waiting;
  }

  /** Where the one is for whom this holds; -1 where there is none. */
  findIndex(holds: (waiting: Waiting<Wish, R>) => boolean): number {
    return this.#queue.findIndex(holds);
  }

  /** Takes a waiter out; it hears nothing. Whether it was there. */
  forget(waiter: AnyWaiter<Wish, R>): boolean {
    const index = this.findIndex((waiting) => waiting.waiter === waiter);
    if (index >= 0) this.removeAt(index);
    return index >= 0;
  }

  /** Takes those out for whom this holds, the first one first; they hear nothing. */
  takeOut(goes: (waiting: Waiting<Wish, R>) => boolean): readonly Waiting<Wish, R>[] {
    const [out, left]: [Waiting<Wish, R>[], Waiting<Wish, R>[]] = [[], []];
    for (const waiting of this.#queue) (goes(waiting) ? out : left).push(waiting);
    if (out.length === 0) return out;
    this.#queue.clear();
    for (const waiting of left) this.#queue.push(waiting);
    for (const waiting of out) this.#leaves(waiting);
    return out;
  }

  /** How many a resource is being opened for. */
  get expecting(): number {
    return this.#expecting;
  }

  /** One of them has a resource on its way, or not any more. @returns which of the two */
  expect(waiting: Waiting<Wish, R>, opening: boolean): boolean {
    if (waiting.opening !== opening) this.#expecting += opening ? 1 : -1;
    return waiting.opening = opening;
  }

  /**
   * As many as `opening` resources are being opened: those that are waited for beyond that are not any more, the last ones
   * first, as the first ones get what is on its way. Whether there were such.
   */
  keepOpening(opening: number): boolean {
    if (this.#expecting <= opening) return false;
    for (let i = this.#queue.length - 1; this.#expecting > opening; i--) {
      this.expect(this.#queue.at(i), false);
    }
    return true;
  }

  #leaves(waiting: Waiting<Wish, R>): void {
    if (wantsSeat(waiting.waiter)) this.#seatWaiters--;
    this.expect(waiting, false);
  }
}
