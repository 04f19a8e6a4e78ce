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
  const { watch } = relay;
  const { assigned, fingerprints: { placeholders } } = watch;
  if (assigned === null || pins.mayHold || watch.seeds) return false;
  if (server.foreignNames.size > 0 || listening.suspicious || told.current === null) return false;
  // The temporary schema of the backend may be the session's own.
  if (watch.madeTempSchema && told.current.createsInTemp) return false;
  for (const [name, value] of assigned) {
    // Nothing may be a value, where the default is another.
    if (value === "" ? !server.state.hasNoDefault(name) : placeholders.wants(name)) return false;
  }
  for (const name of assigned.keys()) placeholders.wasSet(name);
  told.assigned(server, assigned);
  return true;
}
