import type { SessionView } from "../../session/mod.ts";
import { type ConsoleParts, sessionsOf } from "./parts.ts";

/** Sessions and replication connections by the database that they asked for, under the console's name for it. */
export function clientsByDatabase(parts: ConsoleParts): Map<string, number> {
  const { worker } = parts;
  const counts = new Map<string, number>();
  const add = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const session of sessionsOf(parts)) add(databaseOf(parts, session));
  for (const { request } of worker.replications) add(request.name);
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
