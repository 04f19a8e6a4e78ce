import {
  runQuery,
  runTask,
  type ServerConnection,
  Settings,
  type Statement,
  type StatementStore,
  type TaskResult,
} from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { PIN_KINDS, PIN_REASONS, type PinReason } from "./pin_kinds.ts";
import {
  type BinaryString,
  encodeBind,
  encodeExecute,
  encodeParse,
  encodeSync,
  prepareIn,
  QUERY_CANCELED,
  TxStatus,
} from "../protocol/mod.ts";

/** What a probe found: the connection's whole state. */
export interface ProbeResult {
  /** Reported settings, those set in the session, and the role. */
  readonly settings: Settings;
  /** application_name was SET, rather than RESET or left alone. */
  readonly nameIsSet: boolean;
  /** Prepared statements that SQL made: by name, the PREPARE. */
  readonly sqlStatements: ReadonlyMap<BinaryString, BinaryString>;
  readonly pins: readonly PinReason[];
  /** The backend has made its temporary schema, which it keeps for life. */
  readonly tempSchema: boolean;
  /** Channels that the connection listens to. */
  readonly channels: readonly BinaryString[];
  /** Statements prepared by protocol under a name that is not pgplex's. */
  readonly foreignStatements: readonly BinaryString[];
}

/** The kinds of pins that a catalogue knows, each with its name. */
const PINS: BinaryString = PIN_REASONS.flatMap((reason) => {
  const { probe } = PIN_KINDS[reason];
  return probe === undefined ? [] : [`SELECT 'k', '${reason}', '' WHERE EXISTS (${probe})`];
}).join("\nUNION ALL\n");

/**
 * Everything about a session that a catalogue knows, in one statement. `$1` is an array of custom settings, which are in no
 * catalogue. Every name and operator is qualified: it runs under the client's search_path.
 */
const PROBE: BinaryString = `
SELECT 's', s.name, s.setting FROM pg_catalog.pg_settings s
 WHERE s.source OPERATOR(pg_catalog.=) 'session'
   AND s.name OPERATOR(pg_catalog.<>) ALL ('{transaction_isolation,transaction_read_only,transaction_deferrable}'::pg_catalog.text[])
UNION ALL
SELECT 'r', 'role', pg_catalog.current_setting('role')
UNION ALL
SELECT CASE WHEN p.from_sql THEN 'p' ELSE 'q' END, p.name, p.statement FROM pg_catalog.pg_prepared_statements p
 WHERE p.from_sql OR NOT pg_catalog.starts_with(p.name, 'pgplex_')
UNION ALL
${PINS}
UNION ALL
SELECT 'm', '', '' WHERE pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0
UNION ALL
SELECT 'l', n.n, '' FROM pg_catalog.pg_listening_channels() n(n)
UNION ALL
SELECT 'u', u.u, pg_catalog.current_setting(u.u, true) FROM pg_catalog.unnest($1::pg_catalog.text[]) u(u)
 WHERE pg_catalog.current_setting(u.u, true) OPERATOR(pg_catalog.<>) ''
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) u.u)
\0\0\0`;

/**
 * Looks at everything that the last lease may have left on a connection outside of any transaction. The client has its
 * answer already; about a millisecond of the server's time.
 *
 * @throws PgplexError when the probe fails: the connection's state is not known.
 */
export async function probe(
  server: ServerConnection,
  customSettings: readonly string[],
  store: StatementStore,
): Promise<ProbeResult> {
  const statement = store.use(PROBE);
  try {
    const parameters = [`{${customSettings.map(quoteElement).join(",")}}`];
    const ask = [encodeBind(statement.name, parameters), encodeExecute(), encodeSync()];
    if (!server.prepared.touch(statement)) {
      ask.unshift(statement.encodeParse());
      server.prepared.add(statement);
    }
    const { rows, error, status } = await runTask(server, ask, 1);
    if (status !== TxStatus.Idle) {
      throw new PgplexError("server_protocol", "a probe ended inside a transaction");
    }
    if (error === null) return read(server.reported, rows);
    server.prepared.delete(statement);
    if (error.sqlstate !== QUERY_CANCELED) throw error;
    return read(server.reported, await probeWithoutTimeout(server, statement, parameters));
  } finally {
    store.release(statement);
  }
}

