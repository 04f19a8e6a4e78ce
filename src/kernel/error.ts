/** Who caused an error: the client, the server behind, the configuration, or pgplex itself. */
export type ErrorSide = "client" | "server" | "config" | "pgplex";

interface ErrorKind {
  readonly side: ErrorSide;
  /** PostgreSQL's Appendix A, "PostgreSQL Error Codes". */
  readonly sqlstate: string;
  /** Whether the same request may be tried again as it is. */
  readonly retryable: boolean;
  /** When this happens. */
  readonly when: string;
}

/** The closed list: a new error is a new row with a sentence. */
export const ERROR_KINDS = {
  protocol_violation: row("client", "08P01", false, "A peer sent bytes that the protocol does not allow."),
  unsupported_version: row("client", "0A000", false, "A client asked for a protocol major other than 3."),
  unsupported_feature: row("client", "0A000", false, "A client asked for what pgplex does not do."),
  too_many_clients: row("client", "53300", true, "max_client_conn is reached."),
  login_timeout: row("client", "08006", true, "A client took longer than client_login_timeout to log in."),
  tls_required: row("client", "28000", false, "listen.tls.mode is require and the client did not use TLS."),
  invalid_authorization: row(
    "client",
    "28000",
    false,
    "A startup packet names no user, or the method forbids it.",
  ),
  invalid_password: row("client", "28P01", false, "A client failed to authenticate."),
  unknown_database: row("client", "3D000", false, "The database name leads to no cluster or to no database."),
  idle_timeout: row("client", "57P05", true, "A client was idle for longer than client_idle_timeout."),
  query_wait_timeout: row(
    "pgplex",
    "53300",
    true,
    "No server connection became free within query_wait_timeout.",
  ),
  too_many_connections: row(
    "pgplex",
    "53300",
    true,
    "A replication connection would exceed max_db_connections or max_user_connections.",
  ),
  idle_transaction_timeout: row(
    "client",
    "25P03",
    true,
    "A client was idle in a transaction for longer than idle_transaction_timeout.",
  ),
  transaction_timeout: row("client", "25P04", true, "A transaction took longer than transaction_timeout."),
  pin_timeout: row("client", "57P05", true, "A pinned session was idle for longer than pin_timeout."),
  notifications_overflow: row(
    "client",
    "53200",
    true,
    "More notifications wait for a client than pgplex keeps.",
  ),
  transaction_block: row("client", "08P01", false, "A transaction was left open in statement pooling."),
  query_timeout: row("pgplex", "57014", false, "A statement took longer than query_timeout."),
  query_canceled: row(
    "client",
    "57014",
    true,
    "The client cancelled a statement that still waited for a server.",
  ),
  state_lost: row(
    "server",
    "08006",
    false,
    "A server connection was lost before anybody knew what the session had done to its state there.",
  ),
  transaction_lost: row(
    "server",
    "40001",
    true,
    "A server connection was lost inside a transaction, of which nothing holds.",
  ),
  completion_unknown: row(
    "server",
    "40003",
    false,
    "A server connection was lost while a statement ran outside a transaction.",
  ),
  resolution_unknown: row(
    "server",
    "08007",
    false,
    "A server connection was lost while it committed a transaction.",
  ),
  savepoint_missing: row("client", "3B001", false, "An aborted transaction has no such savepoint."),
  settings_lost: row(
    "server",
    "58000",
    false,
    "A setting of the session, its role among them, is refused by the server, and lost.",
  ),
  restore_failed: row(
    "server",
    "58000",
    false,
    "The session's state could not be made on a server connection.",
  ),
  statement_missing: row(
    "client",
    "26000",
    false,
    "A message names a prepared statement that does not exist.",
  ),
  result_type_changed: row(
    "client",
    "0A000",
    false,
    "A prepared statement no longer returns what the client was told.",
  ),
  transaction_aborted: row(
    "client",
    "25P02",
    false,
    "A transaction is aborted, and pgplex answers a message of it in the place of the server.",
  ),
  duplicate_statement: row("client", "42P05", false, "A Parse names a prepared statement that exists."),
  portal_missing: row("client", "34000", false, "A message names a portal that does not exist."),
  duplicate_portal: row("client", "42P03", false, "A Bind names a portal that exists."),
  syntax_error: row("client", "42601", false, "The console cannot make sense of a command."),
  insufficient_privilege: row("client", "42501", false, "The console's user may not do this."),
  undefined_object: row("client", "42704", false, "The console knows nothing under this name."),
  invalid_parameter_value: row("client", "22023", false, "A setting does not take this value."),
  cant_change_now: row("client", "55P02", false, "A setting changes at the next start only."),
  statement_too_large: row(
    "client",
    "54000",
    false,
    "A statement is larger than pgplex keeps for later leases.",
  ),
  unknown_option: row("client", "42704", false, "A client names an option that pgplex does not have."),
  invalid_option: row("client", "22023", false, "A client gives an option a value that it does not take."),
  option_not_allowed: row("client", "42501", false, "options_allowed does not list the option."),
  option_fixed: row("client", "55P02", false, "The option cannot be changed once the session has begun."),
  invalid_directive: row(
    "client",
    "42601",
    false,
    "A directive cannot be followed, and directives is strict.",
  ),
  pin_refused: row("client", "0A000", false, "A session would have to be pinned, and pin_policy is refuse."),
  server_unreachable: row("server", "08001", true, "No connection to a node could be made."),
  server_login_failed: row("server", "08004", true, "A node refused pgplex's login."),
  server_lost: row("server", "08006", true, "A server connection ended while a session used it."),
  node_lost: row("server", "08006", true, "A node is down, or no primary any more: what ran there was cut."),
  server_protocol: row("server", "08P01", false, "A server sent bytes that the protocol does not allow."),
  shutting_down: row("pgplex", "57P01", true, "pgplex is stopping."),
  database_disabled: row(
    "client",
    "55000",
    true,
    "DISABLE in the console, or PAUSE for replication, keeps new clients of a database out.",
  ),
  wrong_state: row(
    "client",
    "55000",
    false,
    "A command of the console does not fit what is paused at the time.",
  ),
  config_changed: row("config", "57P01", true, "A reload removed what the session used."),
  config_invalid: row("config", "F0000", false, "The configuration file is refused."),
  internal: row("pgplex", "XX000", false, "A defect of pgplex."),
} as const satisfies Record<string, ErrorKind>;

