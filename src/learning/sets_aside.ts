import type { StateWatch } from "./state_watch.ts";
import { Suspicion } from "./suspicion.ts";

/**
 * Whether what ran since the last look may have set one of the settings that a look puts aside for itself. Where nothing did, one that is at
 * its default is not SET, unless it was before. Pure.
 */
export function maySetAside({ ran, suspicion }: Pick<StateWatch, "ran" | "suspicion">): boolean {
  return suspicion === Suspicion.Anything || ran.some(({ traits }) => traits.setsAside);
}
