import type { ServerConnection } from "../backend/mod.ts";
import type { Pins } from "../lease/mod.ts";
import type { Listening } from "../listen/mod.ts";
import type { Relay, ToldSettings } from "../relay/mod.ts";

/** What of a session says it. */
export interface ToldByWordsParts {
  readonly relay: Relay;
  readonly told: ToldSettings;
  readonly pins: Pins;
  readonly listening: Listening;
}

/** Whether all that may have changed in the session is known by the words of what ran. It is the session's state from now on. */
export function takeToldByWords(
  { relay, told, pins, listening }: ToldByWordsParts,
  server: ServerConnection,
): boolean {
  const { assigned } = relay.watch;
  if (assigned === null || pins.reasons.length > 0) return false;
  if (server.foreignNames.size > 0 || listening.suspicious || told.current === null) return false;
  const { placeholders } = relay.watch.fingerprints;
  for (const [name, value] of assigned) {
    // Nothing may be a value, where the default is another.
    if (value === "" ? !server.state.hasNoDefault(name) : placeholders.wants(name)) return false;
  }
  told.assigned(server, assigned);
  return true;
}

/** Whether a look would tell for the first time what kinds of custom settings the words of what ran have set. */
export function asksForKinds({ watch: { assigned, fingerprints } }: Pick<Relay, "watch">): boolean {
  if (assigned === null) return false;
  for (const [name, value] of assigned) {
    if (value !== "" && fingerprints.placeholders.wants(name)) return true;
  }
  return false;
}
