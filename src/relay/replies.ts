import { Back, encodeBack, encodeReadyForQuery, TxStatus } from "../protocol/mod.ts";

// Replies that pgplex gives by itself, as servers send them. Never written to.

/** ReadyForQuery outside a transaction. */
export const READY_IDLE: Uint8Array = encodeReadyForQuery(TxStatus.Idle);

/** CloseComplete. */
export const CLOSE_COMPLETE: Uint8Array = encodeBack(Back.CloseComplete, new Uint8Array(0));
