import type { ServerConnection } from "../backend/mod.ts";
import type { StateWatch } from "../learning/mod.ts";
import type { Lease } from "../lease/mod.ts";
import type { Listening } from "../listen/mod.ts";
import type { Relay, ToldSettings } from "../relay/mod.ts";

/** What of a session decides. */
export interface MustLookParts {
  readonly relay: Relay;
  readonly told: ToldSettings;
  readonly listening: Listening;
}

/** Whether what the session may have changed on its connection must be read at once. */
export function mustLook(
  { relay: { watch }, told, listening }: MustLookParts,
  lease: Pick<Lease, "wanted">,
  server: ServerConnection,
): boolean {
  return watch.urgent || listening.suspicious || listening.isForeign(server) || lease.wanted ||
    told.nameDoubtful(server) || asksForKinds(watch) ||
    (server.state.hasTempSchema && watch.setsPath && server.reported.mayCreateInTemp);
}

/** Whether a look would tell for the first time what kinds of custom settings the words of what ran have set. */
function asksForKinds({ assigned, fingerprints }: StateWatch): boolean {
  if (assigned === null) return false;
  for (const [name, value] of assigned) {
    if (value !== "" && fingerprints.placeholders.wants(name)) return true;
  }
  return false;
}
