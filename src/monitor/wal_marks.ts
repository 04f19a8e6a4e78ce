/** Marks that are kept. */
const MARKS_MAX = 256;

/** At `sentMs` the primary was asked, and answered that its WAL ends at `lsn`. */
interface Mark {
  readonly sentMs: number;
  readonly lsn: bigint;
}

/**
 * How far a primary's WAL went at which time: tells how fresh a standby is by what it has replayed.
 *
 * Why it never says too much: a commit whose record was inserted before the question was sent ends at or before the position in the
 * answer, as that is looked up later, and positions only rise. So a standby that has replayed up to a mark's `lsn` has replayed
 * every commit that was made before the mark's `sentMs`: also one that was not flushed, as what counts is insertion. The clock may
 * stand still while a round of events is served, for both alike: a commit that was answered in the round in which the question was
 * sent has the same time, and is not before it.
 *
 * Invariant: times and positions rise from mark to mark.
 */
export class WalMarks {
  #marks: Mark[] = [];

  get size(): number {
    return this.#marks.length;
  }

  /**
   * The primary answered. Of a WAL that has not grown the later time holds, so an idle primary needs one mark. One that is shorter
   * than it was has lost in a crash what nobody has flushed: nothing is to be seen of that any more.
   */
  add(sentMs: number, lsn: bigint): void {
    let last = this.#marks.at(-1);
    if (last !== undefined && sentMs < last.sentMs) return;
    while (last !== undefined && last.lsn >= lsn) {
      this.#marks.pop();
      last = this.#marks.at(-1);
    }
    if (last?.sentMs === sentMs) return; // of two answers for one moment the lower position holds
    this.#marks.push({ sentMs, lsn });
    if (this.#marks.length > MARKS_MAX) this.#thin();
  }

  /** Every second one of the older half goes: a standby that is far behind is known less exactly. */
  #thin(): void {
    const half = this.#marks.length >> 1;
    this.#marks = this.#marks.filter((_, index) => index >= half || index % 2 === 0);
  }

  /** Another primary's WAL is another one. */
  clear(): void {
    this.#marks = [];
  }

  /** Whoever has replayed up to `lsn` has all that was committed before this time; -Infinity where nobody knows. */
  freshMs(lsn: bigint): number {
    for (let index = this.#marks.length - 1; index >= 0; index--) {
      const mark = this.#marks[index]!;
      if (mark.lsn <= lsn) return mark.sentMs;
    }
    return -Infinity;
  }

  /** The last answer's position; null before the first. */
  get lastLsn(): bigint | null {
    return this.#marks.at(-1)?.lsn ?? null;
  }
}
