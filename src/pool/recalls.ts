import type { Recallable } from "./pool_port.ts";

/** Leased resources that may be had back, and those that are on their way. Pure. */
export class Recalls<R> {
  /** Those that have been so the longest come first. */
  readonly #lent = new Map<R, Recallable>();
  readonly #coming = new Set<R>();

  /** How many may be had back. */
  get size(): number {
    return this.#lent.size;
  }

  /** A leased resource may be had back from now on. */
  lent(resource: R, holder: Recallable): void {
    this.#lent.set(resource, holder);
  }

  /** It may not, or was given back. Whether it was on its way. */
  forget(resource: R): boolean {
    this.#lent.delete(resource);
    return this.#coming.delete(resource);
  }

  /** Has back all that is not needed at the moment. */
  recallAll(): void {
    for (const [resource, holder] of [...this.#lent]) {
      if (holder.recall() !== "looking") continue;
      this.#lent.delete(resource);
      this.#coming.add(resource);
    }
  }

  /** Has back so many, those that are on their way among them. */
  recall(wanted: number): void {
    let missing = wanted - this.#coming.size;
    for (const [resource, holder] of this.#lent) {
      if (missing <= 0) return;
      const recalled = holder.recall();
      // What was given back has served those who wait, and others were recalled for the rest.
      if (recalled === "given") return;
      if (recalled === null) continue;
      this.#lent.delete(resource);
      this.#coming.add(resource);
      missing--;
    }
  }
}
