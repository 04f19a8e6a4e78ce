import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** SHOW USERS: the users of the configuration, and all others that have a pool or a client. */
export function showUsers(parts: ConsoleParts): Table {
  const { config, pools, sessions, replications } = parts.worker;
  const servers = new Map<string, number>();
  const clients = new Map<string, number>();
  const add = (counts: Map<string, number>, user: string, count: number) =>
    counts.set(user, (counts.get(user) ?? 0) + count);
  for (const { key, pool } of pools.all()) add(servers, key.user, pool.total);
  for (const { facts } of sessions) add(clients, facts.user, 1);
  for (const { user } of parts.clients) add(clients, user, 1);
  for (const { request: { user, clientUser }, link } of replications) {
    add(clients, clientUser, 1);
    if (link !== null) add(servers, user, 1);
  }
  const rows = userNames(parts).map((user): Cell[] => {
    const own = config.users.get(user);
    return [
      user,
      // Empty where the user has none of its own, as in PgBouncer, which has text here.
      String(own?.default_pool_size ?? ""),
      String(own?.reserve_pool_size ?? ""),
      own?.pool_mode ?? null,
      own?.max_user_connections ?? config.pool.max_user_connections,
      servers.get(user) ?? 0,
      own?.max_user_client_connections ?? config.pool.max_user_client_connections,
      clients.get(user) ?? 0,
    ];
  });
  return {
    columns: columns(
      "name text, pool_size text, reserve_pool_size text, pool_mode text, max_user_connections int4, " +
        "current_connections int4, max_user_client_connections int4, current_client_connections int4",
    ),
    rows,
  };
}

/** Every user that the configuration names, or that has a pool or a client; sorted. */
export function userNames(
  { worker: { config, pools, sessions, replications }, clients }: ConsoleParts,
): string[] {
  const names = new Set([...config.auth.users.keys(), ...config.users.keys()]);
  for (const { key } of pools.all()) names.add(key.user);
  for (const { facts } of sessions) names.add(facts.user);
  for (const { request } of replications) names.add(request.user).add(request.clientUser);
  for (const { user } of clients) names.add(user);
  return [...names].sort();
}
