import type { ServerConnection } from "../../backend/mod.ts";
import type { ReplicationClient, ReplicationLink } from "../../login/mod.ts";
import { utf8FromBinary } from "../../protocol/mod.ts";
import type { DestinationKey, ServerPool } from "../../servers/mod.ts";
import type { SessionView } from "../../session/mod.ts";
import { type ConsoleParts, nodeNameAt, sessionsOf } from "../parts/mod.ts";
import { replicationClient } from "./client_sockets.ts";
import { pointer, type ShownSocket } from "./socket_row.ts";

/** Every server connection: of pools, shared listeners and replication, also while it logs in; by id. */
export function serverSockets(parts: ConsoleParts): ShownSocket[] {
  const { worker: { pools, runtime: { clock } } } = parts;
  const holders = new Map<ServerConnection, SessionView>();
  for (const session of sessionsOf(parts)) if (session.held !== null) holders.set(session.held, session);
  const shown: ShownSocket[] = [];
  for (const pool of pools.all()) {
    const idle = new Set([...pool.pool.idle()].map(({ connection }) => connection));
    for (const server of pool.pool.resources()) {
      const { connection } = server;
      const holder = holders.get(connection) ?? null;
      const state = idle.has(connection) ? "idle" : holder?.server === connection ? "active" : "tested";
      shown.push({
        ...pooled(parts, pool, connection, holder),
        state,
        socketState: `sv_${state}`,
        closeNeeded: !idle.has(connection) && pool.pool.mustEnd(server),
        busy: state !== "idle",
      });
    }
    for (const [id, sinceMs] of pool.logins) shown.push(loggingIn(parts, pool, id, sinceMs, clock.nowMs()));
  }
  for (const { destination, connection, channels } of parts.worker.listeners.all()) {
    if (connection === null) continue;
    const state = channels.length > 0 ? "active" : "idle";
    shown.push({ ...pooled(parts, destination, connection, null), state, socketState: `sv_${state}` });
  }
  for (const replication of parts.worker.replications) {
    if (replication.link !== null) shown.push(replicationServer(parts, replication, replication.link));
  }
  return shown.sort((a, b) => a.id - b.id);
}

function pooled(
  parts: ConsoleParts,
  owner: { readonly key: DestinationKey },
  connection: ServerConnection,
  holder: SessionView | null,
): ShownSocket {
  const { identity, openedMs, tenancy } = connection;
  const { host, port } = identity.endpoint;
  return {
    type: "S",
    user: identity.user,
    database: parts.worker.pools.nameOf(owner),
    replication: "none",
    state: "idle",
    socketState: "sv_idle",
    addr: host,
    port,
    localAddr: null,
    localPort: 0,
    connectMs: openedMs,
    requestMs: holder?.requestMs ?? tenancy.usedMs,
    waitMs: 0,
    closeNeeded: false,
    ptr: pointer("S", connection.id),
    link: holder === null ? "" : pointer("C", holder.facts.id),
    remotePid: identity.key?.pid ?? 0,
    tls: identity.tls ?? "",
    applicationName: utf8FromBinary(holder?.settings?.values.get("application_name") ?? ""),
    preparedStatements: connection.prepared.size + connection.sqlStatements.size,
    id: connection.id,
    busy: false,
    tag: "",
    node: nodeNameAt(parts, owner.key.cluster, identity.endpoint),
  };
}

/** A connection that is being opened: only its destination is known yet. */
function loggingIn(
  { worker: { pools } }: ConsoleParts,
  pool: ServerPool,
  id: number,
  sinceMs: number,
  nowMs: number,
): ShownSocket {
  const { key: { user }, node: { host, port } } = pool;
  return {
    type: "S",
    user,
    database: pools.nameOf(pool),
    replication: "none",
    state: "new",
    socketState: "sv_login",
    addr: host,
    port,
    localAddr: null,
    localPort: 0,
    connectMs: sinceMs,
    requestMs: sinceMs,
    waitMs: nowMs - sinceMs,
    closeNeeded: pool.pool.paused,
    ptr: pointer("S", id),
    link: "",
    remotePid: 0,
    tls: "",
    applicationName: "",
    preparedStatements: 0,
    id,
    busy: true,
    tag: "",
    node: pool.node.name,
  };
}

function replicationServer(
  parts: ConsoleParts,
  replication: ReplicationClient,
  { server }: ReplicationLink,
): ShownSocket {
  const { request } = replication;
  return {
    ...replicationClient(parts, replication),
    type: "S",
    user: request.user,
    socketState: "sv_active",
    addr: server.endpoint.host,
    port: server.endpoint.port,
    localAddr: null,
    localPort: 0,
    ptr: pointer("S", request.id),
    link: pointer("C", request.id),
    remotePid: server.key?.pid ?? 0,
    tls: server.tls ?? "",
  };
}
