import { runTask, type ServerConnection, type StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBind,
  encodeExecute,
  encodeQuery,
  encodeSync,
  TxStatus,
} from "../protocol/mod.ts";

/** Takes a setting's text as it is, lists too; a SET statement would need it quoted by the rules of each setting. */
const SET_CONFIG: BinaryString = "SELECT pg_catalog.set_config($1, $2, false)\0\0\0";

/** Reported by servers, settable by nobody. */
const READ_ONLY: ReadonlySet<string> = new Set([
  "in_hot_standby",
  "integer_datetimes",
  "is_superuser",
  "server_encoding",
  "server_version",
]);

/** What a session expects of a connection. */
export interface RestoreTarget {
  readonly settings: { readonly values: ReadonlyMap<string, BinaryString> };
}

/**
 * Makes the connection's settings the session's, in round trips of their own: never inside the client's transaction, whose
 * failure would take them back. The encoding comes first, so that the other values are read in it; the session's user comes
 * last, as it may not be allowed to set the rest.
 *
 * @throws PgplexError `restore_failed`: the connection's state is not known any more, it must be closed.
 */
export async function restoreSettings(
  server: ServerConnection,
  target: RestoreTarget,
  store: StatementStore,
): Promise<void> {
  const wanted = target.settings.values;
  const names: string[] = [];
  for (const [name, value] of wanted) {
    if (!READ_ONLY.has(name) && server.settings.values.get(name) !== value) names.push(name);
  }
  if (names.length === 0) return;
  const first = names.filter((name: string) => name === "client_encoding");
  const last = names.filter((name: string) => name === "session_authorization");
  const rest = names.filter((name: string) => name !== "client_encoding" && name !== "session_authorization");
  const statement = store.use(SET_CONFIG);
  const messages: Uint8Array[] = [];
  let readies = 0;
  try {
    if (!server.prepared.touch(statement)) {
      messages.push(statement.encodeParse());
      server.prepared.add(statement);
    }
    const pairsOf = (group: string[]) => group.map((name) => [name, wanted.get(name)!]);
    const loginUser = server.identity.parameters.values.get("session_authorization") ?? server.identity.user;
    const own = last.map((name) => [name, loginUser]);
    for (const group of [own, pairsOf(first), pairsOf(rest), pairsOf(last)]) {
      if (group.length === 0) continue;
      for (const pair of group) messages.push(encodeBind(statement.name, pair), encodeExecute());
      messages.push(encodeSync());
      readies++;
    }
    const { error } = await runTask(server, messages, readies);
    if (error === null) return;
    throw new PgplexError("restore_failed", `the session's settings cannot be restored: ${error.message}`, {
      sqlstate: error.sqlstate,
      detail: `Settings that differ: ${names.join(", ")}.`,
      cause: error,
    });
  } finally {
    store.release(statement);
  }
}

/**
 * Takes back what a session left on a connection: its transaction, then everything that DISCARD ALL knows. Whether the
 * connection may be used again: one that has made its temporary schema may not, as its backend keeps that for life and
 * behaves otherwise than a new one (PREPARE TRANSACTION tells the difference).
 */
export async function resetConnection(server: ServerConnection): Promise<boolean> {
  server.unnamedOwner = null;
  server.prepared.clear();
  const { rows, error, status } = await runTask(server, RESET_MESSAGES, RESET_MESSAGES.length);
  return error === null && status === TxStatus.Idle && rows.at(-1)?.[0] === "0";
}

/** Each in a query of its own: DISCARD ALL cannot run inside a transaction, not even in the implicit one of a batch. */
const RESET_MESSAGES: readonly Uint8Array[] = [
  encodeQuery("ROLLBACK"),
  encodeQuery("DISCARD ALL"),
  encodeQuery("SELECT pg_catalog.pg_my_temp_schema()"),
];
