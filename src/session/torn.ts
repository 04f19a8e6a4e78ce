import { Owed, type ServerConnection } from "../backend/mod.ts";
import { TxStatus } from "../protocol/mod.ts";
import type { Relay } from "../relay/mod.ts";

/** Whether of the last thing that a server owes it has not got the whole message: it cannot run it as it stands. */
export function isTorn({ progress: { midMessage } }: Relay, { owed }: ServerConnection): boolean {
  const last = owed.lastKind();
  return midMessage && (last === Owed.Query || last === Owed.FunctionCall);
}

/** Whether what a server owes is nothing that it could run as it stands: a part of a message, or a batch that ran nothing yet. */
export function runsNothing(relay: Relay, server: ServerConnection): boolean {
  if (server.txStatus !== TxStatus.Idle) return false;
  if (server.owed.length === 1 && isTorn(relay, server)) return true;
  // In session pooling nobody knows what of a batch ran.
  return relay.renames && server.owed.readies === 0 && !relay.watch.running;
}
