import { LARGE_BUFFER_BYTES } from "../../transport/mod.ts";
import type { ConsoleParts } from "../parts.ts";
import { type Cell, columns, type Table } from "../table.ts";
import { listDatabases } from "./database_list.ts";
import { showPools } from "./show_pools.ts";

/** SHOW LISTS: how many there are of what. */
export function showLists(parts: ConsoleParts): Table {
  const { worker, clients } = parts;
  let servers = 0;
  for (const { pool } of worker.pools.all()) servers += pool.total;
  for (const { connection } of worker.listeners.all()) if (connection !== null) servers++;
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
    ["used_servers", servers + worker.replications.size],
    ["dns_names", 0],
    ["dns_zones", 0],
    ["dns_queries", 0],
    ["dns_pending", 0],
  ];
  return { columns: columns("list text, items int4"), rows };
}

/** SHOW USERS: those that the configuration names, and whoever else is there. */
export function showUsers(parts: ConsoleParts): Table {
  const { config, pools, sessions, replications } = parts.worker;
  const servers = new Map<string, number>();
  const clients = new Map<string, number>();
  const add = (counts: Map<string, number>, user: string, count: number) =>
    counts.set(user, (counts.get(user) ?? 0) + count);
  for (const { key, pool } of pools.all()) add(servers, key.user, pool.total);
  for (const { facts } of sessions) add(clients, facts.user, 1);
  for (const { user } of parts.clients) add(clients, user, 1);
  for (const { request: { user } } of replications) {
    add(clients, user, 1);
    add(servers, user, 1);
  }
  const rows = userNames(parts).map((user): Cell[] => [
    user,
    "",
    "",
    null,
    config.pool.max_user_connections,
    servers.get(user) ?? 0,
    0,
    clients.get(user) ?? 0,
  ]);
  return {
    columns: columns(
      "name text, pool_size text, reserve_pool_size text, pool_mode text, max_user_connections int4, " +
        "current_connections int4, max_user_client_connections int4, current_client_connections int4",
    ),
    rows,
  };
}

function userNames({ worker: { config, pools, sessions, replications }, clients }: ConsoleParts): string[] {
  const names = new Set(config.auth.users.keys());
  for (const { key } of pools.all()) names.add(key.user);
  for (const { facts } of sessions) names.add(facts.user);
  for (const { request } of replications) names.add(request.user);
  for (const { user } of clients) names.add(user);
  return [...names].sort();
}

/** SHOW MEM: what is kept, in bytes where a size is known; the runtime's own memory last. */
export function showMem({ worker, clients }: ConsoleParts): Table {
  const { sessions, pools, runtime: { buffers, statements } } = worker;
  let servers = 0;
  let fingerprints = 0;
  for (const { pool } of pools.all()) servers += pool.idleCount + pool.leasedCount;
  for (const { fingerprints: { size } } of pools.fingerprints()) fingerprints += size;
  const row = (name: string, size: number, used: number, free = 0): Cell[] => [
    name,
    size,
    used,
    free,
    size * (used + free),
  ];
  const { rss, heapTotal, heapUsed } = Deno.memoryUsage();
  return {
    columns: columns("name text, size int4, used int4, free int4, memtotal int8"),
    rows: [
      row("session", 0, sessions.size),
      row("console_client", 0, clients.size),
      row("server", 0, servers),
      row("buffer", LARGE_BUFFER_BYTES, buffers.lent, buffers.free),
      row("prepared_statement", 0, statements.size),
      row("fingerprint", 0, fingerprints),
      ["heap", 1, heapUsed, heapTotal - heapUsed, heapTotal],
      ["process", 1, rss, 0, rss],
    ],
  };
}
