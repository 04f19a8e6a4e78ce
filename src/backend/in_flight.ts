/**
 * Changes that were sent to a server and that it may yet skip, by what they change.
 *
 * An error skips everything up to the next Sync: what depends on a change in the same batch shares its fate, but a later
 * batch has to wait until the change is settled. A batch is what lies between two Syncs, by {@link "./owed.ts"}'s serial.
 */
export class InFlight<K> {
  /** Made when it is needed: most sessions never pipeline a change. */
  #changes: Map<K, { batch: number; count: number }> | null = null;

  /** Number of things with a change in flight. */
  get size(): number {
    return this.#changes?.size ?? 0;
  }

  /** A change of `key` is sent now, in batch `batch`. Not while one of an earlier batch is {@link doubtful}. */
  begin(key: K, batch: number): void {
    this.#changes ??= new Map();
    const change = this.#changes.get(key);
    if (change === undefined) this.#changes.set(key, { batch, count: 1 });
    else {
      change.batch = batch;
      change.count++;
    }
  }

  /** The server made a change of `key`, or skipped it. */
  settle(key: K): void {
    const change = this.#changes?.get(key);
    if (change !== undefined && --change.count === 0) this.#changes!.delete(key);
  }

  /** Whether a change of `key` is in flight. */
  has(key: K): boolean {
    return this.#changes?.has(key) ?? false;
  }

  /** Whether a change of anything in another batch than `batch` is in flight. Looks at each. */
  anyDoubtful(batch: number): boolean {
    for (const change of this.#changes?.values() ?? []) if (change.batch !== batch) return true;
    return false;
  }

  /** Whether a change of `key` in another batch than `batch` is in flight: nobody knows yet what will be. */
  doubtful(key: K, batch: number): boolean {
    if (this.#changes === null || this.#changes.size === 0) return false;
    const change = this.#changes.get(key);
    return change !== undefined && change.batch !== batch;
  }
}
