/** Of an answer of the store: its counter, when it was asked for (-Infinity: nobody has asked), and when it came, in clock milliseconds. */
export interface AnswerTimes {
  readonly revision: number;
  readonly sentMs: number;
  readonly nowMs: number;
}

/** What an answer is worth. `old`: nothing, a later one was there before; `anew`: the store has begun anew, and revisions of before say nothing. */
export type Worth = "old" | "newest" | "anew";

/** Which of the answers that have come, in whatever order, is the newest: another store may be in the place of the first, or a backup of it. */
export class NewestAnswer {
  #revision = 0;
  #heardMs = -Infinity;

  take({ revision, sentMs, nowMs }: AnswerTimes): Worth {
    const isLower = revision < this.#revision;
    // A lower revision that was asked for since is of a store that has begun anew.
    if (isLower && sentMs <= this.#heardMs) return "old";
    this.#revision = revision;
    this.#heardMs = nowMs;
    return isLower ? "anew" : "newest";
  }
}
