import type { Timer } from "../../src/kernel/mod.ts";

/** Something that happens at a time. */
interface Entry {
  readonly atMs: number;
  readonly serial: number;
  run: (() => void) | null;
}

/** What happens when, on a virtual clock: in order of time, and of two at the same time the one that was put first. */
export class Agenda {
  nowMs = 0;
  /** Events that have happened. */
  count = 0;
  readonly #heap: Entry[] = [];
  #serial = 0;

  /** Calls `run` after `delayMs`. */
  after(delayMs: number, run: () => void): void {
    this.#put({ atMs: this.nowMs + delayMs, serial: this.#serial++, run });
  }

  /** The same, unless it is cancelled before. */
  timer(delayMs: number, run: () => void): Timer {
    const entry: Entry = { atMs: this.nowMs + delayMs, serial: this.#serial++, run };
    this.#put(entry);
    return { cancel: () => entry.run = null };
  }

  #put(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, entry)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  /** Runs what is next, unless it is later than `untilMs`; whether there was anything. */
  step(untilMs: number): boolean {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.atMs > untilMs) {
      this.nowMs = untilMs;
      return false;
    }
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    this.nowMs = first.atMs;
    if (first.run === null) return true;
    this.count++;
    first.run();
    return true;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(entry, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.serial < b.serial);
}
