import { type PgplexError, Queue } from "../kernel/mod.ts";
import type { AnyWaiter, Place } from "../pool/mod.ts";

/**
 * Those who wait until there is a node at which they may wait for a connection: their cluster has no primary, or its primary is
 * being moved. Each keeps its time. Pure.
 */
export class WaitingRoom<Wish, R> {
  readonly #places = new Queue<Place<Wish, R>>();

  /** How many wait. */
  get size(): number {
    return this.#places.length;
  }

  /** How long the first has waited, in milliseconds. */
  waitedMs(nowMs: number): number {
    return this.#places.length === 0 ? 0 : nowMs - this.#places.at(0).sinceMs;
  }

  /** `place` is taken at the end. */
  add(place: Place<Wish, R>): void {
    this.#places.push(place);
  }

  /** Takes a waiter out; it hears nothing. Whether it was there. */
  forget(waiter: AnyWaiter<Wish, R>): boolean {
    const index = this.#places.findIndex((place) => place.waiter === waiter);
    if (index >= 0) this.#places.removeAt(index);
    return index >= 0;
  }

  /** Takes everybody out, the first one first; they hear nothing. */
  takeAll(): readonly Place<Wish, R>[] {
    const places = [...this.#places];
    this.#places.clear();
    return places;
  }

  /** Time passes: whoever has waited for too long is refused. */
  tick(nowMs: number, refusal: () => PgplexError): void {
    if (this.#places.length === 0) return;
    const places = this.takeAll();
    for (const place of places) if (place.untilMs > nowMs) this.add(place);
    for (const { waiter, untilMs } of places) if (untilMs <= nowMs) waiter.refused(refusal());
  }
}
