import { TxStatus } from "../../protocol/mod.ts";
import type { Session } from "../../session/mod.ts";
import type { ConsoleParts } from "../parts.ts";
import { timestamp } from "../timestamp.ts";
import { type Cell, columns, type Table } from "../table.ts";

const COLUMNS = columns(
  "id int8, user text, database text, cluster text, state text, since text, wait_ms int8, pool_mode text, server int4, " +
    "pinned text, pinned_since text, prepared int4, application_name text, address text, tls text, connected text",
);

/** `sessions`: every client of a database, in the order in which they came; `server` is the backend's process id. */
export function sessionsTable(parts: ConsoleParts): Table {
  const nowMs = parts.worker.clock.nowMs();
  const startedMs = parts.worker.clock.wallMs() - nowMs;
  const when = (ms: number) => timestamp(startedMs + ms);
  const rows = [...parts.worker.sessions].map((session): Cell[] => {
    const { facts, pinned, waiting } = session;
    const { host, port } = facts.peer;
    return [
      facts.id,
      facts.user,
      facts.database,
      session.pool.key.cluster,
      stateOf(session),
      when(waiting ? session.waitingSinceMs : session.sinceMs),
      waiting ? Math.max(0, Math.round(nowMs - session.waitingSinceMs)) : 0,
      facts.mode,
      session.held?.identity.key?.pid ?? null,
      pinned === null ? null : session.pins.join(", "),
      pinned === null ? null : when(pinned.sinceMs),
      session.preparedCount,
      session.settings?.values.get("application_name") ?? facts.applicationName ?? "",
      port === 0 ? host : host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
      facts.tls,
      when(session.connectedMs),
    ];
  });
  return { columns: COLUMNS, rows };
}

/** What a session does, in the words of pg_stat_activity where it has them. */
function stateOf(session: Session): string {
  if (session.waiting) return "waiting";
  const { server } = session;
  if (server === null) return "idle";
  if (!server.owed.settled) return "active";
  if (server.txStatus === TxStatus.InTransaction) return "idle in transaction";
  if (server.txStatus === TxStatus.Failed) return "idle in transaction (aborted)";
  return "idle";
}