/** A row's name in {@link ERROR_KINDS}. */
export type ErrorCode = keyof typeof ERROR_KINDS;

function row(side: ErrorSide, sqlstate: string, retryable: boolean, when: string): ErrorKind {
  return { side, sqlstate, retryable, when };
}

/** What may be said besides the message; `detail` and `hint` reach the client, `log` and `cause` only the log. */
export interface ErrorExtra {
  /** Overrides the row's SQLSTATE, for errors passed on from a server. */
  readonly sqlstate?: string;
  readonly detail?: string;
  readonly hint?: string;
  /** Where in the client's statement, in characters from 1. */
  readonly position?: number;
  /** The function of PostgreSQL that says the same: drivers know some errors by it. */
  readonly routine?: string;
  /** Written to the log only: addresses, counts. Never a password or an SQL value. */
  readonly log?: string;
  readonly cause?: unknown;
}

/** The one error type: a row of {@link ERROR_KINDS}, a text for the client, and apart from it what the log should say. */
export class PgplexError extends Error {
  override name = "PgplexError";
  readonly code: ErrorCode;
  readonly extra: ErrorExtra;

  constructor(code: ErrorCode, message: string, extra: ErrorExtra = {}) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.code = code;
    this.extra = extra;
  }

  get side(): ErrorSide {
    return ERROR_KINDS[this.code].side;
  }

  get sqlstate(): string {
    return this.extra.sqlstate ?? ERROR_KINDS[this.code].sqlstate;
  }

  get retryable(): boolean {
    return ERROR_KINDS[this.code].retryable;
  }
}

/** Any thrown value as a {@link PgplexError}; what is not one is a defect, or the runtime's own error about a socket. */
export function toPgplexError(thrown: unknown, code: ErrorCode = "internal"): PgplexError {
  if (thrown instanceof PgplexError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new PgplexError(code, code === "internal" ? "internal error" : text, { log: text, cause: thrown });
}
