import { columns, type Table } from "../answer/mod.ts";

/** PgBouncer's tables of things that pgplex does not have: no rows, but its columns, for programs that read them by position. */
const EMPTY = {
  PEERS: "peer_id int4, host text, port int4, pool_size int4",
  PEER_POOLS:
    "peer_id int4, cl_active_cancel_req int4, cl_waiting_cancel_req int4, sv_active_cancel int4, sv_login int4",
  DNS_HOSTS: "hostname text, ttl int8, addrs text",
  DNS_ZONES: "zonename text, serial int8, count int4",
} as const;

/** The names of these tables. */
export const EMPTY_TABLES = Object.keys(EMPTY) as (keyof typeof EMPTY)[];

/** The table of this name. */
export function emptyTable(name: keyof typeof EMPTY): Table {
  return { columns: columns(EMPTY[name]), rows: [] };
}
