/** So long a member that failed is asked only where no other one answers. */
export const AVOID_MS = 3_000;

/** Which member of an etcd is asked: the last one that was good, then the others round; those that failed lately come last. */
export class MemberChoice {
  /** For each member the time up to which it is avoided. */
  readonly #avoidedUntilMs: number[];
  #last = 0;

  constructor(count: number) {
    this.#avoidedUntilMs = Array(count).fill(-Infinity);
  }

  /** All members, by number, in the order in which they are to be tried. */
  order(nowMs: number): number[] {
    const count = this.#avoidedUntilMs.length;
    const round = Array.from({ length: count }, (_, step) => (this.#last + step) % count);
    const isAvoided = (member: number) => this.#avoidedUntilMs[member]! > nowMs;
    return [...round.filter((member) => !isAvoided(member)), ...round.filter(isAvoided)];
  }

  /** A member answered: it is asked from now on. */
  good(member: number): void {
    this.#avoidedUntilMs[member] = -Infinity;
    this.#last = member;
  }

  /** A member could not be reached, was silent, or broke off. */
  failed(member: number, nowMs: number): void {
    this.#avoidedUntilMs[member] = nowMs + AVOID_MS;
  }
}
