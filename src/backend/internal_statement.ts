import {
  type BinaryString,
  encodeBind,
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

/** Makes the server run `sql`, by its unnamed statement and portal. `effect` becomes true with it. */
export function runInternal(
  server: ServerConnection,
  sql: BinaryString,
  { values = [], effect = null }: {
    readonly values?: readonly (BinaryString | null)[];
    readonly effect?: Effect | null;
  } = {},
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
  const { out, owed, unnamed } = server;
  out.put(encodeParse("", sql));
  out.put(encodeBind("", values));
  unnamed.clear();
  owed.sent(Owed.Parse | Mark.Swallow);
  owed.sent(Owed.Bind | Mark.Swallow);
}

/** The Execute of {@link runInternal}. */
export function executeInternal({ out, owed }: ServerConnection, effect: Effect | null = null): void {
  out.put(encodeExecute());
  if (effect === null) owed.sent(Owed.Execute | Mark.Swallow);
  else owed.sent(Owed.Execute | Mark.Swallow | Mark.Effect, effect);
}

/** As {@link runInternal}, by a statement named `name` that is closed behind it: the server's unnamed one stays. */
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
  out.put(encodeBind(name, values));
  out.put(encodeExecute());
  out.put(encodeCloseStatement(name));
  for (const kind of [Owed.Close, Owed.Parse, Owed.Bind, Owed.Execute, Owed.Close]) {
    owed.sent(kind | Mark.Swallow);
  }
}

/** A Sync behind such statements: it commits what they did, and ends their failure. */
export function syncInternal({ out, owed }: ServerConnection): void {
  out.put(encodeSync());
  owed.sent(Owed.Sync | Mark.Swallow);
}
