import type { ServerConnection } from "../backend/mod.ts";
import type { StateWatch } from "../learning/mod.ts";

/** What is looked at of a server connection. */
export type PlanningServer = Pick<ServerConnection, "state" | "settings">;

/**
 * Whether what ran in a lease may have had routines planned by other settings than those that hold on the connection, or held as far as
 * it is known. It is asked before {@link StateWatch.judge} forgets what ran.
 */
export function mayMixPlans(watch: StateWatch, { state, settings }: PlanningServer): boolean {
  if (watch.readsOtherwise(false) || watch.fingerprints.mixPlans(watch.ran)) return true;
  if (!watch.wasReset) return false;
  // All was taken back, and the transaction may have brought it back.
  const [now, base] = [settings.reading, state.base.reading];
  return now.literals !== base.literals || now.constants !== base.constants;
}
