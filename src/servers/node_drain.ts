import type { PgplexError } from "../kernel/mod.ts";
import { TxStatus } from "../protocol/mod.ts";
import type { ServerPool } from "./server_pool.ts";

/** Whoever keeps a connection between transactions gives it back within this time, or loses it; milliseconds. */
const GIVE_BACK_MS = 300;

/**
 * Takes the server connections at one node from their sessions, to which no other one is lent meanwhile: what is idle ends now, what a
 * session keeps to be read is read, a transaction goes on to its end. What is kept without one (by a pin, or in session pooling) is cut
 * when no transaction runs any more, as another one could begin there.
 */
export class NodeDrain {
  readonly #pools: readonly ServerPool[];
  readonly #sinceMs: number;

  constructor(pools: Iterable<ServerPool>, nowMs: number) {
    this.#pools = [...pools];
    this.#sinceMs = nowMs;
    for (const { pool } of this.#pools) pool.recycle(nowMs);
  }

  /**
   * Looks how far that is. Call it until it is true.
   *
   * @param error what those hear that are cut
   * @param cut transactions are cut, too
   * @returns whether nothing runs there, and nothing can begin
   */
  look(nowMs: number, error: PgplexError, cut: boolean): boolean {
    let [runs, keeps] = [false, false];
    for (const { pool } of this.#pools) {
      if (pool.leasedCount === 0) continue;
      for (const { connection } of [...pool.resources()]) {
        if (connection.closed) continue;
        const isRunning = connection.txStatus !== TxStatus.Idle || !connection.owed.settled;
        if (cut) connection.cut(error);
        else if (isRunning) runs = true;
        else keeps = true;
      }
    }
    if (runs || (keeps && nowMs - this.#sinceMs < GIVE_BACK_MS)) return false;
    if (keeps) {
      for (const { pool } of this.#pools) {
        for (const { connection } of [...pool.resources()]) connection.cut(error);
      }
    }
    return this.#pools.every(({ pool }) => pool.leasedCount === 0);
  }
}
