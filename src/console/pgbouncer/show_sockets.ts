import { columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";
import { clientSockets } from "./client_sockets.ts";
import { serverSockets } from "./server_sockets.ts";
import { SOCKET_COLUMNS, socketRow } from "./socket_row.ts";

/** Positions in PgBouncer's buffers. */
const POSITION_COLUMNS = columns(
  "recv_pos int4, pkt_pos int4, pkt_remain int4, send_pos int4, send_remain int4, pkt_avail int4, send_avail int4",
);

const NODE = { name: "node", type: "text" } as const;

/** SHOW CLIENTS: PgBouncer's columns, the tag that a client gave itself, and the node at which it has a server connection. */
export function showClients(parts: ConsoleParts): Table {
  return {
    columns: [...SOCKET_COLUMNS, { name: "tag", type: "text" }, NODE],
    rows: clientSockets(parts).map((shown) => [...socketRow(parts, shown), shown.tag, shown.node]),
  };
}

/** SHOW SERVERS: PgBouncer's columns, and the node. */
export function showServers(parts: ConsoleParts): Table {
  return {
    columns: [...SOCKET_COLUMNS, NODE],
    rows: serverSockets(parts).map((shown) => [...socketRow(parts, shown), shown.node]),
  };
}

/**
 * SHOW SOCKETS, and SHOW ACTIVE_SOCKETS: only those with bytes in transit. The positions in PgBouncer's buffers, which
 * pgplex does not have, are 0.
 */
export function showSockets(parts: ConsoleParts, activeOnly: boolean): Table {
  const shown = [...clientSockets(parts), ...serverSockets(parts)].filter(({ busy }) => busy || !activeOnly);
  const rows = shown.map((socket) => [
    ...socketRow(parts, { ...socket, state: socket.socketState }),
    ...POSITION_COLUMNS.map(() => 0),
  ]);
  return { columns: [...SOCKET_COLUMNS, ...POSITION_COLUMNS], rows };
}
