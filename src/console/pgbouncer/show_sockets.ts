import type { ServerConnection } from "../../backend/mod.ts";
import { utf8FromBinary } from "../../protocol/mod.ts";
import { optionOf, type SessionView } from "../../session/mod.ts";
import { type ReplicationClient } from "../../login/mod.ts";
import type { DestinationKey, ServerPool } from "../../servers/mod.ts";
import type { ConsoleClient } from "../client.ts";
import { type ConsoleParts, sessionsOf } from "../parts.ts";
import { type Cell, columns, type Table } from "../table.ts";
import { timestamp } from "../timestamp.ts";
import { clientState, databaseOf } from "./clients.ts";

const COLUMNS = columns(
  "type text, user text, database text, replication text, state text, addr text, port int4, local_addr text, " +
    "local_port int4, connect_time text, request_time text, wait int4, wait_us int4, close_needed int4, ptr text, " +
    "link text, remote_pid int4, tls text, application_name text, prepared_statements int4, id int4",
);

const SOCKET_COLUMNS = columns(
  "recv_pos int4, pkt_pos int4, pkt_remain int4, send_pos int4, send_remain int4, pkt_avail int4, send_avail int4",
);

/** One connection, of a client or to a server, as these tables show it. */
interface Shown {
  readonly type: "C" | "S";
  readonly user: string;
  readonly database: string;
  readonly replication: "none" | "logical" | "physical";
  readonly state: string;
  /** The state's name in SHOW SOCKETS. */
  readonly socketState: string;
  readonly addr: string;
  readonly port: number;
  readonly localAddr: string | null;
  readonly localPort: number;
  readonly connectMs: number;
  readonly requestMs: number;
  readonly waitMs: number;
  readonly closeNeeded: boolean;
  /** Joins clients and servers: `link` is the other one's `ptr`, empty where there is none. */
  readonly ptr: string;
  readonly link: string;
  readonly remotePid: number;
  readonly tls: string;
  readonly applicationName: string;
  readonly preparedStatements: number;
  readonly id: number;
  /** Whether bytes are on their way. */
  readonly busy: boolean;
  /** The client's option `tag`; empty for servers. */
  readonly tag: string;
}

/** SHOW CLIENTS: PgBouncer's columns, and the tag that a client gave itself. */
export function showClients(parts: ConsoleParts): Table {
  return {
    columns: [...COLUMNS, { name: "tag", type: "text" }],
    rows: clients(parts).map((shown) => [...row(parts, shown), shown.tag]),
  };
}

/** SHOW SERVERS. */
export function showServers(parts: ConsoleParts): Table {
  return { columns: COLUMNS, rows: servers(parts).map((shown) => row(parts, shown)) };
}

/**
 * SHOW SOCKETS, and SHOW ACTIVE_SOCKETS: only those with bytes on their way. The positions in PgBouncer's buffers, which
 * pgplex does not have, are 0.
 */
export function showSockets(parts: ConsoleParts, activeOnly: boolean): Table {
  const shown = [...clients(parts), ...servers(parts)].filter(({ busy }) => busy || !activeOnly);
  const rows = shown.map((socket) => [
    ...row(parts, { ...socket, state: socket.socketState }),
    ...SOCKET_COLUMNS.map(() => 0),
  ]);
  return { columns: [...COLUMNS, ...SOCKET_COLUMNS], rows };
}

function row({ worker: { runtime: { clock } } }: ConsoleParts, shown: Shown): Cell[] {
  return [
    shown.type,
    shown.user,
    shown.database,
    shown.replication,
    shown.state,
    shown.addr,
    shown.port,
    shown.localAddr,
    shown.localPort,
    timestamp(clock, shown.connectMs),
    timestamp(clock, shown.requestMs),
    Math.floor(shown.waitMs / 1000),
    Math.floor((shown.waitMs % 1000) * 1000),
    shown.closeNeeded ? 1 : 0,
    shown.ptr,
    shown.link,
    shown.remotePid,
    shown.tls,
    shown.applicationName,
    shown.preparedStatements,
    shown.id,
  ];
}

/** What joins a connection to its other side: unlike an address, it is never used again. */
function pointer(type: "C" | "S", id: number): string {
  return `${type}${id}`;
}

function clients(parts: ConsoleParts): Shown[] {
  return [
    ...sessionsOf(parts).map((session) => client(parts, session)),
    ...[...parts.worker.replications].map((replication) => replicationClient(replication)),
    ...[...parts.clients].map((consoleClient) => visitor(parts, consoleClient)),
  ].sort((a, b) => a.id - b.id);
}

