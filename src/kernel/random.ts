/** Randomness as a parameter: the real one is made in `main.ts` from the system's generator, tests seed their own. */
export interface Random {
  /** A uniform integer from 0 to 2^32 - 1. */
  u32(): number;
  /** Fills `bytes` and returns it. */
  fill(bytes: Uint8Array): Uint8Array;
}

/** A uniform number from 0 (included) to 1 (excluded). */
export function fraction(random: Random): number {
  return random.u32() / 2 ** 32;
}

/** A repeatable generator for tests and simulations (mulberry32). Never for secrets. */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.u32() & 0xff;
    return bytes;
  }
}
