/** Random numbers that a seed repeats: mulberry32, a 32-bit state and one multiplication more than a test needs. */
export class Seeded {
  #state: number;

  /** Numbers with the same seed and the same `stream` are the same, whatever runs beside. */
  constructor(seed: number, stream = 0) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(stream + 1, 0xc2b2ae35);
  }

  /** From 0 to 1, without 1. */
  number(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0, without `end`. */
  below(end: number): number {
    return Math.floor(this.number() * end);
  }

  /** A whole number from `from`, without `end`. */
  between(from: number, end: number): number {
    return from + this.below(end - from);
  }

  chance(probability: number): boolean {
    return this.number() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  /** The same values in another order. */
  shuffled<T>(values: readonly T[]): T[] {
    const shuffled = [...values];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }
}

/** The seed of this run, printed so that a failure can be repeated: `PGPLEX_TEST_SEED`, or a new one. */
export function announceSeed(): number {
  const wanted = Deno.env.get("PGPLEX_TEST_SEED");
  const seed = wanted === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! : Number(wanted) >>> 0;
  console.log(`PGPLEX_TEST_SEED=${seed}`);
  return seed;
}
