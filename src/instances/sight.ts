/** What an instance makes of the nodes of one cluster: by node, as in {@link InstanceView}. */
export type Healths = ReadonlyMap<string, string>;

/** A node that others hear is one that this instance has lost only behind this time, in milliseconds: they notice a death later. */
const PATIENCE_MS = 1_500;

/**
 * Whether most other instances see more of the nodes than this one does. Who leads moves what it can reach: one that has lost a node
 * which the others reach would leave them without a primary.
 */
export class Sight {
  readonly #ttlMs: number;
  /** Since when most others see more; null: they do not. */
  #worseSinceMs: number | null = null;
  /** When this instance gave the lead up for that. */
  #yieldedMs: number | null = null;

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
  }

  /** @param others by instance and cluster, those that are there; clusters that only one of two knows do not count */
  compare(
    own: ReadonlyMap<string, Healths>,
    others: Iterable<ReadonlyMap<string, Healths>>,
    nowMs: number,
  ): void {
    let [better, all] = [0, 0];
    for (const other of others) {
      all++;
      if (seesMore(other, own)) better++;
    }
    if (better * 2 > all) this.#worseSinceMs ??= nowMs;
    else this.#worseSinceMs = this.#yieldedMs = null;
  }

  /** Whether this instance, which leads, gives that up. Where nobody has taken it before, it does not once more. */
  yields(nowMs: number): boolean {
    return this.#worseSinceMs !== null && this.#yieldedMs === null &&
      nowMs - this.#worseSinceMs >= PATIENCE_MS;
  }

  yielded(nowMs: number): void {
    this.#yieldedMs = nowMs;
  }

  /** Whether the lead is left to others for now. */
  refrains(nowMs: number): boolean {
    return this.#yieldedMs !== null && nowMs - this.#yieldedMs < this.#ttlMs;
  }
}

function seesMore(other: ReadonlyMap<string, Healths>, own: ReadonlyMap<string, Healths>): boolean {
  let [theirs, ours] = [0, 0];
  for (const [cluster, healths] of own) {
    const [seen, known] = [other.get(cluster), healths];
    if (seen === undefined) continue;
    theirs += answering(seen);
    ours += answering(known);
  }
  return theirs > ours;
}

function answering(healths: Healths): number {
  let count = 0;
  for (const health of healths.values()) if (health !== "down" && health !== "unknown") count++;
  return count;
}
