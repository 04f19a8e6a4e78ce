import { TxStatus } from "../../protocol/mod.ts";
import type { Destination } from "../../servers/mod.ts";
import type { Session } from "../../session/mod.ts";
import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

const COLUMNS = columns(
  "database text, user text, cl_active int4, cl_waiting int4, cl_active_cancel_req int4, " +
    "cl_waiting_cancel_req int4, sv_active int4, sv_active_cancel int4, sv_being_canceled int4, sv_idle int4, " +
    "sv_used int4, sv_tested int4, sv_login int4, maxwait int4, maxwait_us int4, pool_mode text, " +
    "load_balance_hosts text, cl_pinned int4, cluster text, paused int4, node text",
);

const NOWHERE: readonly string[] = [];

/** One row for all pools of a database and user: there is one pool for each node. */
interface PoolRow {
  readonly database: string;
  readonly user: string;
  readonly cluster: string;
  readonly mode: string;
  paused: boolean;
  active: number;
  waiting: number;
  cancels: number;
  serversLeased: number;
  serversActive: number;
  beingCanceled: number;
  serversIdle: number;
  serversLogin: number;
  maxWaitMs: number;
  pinned: number;
  /** Nodes at which it has server connections, or opens some. */
  nodes: readonly string[];
}

/**
 * SHOW POOLS: one row for each database and user, PgBouncer's columns first, with the nodes at which it has server connections last;
 * the console is a pool too.
 */
export function showPools(parts: ConsoleParts): Table {
  const rows = poolRows(parts).map((row): Cell[] => [
    row.database,
    row.user,
    row.active,
    row.waiting,
    row.cancels,
    0,
    row.serversActive,
    row.cancels,
    row.beingCanceled,
    row.serversIdle,
    0,
    row.serversLeased - row.serversActive,
    row.serversLogin,
    Math.floor(row.maxWaitMs / 1000),
    Math.floor((row.maxWaitMs % 1000) * 1000),
    row.mode,
    null,
    row.pinned,
    row.cluster,
    row.paused ? 1 : 0,
    row.nodes.length > 1 ? row.nodes.toSorted().join(", ") : row.nodes[0] ?? null,
  ]);
  const { database } = parts.worker.config.console;
  const idle = Array<Cell>(12).fill(0);
  rows.push([database, database, parts.clients.size, ...idle, "statement", null, 0, null, 0, null]);
  return { columns: COLUMNS, rows };
}

function poolRows(parts: ConsoleParts): PoolRow[] {
  const { pools, runtime: { clock }, sessions } = parts.worker;
  // By database, then by user: names that are hashed already, where one made of both would be new each time.
  const databases = new Map<string, Map<string, PoolRow>>();
  const known = new Map<Destination, PoolRow>();
  const rowOf = (destination: Destination) => {
    let row = known.get(destination);
    if (row !== undefined) return row;
    const { key: { user, cluster }, settings: { pool_mode: mode } } = destination;
    const database = pools.nameOf(destination);
    let users = databases.get(database);
    if (users === undefined) databases.set(database, users = new Map());
    row = users.get(user);
    if (row === undefined) users.set(user, row = emptyRow(database, user, cluster, mode));
    known.set(destination, row);
    return row;
  };
  const nowMs = clock.nowMs();
  for (const destination of pools.destinations()) {
    const row = rowOf(destination);
    for (const { pool, node } of destination.pools()) {
      if (pool.total > 0 && !row.nodes.includes(node.name)) row.nodes = [...row.nodes, node.name];
      row.serversLeased += pool.leasedCount;
      row.serversIdle += pool.idleCount;
      row.serversLogin += pool.openingCount;
    }
    row.maxWaitMs = Math.max(row.maxWaitMs, destination.waitedMs(nowMs));
    row.paused ||= destination.paused;
  }
  for (const session of sessions) addSession(rowOf(session.destination), session);
  for (const { request, link } of parts.worker.replications) {
    const row = databases.get(request.name)?.get(request.user);
    if (row !== undefined) addReplication(row, link !== null);
  }
  return byName(databases).flatMap(byName);
}

/** The values in the order of their names. */
function byName<T>(named: ReadonlyMap<string, T>): T[] {
  return [...named.keys()].sort().map((name) => named.get(name)!);
}

function addReplication(row: PoolRow, isServed: boolean): void {
  if (!isServed) {
    row.waiting++;
    return;
  }
  row.active++;
  row.serversLeased++;
  row.serversActive++;
}

function addSession(row: PoolRow, session: Session): void {
  if (session.waiting) row.waiting++;
  else row.active++;
  if (session.pins.length > 0) row.pinned++;
  // Most sessions are idle, and their view need not be made.
  if (session.server === null) return;
  const { server, cancelCount } = session.view;
  if (server === null) return;
  row.serversActive++;
  row.cancels += cancelCount;
  if (cancelCount > 0 && server.owed.settled && server.txStatus === TxStatus.Idle) row.beingCanceled++;
}

function emptyRow(database: string, user: string, cluster: string, mode: string): PoolRow {
  return {
    database,
    user,
    cluster,
    mode,
    paused: false,
    active: 0,
    waiting: 0,
    cancels: 0,
    serversLeased: 0,
    serversActive: 0,
    beingCanceled: 0,
    serversIdle: 0,
    serversLogin: 0,
    maxWaitMs: 0,
    pinned: 0,
    nodes: NOWHERE,
  };
}
