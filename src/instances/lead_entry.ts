import type { Entry } from "./key_store.ts";

/** Of an answer of the store: its counter, when it was asked for, and when it came, in clock milliseconds. */
export interface AnswerTimes {
  readonly revision: number;
  readonly sentMs: number;
  readonly nowMs: number;
}

/** The entry of who leads, as answers of the store have shown it: in whatever order they come, the newest counts. */
export class LeadEntry {
  #entry: Entry | null = null;
  #sinceMs = Infinity;
  #emptyMs = -Infinity;
  /** Of the answer that counts. */
  #revision = 0;
  #heardMs = -Infinity;

  get entry(): Entry | null {
    return this.#entry;
  }

  /** When it was seen first as it is, or first seen to be missing; Infinity before any answer. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** When the first answer has shown none; -Infinity where it has shown one. */
  get emptyMs(): number {
    return this.#emptyMs;
  }

  /** An answer has shown it; null: there is none. */
  saw(entry: Entry | null, { revision, sentMs, nowMs }: AnswerTimes): void {
    // A lower revision that was asked for since is of a store that has begun anew.
    if (revision < this.#revision && sentMs <= this.#heardMs) return;
    const isFirst = this.#sinceMs === Infinity;
    if (isFirst && entry === null) this.#emptyMs = nowMs;
    if (isFirst || entry?.modRevision !== this.#entry?.modRevision) this.#sinceMs = nowMs;
    this.#entry = entry;
    this.#revision = revision;
    this.#heardMs = nowMs;
  }
}
