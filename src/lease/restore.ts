import { runTask, type ServerConnection, type StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBind,
  encodeExecute,
  encodeQuery,
  encodeSync,
  TxStatus,
  utf8FromBinary,
} from "../protocol/mod.ts";
import { lacksName, type ServerWish } from "../servers/mod.ts";

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

/** A null value resets: so the setting follows the server's configuration again. */
type Pair = readonly [name: string, value: BinaryString | null];

/** What has to change on a connection, in the order in which it is done. Empty groups are left out. */
interface Plan {
  readonly steps: readonly Uint8Array[][];
  readonly names: readonly string[];
}

/**
 * Makes the connection's state the session's, in round trips of their own: never inside the client's transaction, whose
 * failure would take them back. In order: role and session user as at login, what should not be there reset, the encoding,
 * so that other values are read in it, the rest, the session's user, its role. Its prepared statements come when they are used.
 *
 * @throws PgplexError `restore_failed`: the connection's state is not known any more, it must be closed.
 */
export async function restoreState(
  server: ServerConnection,
  wish: ServerWish,
  store: StatementStore,
): Promise<void> {
  const target = wish.settings!;
  const setConfig = store.use(SET_CONFIG);
  try {
    const { steps, names } = plan(server, wish, setConfig.name);
    if (steps.length === 0) return;
    if (!server.prepared.touch(setConfig)) {
      steps[0]!.unshift(setConfig.encodeParse());
      server.prepared.add(setConfig);
    }
    const { error, status } = await runTask(server, steps.flat(), steps.length);
    if (error !== null || status !== TxStatus.Idle) throw failed(names, error);
    const nameIsSet = names.includes("application_name") ? wish.loginName != null : server.state.nameIsSet;
    server.state.restored(target, { nameIsSet, leftOut: READ_ONLY });
    server.sqlStatements.keepIf((name, sql) => wish.sqlStatements.get(name) === sql);
  } finally {
    store.release(setConfig);
  }
}

function plan(server: ServerConnection, wish: ServerWish, setConfig: BinaryString): Plan {
  const target = wish.settings!;
  const actual = server.settings.values;
  const wanted = target.values;
  const names = server.settings.namesThatDiffer(target).filter((name) => !READ_ONLY.has(name));
  if (lacksName(server, wish)) names.push("application_name");
  const set = (pairs: readonly Pair[]) =>
    pairs.flatMap((pair) => [encodeBind(setConfig, pair), encodeExecute()]);
  const defaults = server.identity.parameters.values;
  const pairOf = (name: string): Pair => {
    const value = wanted.get(name)!;
    // Whether it was RESET to that or SET must be seen by the next probe.
    if (name === "application_name" && wish.loginName != null) return [name, value];
    return [name, value === defaults.get(name) ? null : value];
  };
  const want = (name: string): Pair[] => wanted.has(name) && names.includes(name) ? [pairOf(name)] : [];
  const special = new Set(["role", "session_authorization", "client_encoding"]);
  const rest = names.filter((name) => !special.has(name) && wanted.has(name));
  const gone = names.filter((name) => !special.has(name) && !wanted.has(name));
  const before: Pair[] = [];
  if (actual.has("role") && names.length > 0) before.push(["role", "none"]);
  // Also where the session's user stays the same: it may not set what the login's may.
  const user = defaults.get("session_authorization");
  if (user !== undefined && names.length > 0 && actual.get("session_authorization") !== user) {
    before.push(["session_authorization", user]);
  }
  const wantedUser = wanted.get("session_authorization");
  const authorization: Pair[] = names.length > 0 && wantedUser !== undefined && wantedUser !== user
    ? [["session_authorization", wantedUser]]
    : [];
  // A role is lost to what comes before it, so it is set again whenever it was reset.
  const role: Pair[] = wanted.has("role") && names.length > 0 ? [["role", wanted.get("role")!]] : [];
  const steps: Uint8Array[][] = [];
  const extended = (messages: Uint8Array[]) => messages.length > 0 && steps.push([...messages, encodeSync()]);
  const simple = (sql: BinaryString) => steps.push([encodeQuery(sql)]);
  extended(set(before));
  for (const name of gone) simple(`RESET ${name.split(".").map(quoteIdentifier).join(".")}`);
  for (const [name, sql] of server.sqlStatements) {
    if (wish.sqlStatements.get(name) !== sql) simple(`DEALLOCATE ${quoteIdentifier(name)}`);
  }
  extended(set(want("client_encoding")));
  extended(set(rest.map(pairOf)));
  extended(set(authorization));
  extended(set(role));
  return { steps, names };
}

function failed(names: readonly string[], error: PgplexError | null): PgplexError {
  return new PgplexError(
    "restore_failed",
    `the session's state cannot be restored: ${error?.message ?? "a transaction was left open"}`,
    {
      ...(error === null ? {} : { sqlstate: error.sqlstate }),
      detail: `To restore: ${utf8FromBinary(names.join(", "))}.`,
      cause: error,
    },
  );
}

function quoteIdentifier(name: BinaryString): BinaryString {
  return `"${name.replaceAll('"', '""')}"`;
}
