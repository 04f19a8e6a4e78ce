import { PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeQuery,
  isAscii,
  isWrittenIn,
  QUERY_CANCELED,
  transcode,
  TxStatus,
} from "../protocol/mod.ts";
import type { ServerConnection } from "./connection.ts";
import { runTask, type TaskResult } from "./task.ts";

/** No lock is waited for longer: nobody asked for what pgplex asks. */
const LOCK_TIMEOUT = "50ms";

/** How often it is tried again where a client's timeout ends it before that is put aside. */
const TRIES_MAX = 20;

/** What holds in place of what the session has set: each by its name. */
const ASIDE: Readonly<Record<string, string>> = {
  statement_timeout: "0",
  lock_timeout: `'${LOCK_TIMEOUT}'`,
  idle_in_transaction_session_timeout: "0",
  work_mem: "'4MB'",
  search_path: "pg_catalog",
  // Texts come and go as the server has them, whatever the client's encoding is and can hold.
  client_encoding: "'SQL_ASCII'",
  // It compiles whatever costs more than the session says, at a second for a query.
  jit: "off",
};

/** Since 17. */
const TRANSACTION_TIMEOUT = "transaction_timeout";

/** What a transaction of pgplex's own runs under in place of the session's, besides the role. */
export const ASIDE_NAMES: readonly string[] = [...Object.keys(ASIDE), TRANSACTION_TIMEOUT];

/** What came back from {@link runOwn}. */
export interface OwnResult {
  /** Of what was put aside, as SHOW shows it: {@link ASIDE_NAMES} that the server knows, `role` and `session_authorization`. */
  readonly aside: ReadonlyMap<string, BinaryString>;
  /** The role that RESET ROLE goes back to: of the startup packet, or of ALTER ROLE … SET. */
  readonly roleDefault: BinaryString;
  /** Rows of all that was asked. */
  readonly rows: TaskResult["rows"];
}

/**
 * Runs something of pgplex's own between two transactions of a session's, in a transaction that nothing which the session has
 * set can make fail, wait or slow: as the user who logged in, read only, with settings of its own. The search_path is pg_catalog,
 * and texts are in the server's encoding. Behind it the session's own hold again.
 *
 * @param groups messages that end in one ReadyForQuery each
 * @param kept names of {@link ASIDE_NAMES} that stay as the session has them
 * @throws PgplexError when something of it fails, or the connection is lost
 */
export async function runOwn(
  server: ServerConnection,
  groups: readonly (readonly Uint8Array[])[],
  kept: readonly string[] = [],
): Promise<OwnResult> {
  if (isUnspeakable(server)) {
    throw new PgplexError("server_protocol", "the session's user cannot be reported in its client_encoding");
  }
  const names = asideNames(server);
  const messages = [encodeQuery(beginning(server, names, kept)), ...groups.flat(), COMMIT];
  for (let tries = 1;; tries++) {
    server.unnamed.clear();
    const { rows, error, status } = await runTask(server, messages, groups.length + 2);
    if (status !== TxStatus.Idle) {
      throw new PgplexError("server_protocol", "a transaction of pgplex's own did not end");
    }
    if (error === null) {
      const aside = new Map(names.map((name, i) => [name, rows[i]?.[0] ?? ""]));
      const roleDefault = rows[names.length]?.[0] ?? "none";
      return { aside, roleDefault, rows: rows.slice(names.length + 1) };
    }
    // A timeout of the session's own, before it was put aside; a busy machine takes long for anything.
    if (error.sqlstate !== QUERY_CANCELED || tries === TRIES_MAX) throw error;
  }
}

/**
 * Whether the session's user, which has another name than the login's, has characters that the client_encoding has not. A server that
 * is to report it again fails, and again, for ever (ReportGUCOption converts before it notes what it has reported).
 */
function isUnspeakable({ reported, identity }: ServerConnection): boolean {
  const { values } = reported;
  const user = values.get("session_authorization") ?? "";
  if (isAscii(user) || user === identity.parameters.values.get("session_authorization")) return false;
  const [client, server] = ["client_encoding", "server_encoding"].map((name) => values.get(name) ?? "");
  return isWrittenIn(user, server!) && transcode(user, server!, client!) === null;
}

const COMMIT = encodeQuery("COMMIT");

function asideNames({ identity }: ServerConnection): string[] {
  const version = parseInt(identity.parameters.values.get("server_version") ?? "", 10);
  const names = version >= 17 ? ASIDE_NAMES : ASIDE_NAMES.filter((name) => name !== TRANSACTION_TIMEOUT);
  return [...names, "role", "session_authorization"];
}

/** Shows what is put aside, then puts it aside. Utility statements alone: they are neither planned nor compiled. */
function beginning(
  server: ServerConnection,
  names: readonly string[],
  kept: readonly string[],
): BinaryString {
  const authorization = "session_authorization";
  const isAnother = server.reported.values.get(authorization) !==
    server.identity.parameters.values.get(authorization);
  const statements = [
    "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY, NOT DEFERRABLE",
    // First: what is shown may have characters that the client's has not.
    `SET LOCAL client_encoding TO ${ASIDE["client_encoding"]}`,
    ...names.map((name) => `SHOW ${name}`),
    "SET LOCAL ROLE TO DEFAULT",
    "SHOW role",
    isAnother ? "SET LOCAL SESSION AUTHORIZATION DEFAULT" : "SET LOCAL ROLE NONE",
  ];
  for (const name of names) {
    const value = name === TRANSACTION_TIMEOUT ? "0" : ASIDE[name];
    if (value === undefined || name === "client_encoding" || kept.includes(name)) continue;
    statements.push(`SET LOCAL ${name} TO ${value}`);
  }
  return statements.join(";");
}
