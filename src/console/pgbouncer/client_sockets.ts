import type { ReplicationClient } from "../../login/mod.ts";
import { utf8FromBinary } from "../../protocol/mod.ts";
import { optionOf, type SessionView } from "../../session/mod.ts";
import {
  clientState,
  type ConnectedClient,
  type ConsoleParts,
  databaseOf,
  nodeNameAt,
  sessionsOf,
} from "../parts/mod.ts";
import { pointer, type ShownSocket } from "./socket_row.ts";

/** Every client: sessions, replication connections and those of the console, by id. */
export function clientSockets(parts: ConsoleParts): ShownSocket[] {
  return [
    ...sessionsOf(parts).map((session) => client(parts, session)),
    ...[...parts.worker.replications].map((replication) => replicationClient(parts, replication)),
    ...[...parts.clients].map((consoleClient) => visitor(parts, consoleClient)),
  ].sort((a, b) => a.id - b.id);
}

function client(parts: ConsoleParts, session: SessionView): ShownSocket {
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
    node: held === null ? null : nodeNameAt(parts, session.destination.key.cluster, held.identity.endpoint),
  };
}

/** The client of a replication connection. */
export function replicationClient(
  parts: ConsoleParts,
  { request, link, connectedMs }: ReplicationClient,
): ShownSocket {
  const state = link === null ? "waiting" : "active";
  const { values } = link?.server.parameters ?? {};
  return {
    type: "C",
    user: request.clientUser,
    database: request.name,
    replication: request.mode,
    state,
    socketState: `cl_${state}`,
    addr: request.peer.host,
    port: request.peer.port,
    localAddr: request.peer.localHost ?? null,
    localPort: request.peer.localPort ?? 0,
    connectMs: connectedMs,
    requestMs: connectedMs,
    waitMs: link === null ? parts.worker.runtime.clock.nowMs() - connectedMs : 0,
    closeNeeded: false,
    ptr: pointer("C", request.id),
    link: link === null ? "" : pointer("S", request.id),
    remotePid: 0,
    tls: request.tls ?? "",
    applicationName: utf8FromBinary(values?.get("application_name") ?? ""),
    preparedStatements: 0,
    id: request.id,
    busy: true,
    tag: "",
    node: link?.node.name ?? null,
  };
}

/** A client of the console: `active` while a command runs. */
function visitor(
  { worker: { config, runtime: { clock } } }: ConsoleParts,
  visitor: ConnectedClient,
): ShownSocket {
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
    node: null,
  };
}
