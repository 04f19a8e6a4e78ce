import { runQuery, runTask, type ServerConnection } from "../backend/mod.ts";
import { encodeQuery, TxStatus } from "../protocol/mod.ts";

/**
 * Takes back what a session left on a connection: its transaction, then everything that DISCARD ALL knows. Whether the
 * connection may be used again: one that has made its temporary schema may not, as its backend keeps that for life and
 * behaves otherwise than a new one (PREPARE TRANSACTION tells the difference).
 */
export async function resetConnection(server: ServerConnection): Promise<boolean> {
  server.unnamed.clear();
  server.prepared.clear();
  const { rows, error, status } = await runTask(server, RESET_MESSAGES, RESET_MESSAGES.length);
  server.state.discarded();
  server.sqlStatements.clear();
  return error === null && status === TxStatus.Idle && rows.at(-1)?.[0] === "0";
}

/** Each in a query of its own: DISCARD ALL cannot run inside a transaction, not even in the implicit one of a batch. */
const RESET_MESSAGES: readonly Uint8Array[] = [
  encodeQuery("ROLLBACK"),
  encodeQuery("DISCARD ALL"),
  encodeQuery("SELECT pg_catalog.pg_my_temp_schema()"),
];

// Kept by session/session.ts itself.
const IDLE_TIMEOUT = "idle_session_timeout";

/** A session's own idle_session_timeout holds on the connection no more. @returns whether that is known */
export async function resetIdleTimeout(connection: ServerConnection): Promise<boolean> {
  const { error, status } = await runQuery(connection, `RESET ${IDLE_TIMEOUT}`);
  connection.state.settingReset(IDLE_TIMEOUT);
  return error === null && status === TxStatus.Idle;
}
