import {
  type BinaryString,
  encodeBind,
  encodeClosePortal,
  encodeCloseStatement,
  encodeExecute,
  encodeParse,
  encodeSync,
} from "../protocol/mod.ts";
import type { ServerConnection } from "./connection.ts";
import type { Effect } from "./owed.ts";
import { Mark, Owed } from "./owed_entries.ts";

// Statements that pgplex sends for itself among a session's messages, by the extended protocol. Nobody hears of their replies,
// unless they fail: then the server skips what stands behind them up to the next Sync.

/** A portal for where the client may be about to go on with its unnamed one. */
const PORTAL: BinaryString = "pgplex:internal";

/** What such a statement is run with, and what becomes true with it. */
interface InternalOptions {
  readonly values?: readonly (BinaryString | null)[];
  readonly effect?: Effect | null;
}

/** Makes the server run `sql`, by its unnamed statement and portal. `effect` becomes true with it. */
export function runInternal(
  server: ServerConnection,
  sql: BinaryString,
  { values = [], effect = null }: InternalOptions = {},
): void {
  bindInternal(server, sql, values);
  executeInternal(server, effect);
}

/** The Parse and Bind of {@link runInternal}: {@link executeInternal} has to follow. */
export function bindInternal(
  server: ServerConnection,
  sql: BinaryString,
  values: readonly (BinaryString | null)[] = [],
): void {
  parseInternal(server, sql);
  server.out.put(encodeBind("", values));
  server.owed.sent(Owed.Bind | Mark.Swallow);
}

/** The Execute of {@link runInternal}. */
export function executeInternal({ out, owed }: ServerConnection, effect: Effect | null = null): void {
  out.put(encodeExecute());
  owesExecute(owed, effect);
}

/** As {@link runInternal}, in the middle of a batch: the server's unnamed portal stays, and only the unnamed statement goes. */
export function runInternalAmid(
  server: ServerConnection,
  sql: BinaryString,
  { values = [], effect = null }: InternalOptions = {},
): void {
  parseInternal(server, sql);
  runPortal(server, "", values, effect);
}

function parseInternal({ out, owed, unnamed }: ServerConnection, sql: BinaryString): void {
  out.put(encodeParse("", sql));
  unnamed.clear();
  owed.sent(Owed.Parse | Mark.Swallow);
}

/** Binds a statement, executes it, and closes its portal. */
function runPortal(
  { out, owed }: ServerConnection,
  statement: BinaryString,
  values: readonly (BinaryString | null)[],
  effect: Effect | null,
): void {
  out.put(encodeBind(statement, values, PORTAL));
  out.put(encodeExecute(PORTAL));
  out.put(encodeClosePortal(PORTAL));
  owed.sent(Owed.Bind | Mark.Swallow);
  owesExecute(owed, effect);
  owed.sent(Owed.Close | Mark.Swallow);
}

function owesExecute(owed: ServerConnection["owed"], effect: Effect | null): void {
  if (effect === null) owed.sent(Owed.Execute | Mark.Swallow);
  else owed.sent(Owed.Execute | Mark.Swallow | Mark.Effect, effect);
}

/** As {@link runInternalAmid}, by a statement named `name` that is closed behind it: the server's unnamed one stays. */
export function runInternalAs(
  server: ServerConnection,
  name: BinaryString,
  sql: BinaryString,
  values: readonly (BinaryString | null)[] = [],
): void {
  const { out, owed } = server;
  // A cancel may have left the statement behind.
  out.put(encodeCloseStatement(name));
  out.put(encodeParse(name, sql));
  owed.sent(Owed.Close | Mark.Swallow);
  owed.sent(Owed.Parse | Mark.Swallow);
  runPortal(server, name, values, null);
  out.put(encodeCloseStatement(name));
  owed.sent(Owed.Close | Mark.Swallow);
}

/** A Sync behind such statements: it commits what they did, and ends their failure. */
export function syncInternal({ out, owed }: ServerConnection): void {
  out.put(encodeSync());
  owed.sent(Owed.Sync | Mark.Swallow);
}
