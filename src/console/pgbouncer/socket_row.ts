import { type Cell, columns, timestamp } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** The columns of a {@link socketRow}. */
export const SOCKET_COLUMNS = columns(
  "type text, user text, database text, replication text, state text, addr text, port int4, local_addr text, " +
    "local_port int4, connect_time text, request_time text, wait int4, wait_us int4, close_needed int4, ptr text, " +
    "link text, remote_pid int4, tls text, application_name text, prepared_statements int4, id int4",
);

/** One connection, of a client or to a server, as these tables show it. */
export interface ShownSocket {
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
  /** `link` is the `ptr` of the connection on the other side, empty where there is none. */
  readonly ptr: string;
  readonly link: string;
  readonly remotePid: number;
  readonly tls: string;
  readonly applicationName: string;
  readonly preparedStatements: number;
  readonly id: number;
  /** Whether bytes are in transit. */
  readonly busy: boolean;
  /** The client's option `tag`; empty for servers. */
  readonly tag: string;
  /** The node that it leads to, for a client that of the connection which it holds; null where there is none. */
  readonly node: string | null;
}

/** A connection as a row of {@link SOCKET_COLUMNS}. */
export function socketRow({ worker: { runtime: { clock } } }: ConsoleParts, shown: ShownSocket): Cell[] {
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

/** Identifies a connection in `ptr` and `link`; unlike an address it is never reused. */
export function pointer(type: "C" | "S", id: number): string {
  return `${type}${id}`;
}
