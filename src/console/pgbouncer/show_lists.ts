import { type Cell, columns, type Table } from "../answer/mod.ts";
import { type ConsoleParts, listDatabases } from "../parts/mod.ts";
import { showPools } from "./show_pools.ts";
import { userNames } from "./show_users.ts";

/** SHOW LISTS: how many databases, users, pools, clients and servers there are. */
export function showLists(parts: ConsoleParts): Table {
  const { worker, clients } = parts;
  let servers = 0;
  for (const { pool } of worker.pools.all()) servers += pool.total;
  for (const { connection } of worker.listeners.all()) if (connection !== null) servers++;
  for (const { link } of worker.replications) if (link !== null) servers++;
  const rows: Cell[][] = [
    ["databases", listDatabases(parts).length + 1],
    ["users", userNames(parts).length],
    ["peers", 0],
    ["pools", showPools(parts).rows.length],
    ["peer_pools", 0],
    ["free_clients", 0],
    ["used_clients", worker.sessions.size + worker.replications.size + clients.size],
    ["login_clients", worker.counters.loggingIn],
    ["free_servers", 0],
    ["used_servers", servers],
    ["dns_names", 0],
    ["dns_zones", 0],
    ["dns_queries", 0],
    ["dns_pending", 0],
  ];
  return { columns: columns("list text, items int4"), rows };
}
