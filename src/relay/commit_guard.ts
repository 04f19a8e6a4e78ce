import {
  type CommitNote,
  commitNoteIn,
  commitNoteSql,
  Mark,
  Owed,
  runInternal,
  type ServerConnection,
} from "../backend/mod.ts";
import { Control, Front, TxStatus } from "../protocol/mod.ts";
import type { Progress } from "./progress.ts";

/** Takes rows of pgplex's own out of what a server sends. */
export interface RowTaker {
  /** A row comes that is not the client's: the next. */
  takesRow(): void;
}

/**
 * With `commit_guard` on: what is asked in front of a COMMIT, in the same packet, and what came of it. Pure.
 *
 * Invariant: a note is of the COMMIT that was sent last on the lease's server connection.
 */
export class CommitGuard {
  #taker: RowTaker | null = null;
  #server: ServerConnection | null = null;
  #marker = "";
  #note: CommitNote | null = null;

  /** Who takes the rows. */
  readBy(taker: RowTaker): void {
    this.#taker = taker;
  }

  /** What is known of the transaction whose COMMIT is on its way to `server`; null: nothing. */
  noteOf(server: ServerConnection): CommitNote | null {
    return this.#server === server ? this.#note : null;
  }

  /**
   * A statement goes to the server next that may commit.
   *
   * @param control what it does, a sum of `Control`
   * @param marker for a note of it; null: none is wanted
   */
  before(
    server: ServerConnection,
    control: number,
    { progress, simple, marker }: {
      readonly progress: Progress;
      readonly simple: boolean;
      readonly marker: string | null;
    },
  ): void {
    this.#server = this.#note = null;
    if (marker === null || (control & Control.CommitsAlone) === 0 || this.#taker === null) return;
    const { owed, out, txStatus } = server;
    if (txStatus !== TxStatus.InTransaction || owed.skipping || owed.copyIn) return;
    // Behind anything that runs nobody knows where the transaction stands; and no Sync may stand in a client's batch.
    if (owed.readies > 0 || owed.running > 0 || (simple && progress.batchSent)) return;
    this.#server = server;
    this.#marker = marker;
    runInternal(server, commitNoteSql(marker));
    progress.syncAhead(server, simple);
    // Its reply is to be here while the COMMIT takes its time.
    if (!simple) out.put(FLUSH);
    this.#taker.takesRow();
  }

  /** The complete DataRow at `at` came. Whether it is pgplex's own. */
  row(server: ServerConnection, bytes: Uint8Array, at: number): boolean {
    if (server.owed.peek() !== (Owed.Execute | Mark.Swallow)) return false;
    if (this.#server === server) this.#note = commitNoteIn(bytes, at, this.#marker);
    return true;
  }
}

const FLUSH = Uint8Array.of(Front.Flush, 0, 0, 0, 4);