/** How often a statement is asked that its timeout cancels. */
const ASKED_MAX = 20;

const TIMEOUT: BinaryString = "SELECT pg_catalog.current_setting('statement_timeout')";
const NO_TIMEOUT: BinaryString = "SELECT pg_catalog.set_config('statement_timeout', '0', true)";

/** The session's own statement_timeout is too short for a probe: it is put aside for the probe's transaction. */
async function probeWithoutTimeout(
  server: ServerConnection,
  statement: Statement,
  parameters: readonly BinaryString[],
): Promise<TaskResult["rows"]> {
  const timeout = (await untilNotCanceled(() => runQuery(server, TIMEOUT))).rows[0]?.[0];
  if (timeout == null) {
    throw new PgplexError("server_protocol", "a server does not know its statement_timeout");
  }
  const { rows, status } = await untilNotCanceled(() =>
    runTask(server, [
      encodeParse("", NO_TIMEOUT),
      encodeBind("", []),
      encodeExecute(),
      statement.encodeClose(),
      statement.encodeParse(),
      encodeBind(statement.name, parameters),
      encodeExecute(),
      statement.encodeClose(),
      encodeSync(),
    ], 1)
  );
  if (status !== TxStatus.Idle) {
    throw new PgplexError("server_protocol", "a probe ended inside a transaction");
  }
  return rows.slice(1).map((row) =>
    row[0] === "s" && row[1] === "statement_timeout" ? ["s", row[1], timeout] : row
  );
}

/** A busy machine may take longer than the session's statement_timeout for any statement: it is asked again. */
async function untilNotCanceled(ask: () => Promise<TaskResult>): Promise<TaskResult> {
  for (let i = 1;; i++) {
    const result = await ask();
    if (result.error === null) return result;
    if (result.error.sqlstate !== QUERY_CANCELED || i === ASKED_MAX) throw result.error;
  }
}

/** What these settings say in the session; those that nobody set are left out. */
export async function readSettings(
  server: ServerConnection,
  names: readonly string[],
): Promise<ReadonlyMap<string, BinaryString>> {
  const calls = names.map((name) => `pg_catalog.current_setting('${name}', true)`);
  const { rows, error } = await runQuery(server, `SELECT ${calls.join(", ")}`);
  if (error !== null) throw error;
  const row = rows[0] ?? [];
  return new Map(names.flatMap((name, i) => row[i] == null ? [] : [[name, row[i]] as const]));
}

function read(reported: Settings, rows: readonly (readonly (BinaryString | null)[])[]): ProbeResult {
  const values = new Map(reported.values);
  const sqlStatements = new Map<BinaryString, BinaryString>();
  const pins: PinReason[] = [];
  const foreignStatements: BinaryString[] = [];
  const channels: BinaryString[] = [];
  let [nameIsSet, tempSchema] = [false, false];
  for (const [kind, name, value] of rows) {
    switch (kind) {
      case "s":
      case "u":
        if (name === "application_name") nameIsSet = true;
        if (!reported.values.has(name!)) values.set(name!, value!);
        break;
      case "r":
        if (value !== "none") values.set("role", value!);
        break;
      case "p":
        sqlStatements.set(name!, prepareIn(value!, name!) ?? value!);
        break;
      case "q":
        foreignStatements.push(name!);
        break;
      case "k":
        pins.push(name as PinReason);
        break;
      case "m":
        tempSchema = true;
        break;
      case "l":
        channels.push(name!);
        break;
    }
  }
  const settings = Settings.from(values);
  return { settings, nameIsSet, sqlStatements, pins, tempSchema, channels, foreignStatements };
}

function quoteElement(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
