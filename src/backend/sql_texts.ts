import type { BinaryString } from "../protocol/mod.ts";

const NONE: ReadonlyMap<BinaryString, BinaryString> = new Map();

/** Prepared statements that SQL made: by name, the PREPARE. Most often there are none. Pure. */
export class SqlTexts {
  #map = NONE;

  /** All of them as they are now: a change makes another map. */
  get map(): ReadonlyMap<BinaryString, BinaryString> {
    return this.#map;
  }

  get size(): number {
    return this.#map.size;
  }

  has(name: BinaryString): boolean {
    return this.#map.has(name);
  }

  get(name: BinaryString): BinaryString | undefined {
    return this.#map.get(name);
  }

  [Symbol.iterator](): IterableIterator<[BinaryString, BinaryString]> {
    return this.#map.entries();
  }

  add(name: BinaryString, sql: BinaryString): void {
    this.#map = new Map([...this.#map, [name, sql]]);
  }

  delete(name: BinaryString): void {
    if (this.#map.has(name)) this.keepIf((other) => other !== name);
  }

  /** Those stay of which `stays` says so. */
  keepIf(stays: (name: BinaryString, sql: BinaryString) => boolean): void {
    this.#map = new Map([...this.#map].filter(([name, sql]) => stays(name, sql)));
  }

  /** These are all that there are. */
  replace(texts: ReadonlyMap<BinaryString, BinaryString>): void {
    this.#map = texts;
  }

  /** None is left. */
  clear(): void {
    this.#map = NONE;
  }
}
