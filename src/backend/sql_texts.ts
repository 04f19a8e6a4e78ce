import type { BinaryString } from "../protocol/mod.ts";

/**
 * A prepared statement that SQL made. Each PREPARE makes one of its own, also where another one has the same name and text: it may have
 * been read by other settings, or have found other tables.
 */
export interface SqlStatement {
  /** The PREPARE, as the server keeps it. */
  readonly sql: BinaryString;
  /** By what settings its literals were read; null: by those of its next use. */
  literals: BinaryString | null;
  /** Under which search_path it was made; null where that is not known. */
  readonly path: BinaryString | null;
}

const NONE: ReadonlyMap<BinaryString, SqlStatement> = new Map();

/** Prepared statements that SQL made, by name. Most often there are none. Pure. */
export class SqlTexts {
  #map = NONE;

  /** All of them as they are now: a change makes another map. */
  get map(): ReadonlyMap<BinaryString, SqlStatement> {
    return this.#map;
  }

  get size(): number {
    return this.#map.size;
  }

  has(name: BinaryString): boolean {
    return this.#map.has(name);
  }

  get(name: BinaryString): SqlStatement | undefined {
    return this.#map.get(name);
  }

  [Symbol.iterator](): IterableIterator<[BinaryString, SqlStatement]> {
    return this.#map.entries();
  }

  add(name: BinaryString, statement: SqlStatement): void {
    this.#map = new Map([...this.#map, [name, statement]]);
  }

  delete(name: BinaryString): void {
    if (this.#map.has(name)) this.keepIf((other) => other !== name);
  }

  /** Those stay of which `stays` says so. */
  keepIf(stays: (name: BinaryString, statement: SqlStatement) => boolean): void {
    this.#map = new Map([...this.#map].filter(([name, statement]) => stays(name, statement)));
  }

  /** These are all that there are. */
  replace(statements: ReadonlyMap<BinaryString, SqlStatement>): void {
    this.#map = statements;
  }

  /** None is left. */
  clear(): void {
    this.#map = NONE;
  }
}
