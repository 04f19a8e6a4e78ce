import { runQuery, type ServerConnection } from "../backend/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import { binaryFromUtf8, type BinaryString, TxStatus } from "../protocol/mod.ts";

/** Settings by name, as startup parameters give them. */
export type StartupSettings = ReadonlyMap<string, BinaryString>;

const NONE: ReadonlyMap<string, BinaryString> = new Map();

/**
 * What a destination's `connect_query` sets. A setting made by SET would be the first session's own, and RESET and DISCARD ALL would
 * take it back: given in the startup packet it is what both go back to, in every session. So the first connection tells what the
 * query sets, and all others are opened with that.
 */
export class ConnectSettings {
  #sql: string | null = null;
  #settings: StartupSettings = NONE;
  #isRefused = false;

  /** The startup parameters that stand for `sql`: none before it ran, or where a server refused them. */
  of(sql: string | null): StartupSettings {
    return sql === this.#sql && !this.#isRefused ? this.#settings : NONE;
  }

  /** `sql` has set these. @returns whether a connection is to be opened again, with them */
  learn(sql: string, settings: StartupSettings): boolean {
    const same = sql === this.#sql && settings.size === this.#settings.size &&
      [...settings].every(([name, value]) => this.#settings.get(name) === value);
    if (same) return false;
    this.#sql = sql;
    this.#settings = settings;
    this.#isRefused = false;
    return settings.size > 0;
  }

  /** A server did not take them at login: connections are opened without, and the query's SET is all there is. */
  refuse(): void {
    this.#isRefused = true;
  }
}

/** Of each client, of no startup packet, or of the transaction that has just ended. */
const LEFT = [
  "application_name",
  "role",
  "session_authorization",
  "transaction_isolation",
  "transaction_read_only",
  "transaction_deferrable",
];

/** Custom settings are in no catalogue. */
const LOOK: BinaryString =
  "SELECT s.name, pg_catalog.current_setting(s.name) FROM pg_catalog.pg_settings s WHERE s.source = 'session' " +
  `AND s.name <> ALL ('{${LEFT.join(",")}}'::pg_catalog.text[])`;

/** What came of a `connect_query`. */
export interface ConnectOutcome {
  /** What the server said against it, which does not keep the connection from serving, as in PgBouncer; null: nothing. */
  readonly error: PgplexError | null;
  readonly settings: StartupSettings;
}

/**
 * Runs `connect_query` on a connection that serves nobody yet. What it leaves open is rolled back, what it has set is read.
 *
 * @throws PgplexError when the connection ended
 */
export async function runConnectQuery(connection: ServerConnection, sql: string): Promise<ConnectOutcome> {
  const { error, status } = await runQuery(connection, binaryFromUtf8(sql));
  if (status !== TxStatus.Idle) await runQuery(connection, "ROLLBACK");
  const { rows } = await runQuery(connection, LOOK);
  return { error, settings: new Map(rows.map(([name, value]) => [name!, value ?? ""])) };
}

/** Takes the query's SETs back, to the same values: those of the startup packet. @throws PgplexError when the connection ended */
export async function forgetSets(connection: ServerConnection, settings: StartupSettings): Promise<void> {
  const names = [...settings.keys()].map((name) =>
    name.split(".").map((part) => `"${part.replaceAll('"', '""')}"`).join(".")
  );
  await runQuery(connection, names.map((name) => `RESET ${name}`).join(";"));
}
