import { aliasFor, poolSettings } from "../../config/mod.ts";
import { primaryOf } from "../../topology/mod.ts";
import { type Cell, columns, type Table } from "../answer/mod.ts";
import { clientsByDatabase, type ConsoleParts, listDatabases, type ListedDatabase } from "../parts/mod.ts";

const COLUMNS = columns(
  "name text, host text, port int4, database text, force_user text, pool_size int4, min_pool_size int4, " +
    "reserve_pool_size int4, server_lifetime int4, pool_mode text, load_balance_hosts text, max_connections int4, " +
    "current_connections int4, max_client_connections int4, current_client_connections int4, paused int4, " +
    "disabled int4, cluster text",
);

/** SHOW DATABASES: PgBouncer's columns, and the cluster. */
export function showDatabases(parts: ConsoleParts): Table {
  const clients = clientsByDatabase(parts);
  const rows = listDatabases(parts).map((listed) => row(parts, listed, clients.get(listed.name) ?? 0));
  return { columns: COLUMNS, rows: [...rows, consoleRow(parts)] };
}

function row(parts: ConsoleParts, listed: ListedDatabase, clients: number): Cell[] {
  const { config, topology, pools: { control } } = parts.worker;
  const { name, cluster, database, alias, pools } = listed;
  const settings = poolSettings(config, { cluster, alias });
  const outer = config.clusters.get(cluster)!;
  const known = topology.current.clusters.get(cluster);
  const primary = known === undefined ? null : primaryOf(known);
  const own = alias === null ? null : aliasFor(config, alias);
  let connections = pools.reduce((sum, { pool }) => sum + pool.total, 0);
  for (const { destination, connection } of parts.worker.listeners.all()) {
    if (connection !== null && parts.worker.pools.nameOf(destination) === name) connections++;
  }
  return [
    name,
    primary === null || primary.host.startsWith("/") ? null : primary.host,
    primary?.port ?? null,
    database,
    own?.user ?? null,
    settings.default_pool_size,
    settings.min_pool_size,
    settings.reserve_pool_size,
    Math.floor(settings.server_lifetime / 1000),
    own?.pool_mode ?? outer.pool.pool_mode ?? null,
    null,
    settings.max_db_connections,
    connections,
    settings.max_db_client_connections,
    clients,
    control.isPaused(name) ? 1 : 0,
    control.isDisabled(name) ? 1 : 0,
    cluster,
  ];
}

/** The console is a database too, as in PgBouncer. */
function consoleRow({ worker: { config }, clients }: ConsoleParts): Cell[] {
  const { database } = config.console;
  const { port } = config.listen;
  const limits = [2, 0, 0, 0, "statement", null, 0, 0, config.pool.max_db_client_connections];
  return [database, null, port, database, database, ...limits, clients.size, 0, 0, null];
}
