import { assert } from "./assert.ts";

/** Places that an empty queue keeps. */
const KEPT_MAX = 1024;

/**
 * A first-in-first-out queue of objects. Adding at the end and taking from the front cost the same whatever waits in between, and
 * allocate only where the queue grows.
 *
 * Invariant: 0 <= length <= places, and the number of places is a power of two.
 */
export class Queue<T extends object> {
  #places: (T | null)[] = new Array(16).fill(null);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds at the end. */
  push(item: T): void {
    if (this.#length === this.#places.length) this.#grow();
    this.#places[(this.#head + this.#length) & (this.#places.length - 1)] = item;
    this.#length++;
  }

  /** Takes the first, or null when there is none. */
  shift(): T | null {
    if (this.#length === 0) return null;
    const item = this.#places[this.#head]!;
    this.#places[this.#head] = null;
    this.#head = (this.#head + 1) & (this.#places.length - 1);
    if (--this.#length === 0) this.clear();
    return item;
  }

  /** What stands `index` places behind the first; `index` is less than {@link length}. */
  at(index: number): T {
    assert(index >= 0 && index < this.#length, "a queue is read within its length");
    return this.#places[(this.#head + index) & (this.#places.length - 1)]!;
  }

  /** Takes out what stands there, in time in proportion to `index`: those before it move. */
  removeAt(index: number): T {
    const item = this.at(index);
    const mask = this.#places.length - 1;
    for (let i = index; i > 0; i--) {
      this.#places[(this.#head + i) & mask] = this.#places[(this.#head + i - 1) & mask]!;
    }
    this.shift();
    return item;
  }

  /** The place of the first for which `holds`, or -1. */
  findIndex(holds: (item: T) => boolean): number {
    for (let i = 0; i < this.#length; i++) if (holds(this.at(i))) return i;
    return -1;
  }

  clear(): void {
    if (this.#places.length > KEPT_MAX) this.#places = new Array(16).fill(null);
    else if (this.#length > 0) this.#places.fill(null);
    this.#head = this.#length = 0;
  }

  /** All, the first one first. What is added or taken meanwhile may be among them or not. */
  *[Symbol.iterator](): Generator<T> {
    for (let i = 0; i < this.#length; i++) yield this.at(i);
  }

  #grow(): void {
    const bigger: (T | null)[] = new Array(this.#places.length * 2).fill(null);
    for (let i = 0; i < this.#length; i++) bigger[i] = this.at(i);
    this.#places = bigger;
    this.#head = 0;
  }
}
