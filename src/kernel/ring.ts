import { assert } from "./assert.ts";

/**
 * A first-in-first-out queue of small integers that grows to `capacityMax` and allocates only when it grows.
 *
 * Invariant: 0 <= length <= capacity <= capacityMax, and capacity is a power of two.
 */
export class ByteRing {
  #items: Uint8Array;
  #head = 0;
  #length = 0;
  readonly #capacityMax: number;

  constructor(capacity = 16, capacityMax = 65_536) {
    assert(Number.isInteger(Math.log2(capacity)), "a ring's capacity is a power of two");
    this.#items = new Uint8Array(capacity);
    this.#capacityMax = capacityMax;
  }

  get length(): number {
    return this.#length;
  }

  get full(): boolean {
    return this.#length >= this.#capacityMax;
  }

  /** Adds `item` (0 to 255) at the tail. The caller has checked {@link full}. */
  push(item: number): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length) & (this.#items.length - 1)] = item;
    this.#length++;
  }

  /** The item at the head, or -1 when empty. */
  peek(): number {
    return this.#length === 0 ? -1 : this.#items[this.#head]!;
  }

  /** Takes the item at the head, or -1 when empty. */
  shift(): number {
    if (this.#length === 0) return -1;
    const item = this.#items[this.#head]!;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    return item;
  }

  /** The item `index` places behind the head; `index` is less than {@link length}. */
  at(index: number): number {
    assert(index < this.#length, "a ring is read within its length");
    return this.#items[(this.#head + index) & (this.#items.length - 1)]!;
  }

  /** Removes the item `index` places behind the head, in time in proportion to `index`: those before it move. */
  removeAt(index: number): void {
    assert(index < this.#length, "a ring is cut within its length");
    const mask = this.#items.length - 1;
    for (let i = index; i > 0; i--) {
      this.#items[(this.#head + i) & mask] = this.#items[(this.#head + i - 1) & mask]!;
    }
    this.#head = (this.#head + 1) & mask;
    this.#length--;
  }

  clear(): void {
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    assert(this.#items.length < this.#capacityMax, "a ring stays within its limit");
    const bigger = new Uint8Array(this.#items.length * 2);
    for (let i = 0; i < this.#length; i++) bigger[i] = this.at(i);
    this.#items = bigger;
    this.#head = 0;
  }
}
