import type { ServerConnection } from "../backend/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import { TxStatus } from "../protocol/mod.ts";
import type { ServerPool } from "./server_pool.ts";

/** Whoever keeps a connection between transactions gives it back within this time, or loses it; milliseconds. */
const GIVE_BACK_MS = 300;

/**
 * Takes the server connections at one node from their sessions, to which no other one is lent meanwhile: what is idle ends now, what a
 * session keeps to be read is read, a transaction goes on to its end. What is kept without one (by a pin, or in session pooling) is cut
 * when no transaction runs any more, as another one could begin there. Who does begin another one loses the connection behind it, once
 * nobody else is waited for: of many who go on there would always be one that runs. So whoever is cut is not cut in vain while the
 * end of a transaction from before stands out.
 */
export class NodeDrain {
  readonly #pools: readonly ServerPool[];
  readonly #sinceMs: number;
  /** Of each connection how often it had rested when this began. */
  readonly #rests = new Map<ServerConnection, number>();

  constructor(pools: Iterable<ServerPool>, nowMs: number) {
    this.#pools = [...pools];
    this.#sinceMs = nowMs;
    for (const { pool } of this.#pools) {
      pool.recycle(nowMs);
      for (const { connection } of pool.resources()) this.#rests.set(connection, connection.rests);
    }
  }

  /** The sessions keep what they have from here on. */
  end(): void {
    for (const connection of this.#rests.keys()) connection.cutAtRest(null);
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
    let [awaited, again] = [false, [] as ServerConnection[]];
    const isLate = nowMs - this.#sinceMs >= GIVE_BACK_MS;
    for (const { pool } of this.#pools) {
      if (pool.leasedCount === 0) continue;
      for (const { connection } of [...pool.resources()]) {
        if (connection.closed) continue;
        const isRunning = connection.txStatus !== TxStatus.Idle || !connection.owed.settled;
        if (cut) connection.cut(error);
        else if (!isRunning) keeps = true;
        else {
          runs = true;
          if (connection.rests > (this.#rests.get(connection) ?? -1)) again.push(connection);
          else awaited = true;
        }
      }
    }
    if (isLate && !awaited) { for (const connection of again) connection.cutAtRest(error); }
    if (runs || (keeps && !isLate)) return false;
    if (keeps) {
      for (const { pool } of this.#pools) {
        for (const { connection } of [...pool.resources()]) connection.cut(error);
      }
    }
    return this.#pools.every(({ pool }) => pool.leasedCount === 0);
  }
}
