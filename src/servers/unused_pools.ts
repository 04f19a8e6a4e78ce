/** For how long a pool that once had a server connection is kept when it has neither one nor a client. */
const EMPTY_MS = 60_000;

/** How one pool is used. */
export interface PoolUse {
  /** It has clients, server connections, or somebody who waits for one. */
  readonly used: boolean;
  /** A server connection was opened for it at least once. */
  readonly opened: boolean;
}

/**
 * Which pools may go, as nobody uses them: at the second look those for which no server connection could ever be opened, so
 * that whoever asks for databases that do not exist fills neither memory nor the console; after a minute those that were of
 * use, whose rows in the console and whose knowledge of statements outlive a pause between two clients. Pure.
 */
export class UnusedPools<P> {
  #sinceMs = new Map<P, number>();

  /** Looks at every pool there is. @returns those that may go now */
  look(pools: Iterable<readonly [P, PoolUse]>, nowMs: number): P[] {
    const sinceMs = new Map<P, number>();
    const gone: P[] = [];
    for (const [pool, { used, opened }] of pools) {
      if (used) continue;
      const since = this.#sinceMs.get(pool);
      if (since !== undefined && (!opened || nowMs - since >= EMPTY_MS)) gone.push(pool);
      else sinceMs.set(pool, since ?? nowMs);
    }
    this.#sinceMs = sinceMs;
    return gone;
  }
}
