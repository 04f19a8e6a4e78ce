import type { OwedReplies, ServerConnection } from "../backend/mod.ts";
import { TxStatus } from "../protocol/mod.ts";

/** Where the last BEGIN, COMMIT, ROLLBACK or the like went to the server by the extended protocol. Pure. */
export class TransactionControl {
  #owed: OwedReplies | null = null;
  #batch = -1;

  /** One goes to the server. */
  sent(owed: OwedReplies): void {
    this.#owed = owed;
    this.#batch = owed.batch;
  }

  /** Whether one was sent in the batch at hand. */
  standsIn(owed: OwedReplies): boolean {
    return this.#owed === owed && this.#batch === owed.batch;
  }

  /** Whether the server takes nothing from pgplex before the statement at hand. */
  refuses({ owed, txStatus }: ServerConnection): boolean {
    if (owed.skipping) return true;
    // Behind a ROLLBACK in the same batch it does.
    return txStatus === TxStatus.Failed && !(this.standsIn(owed) && !owed.settled);
  }
}