function client(parts: ConsoleParts, session: SessionView): Shown {
  const { facts, held } = session;
  const state = clientState(session);
  const nowMs = parts.worker.runtime.clock.nowMs();
  return {
    type: "C",
    user: facts.user,
    database: databaseOf(parts, session),
    replication: "none",
    state,
    socketState: state === "waiting" ? "cl_waiting" : "cl_active",
    addr: facts.peer.host,
    port: facts.peer.port,
    localAddr: facts.peer.localHost ?? null,
    localPort: facts.peer.localPort ?? 0,
    connectMs: session.connectedMs,
    requestMs: session.requestMs,
    waitMs: session.waiting ? nowMs - session.waitingSinceMs : 0,
    closeNeeded: false,
    ptr: pointer("C", facts.id),
    link: held === null ? "" : pointer("S", held.id),
    remotePid: 0,
    tls: facts.tls ?? "",
    applicationName: utf8FromBinary(session.settings?.values.get("application_name") ?? ""),
    preparedStatements: session.preparedCount,
    id: facts.id,
    busy: session.waiting || session.busy || session.writing,
    tag: optionOf(session, "tag"),
  };
}

function replicationClient({ request, server, connectedMs }: ReplicationClient): Shown {
  return {
    type: "C",
    user: request.user,
    database: request.name,
    replication: request.mode,
    state: "active",
    socketState: "cl_active",
    addr: request.peer.host,
    port: request.peer.port,
    localAddr: request.peer.localHost ?? null,
    localPort: request.peer.localPort ?? 0,
    connectMs: connectedMs,
    requestMs: connectedMs,
    waitMs: 0,
    closeNeeded: false,
    ptr: pointer("C", request.id),
    link: pointer("S", request.id),
    remotePid: 0,
    tls: request.tls ?? "",
    applicationName: utf8FromBinary(server.parameters.values.get("application_name") ?? ""),
    preparedStatements: 0,
    id: request.id,
    busy: true,
    tag: "",
  };
}

/** A client of the console: `waiting` while a command of its own waits. */
function visitor({ worker: { config, runtime: { clock } } }: ConsoleParts, visitor: ConsoleClient): Shown {
  const { peer, command, requestMs } = visitor;
  return {
    type: "C",
    user: visitor.user,
    database: config.console.database,
    replication: "none",
    state: command === null ? "idle" : "active",
    socketState: "cl_active",
    addr: peer.host,
    port: peer.port,
    localAddr: peer.localHost ?? null,
    localPort: peer.localPort ?? 0,
    connectMs: visitor.connectedMs,
    requestMs,
    waitMs: command === null ? 0 : clock.nowMs() - requestMs,
    closeNeeded: false,
    ptr: pointer("C", visitor.id),
    link: "",
    remotePid: 0,
    tls: visitor.tls ?? "",
    applicationName: visitor.applicationName,
    preparedStatements: visitor.preparedStatements,
    id: visitor.id,
    busy: command !== null,
    tag: visitor.tag,
  };
}

function servers(parts: ConsoleParts): Shown[] {
  const { worker: { pools, runtime: { clock } } } = parts;
  const holders = new Map<ServerConnection, SessionView>();
  for (const session of sessionsOf(parts)) if (session.held !== null) holders.set(session.held, session);
  const shown: Shown[] = [];
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
  for (const { request, server, connectedMs } of parts.worker.replications) {
    shown.push(replicationServer(request, server, connectedMs));
  }
  return shown.sort((a, b) => a.id - b.id);
}

function pooled(
  { worker: { pools } }: ConsoleParts,
  owner: { readonly key: DestinationKey },
  connection: ServerConnection,
  holder: SessionView | null,
): Shown {
  const { identity, openedMs, usedMs } = connection;
  const { host, port } = identity.endpoint;
  return {
    type: "S",
    user: identity.user,
    database: pools.nameOf(owner),
    replication: "none",
    state: "idle",
    socketState: "sv_idle",
    addr: host,
    port,
    localAddr: null,
    localPort: 0,
    connectMs: openedMs,
    requestMs: holder?.requestMs ?? usedMs,
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
  };
}

/** A connection that is being opened: nothing is known of it but where it goes. */
function loggingIn(
  { worker: { pools } }: ConsoleParts,
  pool: ServerPool,
  id: number,
  sinceMs: number,
  nowMs: number,
): Shown {
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
  };
}

function replicationServer(
  request: ReplicationClient["request"],
  server: ReplicationClient["server"],
  connectedMs: number,
): Shown {
  const shown = replicationClient({ request, server, connectedMs, end() {} });
  return {
    ...shown,
    type: "S",
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
