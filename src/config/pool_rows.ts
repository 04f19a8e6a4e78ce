import { OPTION_NAMES } from "./option_names.ts";
import { boolean, choice, duration, INHERITED, integer, NULL, type Row, text } from "./rows.ts";
import type { PoolSettings } from "./schema.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A row for each key of a pool. */
export type PoolRows = Readonly<Record<keyof PoolSettings, Row>>;

/** The keys of a pool. */
export const POOL_ROWS: PoolRows = {
  pool_mode: choice(
    ["session", "transaction", "statement"],
    "transaction",
    "When a server connection goes back to the pool; statement ends who leaves a transaction open.",
  ),
  default_pool_size: integer(1, 20, "Server connections of one pool: one cluster, node, database and user."),
  min_pool_size: integer(
    0,
    0,
    "Server connections that a pool keeps open while it has clients; always, where its alias has a user for all.",
  ),
  reserve_pool_size: integer(
    0,
    0,
    "Further server connections for clients that waited reserve_pool_timeout.",
  ),
  reserve_pool_timeout: duration(
    5 * SECOND,
    "How long a client waits before the reserve is opened for it; 0s: never.",
  ),
  max_db_connections: integer(0, 0, "Server connections to one database, over all users; 0: no limit."),
  max_user_connections: integer(0, 0, "Server connections of one user, over all databases; 0: no limit."),
  max_db_client_connections: integer(0, 0, "Clients of one database, over all users; 0: no limit."),
  max_user_client_connections: integer(0, 0, "Clients of one user, over all databases; 0: no limit."),
  query_wait_timeout: duration(
    120 * SECOND,
    "How long a client may wait for a server connection; 0s: for ever.",
  ),
  query_wait_notify: duration(
    5 * SECOND,
    "A client that waits for a server connection for so long is told so, by a NOTICE; 0s: never.",
  ),
  server_connect_timeout: duration(15 * SECOND, "How long connecting and logging in to a node may take.", 1),
  server_login_retry: duration(
    SECOND,
    "How long to wait after a failed login to a node before the next one.",
  ),
  server_idle_timeout: duration(10 * MINUTE, "An unused server connection is closed after this; 0s: never."),
  server_lifetime: duration(
    HOUR,
    "A server connection older than this is closed when it is free; 0s: never.",
  ),
  server_fast_close: boolean(
    false,
    "Session pooling: RECONNECT and reloads end sessions behind their transaction, to replace their server.",
  ),
  client_idle_timeout: duration(0, "A client that is silent for longer is disconnected; 0s: never."),
  idle_transaction_timeout: duration(
    0,
    "A client that is idle in a transaction for longer is disconnected; 0s: never.",
  ),
  transaction_timeout: duration(
    0,
    "A client whose transaction takes longer is disconnected; 0s: never.",
  ),
  query_timeout: duration(
    0,
    "A statement that takes longer is cancelled, its wait for a server included; 0s: never.",
  ),
  connect_query: text(
    "any",
    NULL,
    "SQL that a new server connection runs before it serves clients; null: none.",
  ),
  pin_timeout: duration(
    0,
    "A lease pinned outside a transaction, and idle, ends with an error after this; 0s: never.",
  ),
  pin_policy: choice(
    ["allow", "refuse"],
    "allow",
    "Whether a session may keep its server connection for state that cannot move, or is ended.",
  ),
  currval: choice(
    ["pin", "ignore"],
    "pin",
    "Whether sessions that use currval() or lastval() keep their server connection.",
  ),
  commit_guard: choice(
    ["off", "on"],
    "off",
    "Whether pgplex finds out what became of a COMMIT whose answer is lost, in transaction pooling.",
  ),
  max_prepared_statements: integer(
    0,
    200,
    "Prepared statements kept on each server connection; 0: none are kept.",
  ),
  state_check: choice(
    ["learn", "always", "off"],
    "learn",
    "When a lease's end looks for session state that changed out of sight.",
  ),
  server_reset: choice(
    ["changed", "always"],
    "changed",
    "Undo only the state that changed, or close the server connection after each lease.",
  ),
  directives: choice(
    ["warn", "strict", "off"],
    "warn",
    "What an unknown or malformed --!pgplex comment gets: a WARNING, an ERROR; off: none is read.",
  ),
  options_allowed: {
    type: { kind: "texts", entriesMax: OPTION_NAMES.length, values: OPTION_NAMES },
    default: { kind: "value", value: OPTION_NAMES },
    reload: "live",
    doc: "Options that clients may set for themselves, as pgplex.NAME or in a directive; [] is none.",
  },
};

/** The same keys where a cluster or an alias may differ. */
export const INHERITED_POOL_ROWS = Object.fromEntries(
  Object.entries(POOL_ROWS).map(([key, row]) => [key, { ...row, default: INHERITED }]),
) as unknown as PoolRows;
