import type { Entry } from "./key_store.ts";
import { type AnswerTimes, NewestAnswer } from "./newest_answer.ts";

/** The entry of who leads, as answers of the store have shown it: in whatever order they come, the newest counts. */
export class LeadEntry {
  #entry: Entry | null = null;
  #sinceMs = Infinity;
  #emptyMs = -Infinity;
  readonly #newest = new NewestAnswer();

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
  saw(entry: Entry | null, times: AnswerTimes): void {
    if (this.#newest.take(times) === "old") return;
    const { nowMs } = times;
    const isFirst = this.#sinceMs === Infinity;
    if (isFirst && entry === null) this.#emptyMs = nowMs;
    if (isFirst || entry?.modRevision !== this.#entry?.modRevision) this.#sinceMs = nowMs;
    this.#entry = entry;
  }
}
