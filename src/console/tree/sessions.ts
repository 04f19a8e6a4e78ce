import { TxStatus, utf8FromBinary } from "../../protocol/mod.ts";
import { describeOptions, optionOf, type SessionView } from "../../session/mod.ts";
import { type Cell, columns, type Table, timestamp } from "../answer/mod.ts";
import { type ConsoleParts, sessionsOf } from "../parts/mod.ts";
import { branch, leafNode, merged, type ReadyNode } from "./node.ts";
import { tableNode } from "./table_node.ts";

const COLUMNS = columns(
  "id int4, user text, database text, cluster text, state text, since text, wait_ms int8, pool_mode text, server int4, " +
    "pinned text, pinned_since text, prepared int4, application_name text, address text, tls text, connected text, " +
    "intent text, tag text",
);

/** `sessions`: the table, and below each id its row and the options that hold. */
export function sessionsNode(parts: ConsoleParts): ReadyNode {
  const rows = tableNode(sessionsTable(parts), ["id"]);
  const sessions = new Map(sessionsOf(parts).map((session) => [String(session.facts.id), session]));
  const options = (session: SessionView) =>
    branch(
      new Map(
        describeOptions(session).map(([name, value, source, description]) => [
          name,
          leafNode({ value, source, changeable: "no", default: null, pending: null, description }),
        ]),
      ),
    );
  return {
    ...rows,
    child: (id) => {
      const session = sessions.get(id);
      return session && merged(rows.child(id), branch(new Map([["options", options(session)]])));
    },
  };
}

/** Every client of a database, in the order in which they came; `server` is the backend's process id. */
export function sessionsTable(parts: ConsoleParts): Table {
  const nowMs = parts.worker.runtime.clock.nowMs();
  const when = (ms: number) => timestamp(parts.worker.runtime.clock, ms);
  const rows = sessionsOf(parts).map((session): Cell[] => {
    const { facts, pinned, waiting } = session;
    const { host, port } = facts.peer;
    return [
      facts.id,
      facts.user,
      facts.database,
      session.destination.key.cluster,
      stateOf(session),
      when(waiting ? session.waitingSinceMs : session.sinceMs),
      waiting ? Math.max(0, Math.round(nowMs - session.waitingSinceMs)) : 0,
      session.poolMode,
      session.held?.identity.key?.pid ?? null,
      pinned === null ? null : session.pins.join(", "),
      pinned === null ? null : when(pinned.sinceMs),
      session.preparedCount,
      utf8FromBinary(session.settings?.values.get("application_name") ?? facts.applicationName ?? ""),
      port === 0 ? host : host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`,
      facts.tls,
      when(session.connectedMs),
      optionOf(session, "intent"),
      optionOf(session, "tag"),
    ];
  });
  return { columns: COLUMNS, rows };
}

/** What a session does, in the words of pg_stat_activity where it has them. */
function stateOf(session: SessionView): string {
  if (session.waiting) return "waiting";
  const { server } = session;
  if (server === null) return "idle";
  if (!server.owed.settled) return "active";
  if (server.txStatus === TxStatus.InTransaction) return "idle in transaction";
  if (server.txStatus === TxStatus.Failed) return "idle in transaction (aborted)";
  return "idle";
}
