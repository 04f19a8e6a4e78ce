import { Owed, type ServerConnection } from "../backend/mod.ts";
import type { Relay } from "../relay/mod.ts";

/** Whether of the last thing that a server owes it has not got the whole message: it cannot run it as it stands. */
export function isTorn({ progress: { midMessage } }: Relay, { owed }: ServerConnection): boolean {
  const last = owed.lastKind();
  return midMessage && (last === Owed.Query || last === Owed.FunctionCall);
}
