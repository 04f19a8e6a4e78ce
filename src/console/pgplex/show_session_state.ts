import type { ServerConnection } from "../../backend/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import { TxStatus, utf8FromBinary } from "../../protocol/mod.ts";
import type { SessionView } from "../../session/mod.ts";
import { type Cell, columns, type Table } from "../answer/mod.ts";
import { clientState, type ConsoleParts, databaseOf, sessionsOf } from "../parts/mod.ts";

/** How many prepared statements, and channels, of one session are shown. */
const STATEMENTS_MAX = 1000;

/** The columns of {@link showSessionState}. */
export const SESSION_STATE_COLUMNS = columns(
  "kind text, name text, session text, server text, differs bool",
);

/**
 * SHOW STATE of one session: its state as the client sees it, and that of the server connection it holds; NULL without one.
 * Values of settings may be secrets of applications: for administrators only.
 *
 * @throws PgplexError `undefined_object`
 */
export function showSessionState(parts: ConsoleParts, asked: string): Table {
  const session = sessionsOf(parts).find(({ facts }) => String(facts.id) === asked);
  if (session === undefined) {
    throw new PgplexError("undefined_object", `session ${asked} does not exist`, {
      hint: "SHOW CLIENTS has the ids.",
    });
  }
  const server = session.held;
  return {
    columns: SESSION_STATE_COLUMNS,
    rows: [
      ...facts(parts, session, server),
      ...settings(session, server),
      ...statements(session, server),
      ...channels(session),
    ],
  };
}

function facts(parts: ConsoleParts, session: SessionView, server: ServerConnection | null): Cell[][] {
  const { facts, pins } = session;
  const row = (name: string, value: string | number, other: string | number | null = null): Cell[] => [
    "session",
    name,
    String(value),
    other === null ? null : String(other),
    null,
  ];
  return [
    row("user", facts.user, server?.identity.user ?? null),
    row("database", databaseOf(parts, session), server?.identity.database ?? null),
    row("pool_mode", session.poolMode),
    row("state", clientState(session), server === null ? null : transactionState(server.txStatus)),
    row("pins", pins.join(", ")),
    row(
      "prepared_statements",
      session.preparedCount,
      server === null ? null : server.prepared.size + server.sqlStatements.size,
    ),
  ];
}

function settings({ settings }: SessionView, server: ServerConnection | null): Cell[][] {
  const mine = settings?.values ?? new Map<string, string>();
  const names = new Set([...mine.keys(), ...(server?.settings.values.keys() ?? [])]);
  return [...names].sort().map((name): Cell[] => {
    const [value, other] = [mine.get(name), server?.settings.values.get(name)];
    return [
      "setting",
      utf8FromBinary(name),
      shown(value),
      shown(other),
      server === null ? null : value !== other,
    ];
  });
}

/** Prepared statements: how each was made, and its name on the server connection, where that has it. */
function statements(session: SessionView, server: ServerConnection | null): Cell[][] {
  const held = new Set(server?.prepared.all() ?? []);
  const rows: Cell[][] = [];
  const row = (name: string, how: string, there: string | null) =>
    rows.push(["statement", utf8FromBinary(name), how, there, server === null ? null : there === null]);
  for (const name of session.preparedNames.names()) {
    const statement = session.preparedNames.findName(name);
    row(name, "Parse", statement !== null && held.has(statement) ? statement.name : null);
    if (rows.length >= STATEMENTS_MAX) return rows;
  }
  for (const name of session.sqlStatements.keys()) {
    row(name, "PREPARE", server?.sqlStatements.has(name) === true ? utf8FromBinary(name) : null);
    if (rows.length >= STATEMENTS_MAX) break;
  }
  return rows;
}

/** Channels that the session listens to without a server connection of its own; SHOW LISTENERS has the connection that does. */
function channels(session: SessionView): Cell[][] {
  return [...session.channels].slice(0, STATEMENTS_MAX).map((channel): Cell[] => [
    "channel",
    utf8FromBinary(channel),
    "LISTEN",
    null,
    null,
  ]);
}

function shown(value: string | undefined): string | null {
  return value === undefined ? null : utf8FromBinary(value);
}

function transactionState(status: number): string {
  if (status === TxStatus.Idle) return "idle";
  return status === TxStatus.InTransaction ? "in transaction" : "in failed transaction";
}
