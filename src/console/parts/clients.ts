import type { SessionView } from "../../session/mod.ts";
import type { Destination } from "../../servers/mod.ts";
import type { ConsoleParts } from "./parts.ts";

/** Sessions and replication connections by the database that they asked for, under the console's name for it. */
export function clientsByDatabase(parts: ConsoleParts): Map<string, number> {
  const { worker } = parts;
  const byDestination = new Map<Destination, number>();
  for (const { destination } of worker.sessions) {
    byDestination.set(destination, (byDestination.get(destination) ?? 0) + 1);
  }
  const counts = new Map<string, number>();
  const add = (name: string, count: number) => counts.set(name, (counts.get(name) ?? 0) + count);
  for (const [destination, count] of byDestination) add(worker.pools.nameOf(destination), count);
  for (const { request } of worker.replications) add(request.name, 1);
  return counts;
}

/** The console's name for a session's database. */
export function databaseOf({ worker: { pools } }: ConsoleParts, session: SessionView): string {
  return pools.nameOf(session.destination);
}

/** A session's state in PgBouncer's terms: `active` has a server connection, `idle` has none and does not wait for one. */
export function clientState(session: SessionView): "active" | "idle" | "waiting" {
  if (session.waiting) return "waiting";
  return session.server === null ? "idle" : "active";
}
