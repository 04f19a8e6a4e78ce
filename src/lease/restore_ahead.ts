import { type ChangeAhead, restoreAhead, type ServerConnection } from "../backend/mod.ts";
import { isAscii } from "../protocol/mod.ts";
import { lacksName } from "../servers/mod.ts";
import type { LeaseHolder } from "./lease_holder.ts";
import { statementOf } from "./restore.ts";

/** More settings than these are restored in a round trip of their own. */
const CHANGES_MAX = 8;

/** What of a connection, and of a session, decides. */
export type AheadServer = Pick<
  ServerConnection,
  "state" | "settings" | "reported" | "identity" | "tenancy" | "sqlStatements"
>;
export type AheadWish = Pick<LeaseHolder, "settings" | "loginName" | "sqlStatements">;

/**
 * What makes the connection's state the session's by statements that go in front of the client's first message; null where that
 * needs a round trip of its own. It is so plain where only custom settings differ: they are not reported, no user needs a
 * right to set them, and nothing that reads the statements depends on them. A short time of its own could end the restore in the
 * statement's place, and a connection that was never used may be found to be dead.
 */
export function changesAhead(server: AheadServer, wish: AheadWish): readonly ChangeAhead[] | null {
  const { state, settings: before, reported, identity: { parameters } } = server;
  const target = wish.settings;
  if (
    target === null || state.mixed || state.plansMixed || state.hasTempSchema || server.tenancy.count === 0
  ) return null;
  for (const [name, made] of server.sqlStatements) if (wish.sqlStatements.get(name) !== made) return null;
  if (lacksName(server, wish)) return null;
  const { values } = target;
  for (const name of ENDS_STATEMENTS) {
    if ((values.get(name) ?? "0") !== "0" || (before.values.get(name) ?? "0") !== "0") return null;
  }
  // What a role may set it may not have been allowed to where it was set.
  if (values.has("role") || values.get(USER) !== parameters.values.get(USER)) return null;
  const changes: ChangeAhead[] = [];
  for (const name of before.namesThatDiffer(target)) {
    if (!name.includes(".") || !isAscii(name) || reported.values.has(name)) return null;
    if (changes.length === CHANGES_MAX) return null;
    const sql = statementOf([name, values.get(name) ?? null]);
    if (sql === null) return null;
    changes.push({ name, sql });
  }
  return changes.length === 0 ? null : changes;
}

const USER = "session_authorization";
const ENDS_STATEMENTS = ["statement_timeout", "transaction_timeout"];

/** Restores the session's state in front of what it sends next, where that can be done. Whether it is. */
export function tryRestoreAhead(server: ServerConnection, holder: LeaseHolder): boolean {
  const sets = holder.takesAhead;
  const changes = sets === null ? null : changesAhead(server, holder);
  if (changes === null) return false;
  // Nobody sees what it is before.
  if (changes.length === 1 && changes[0]!.name === sets) server.overwrites = sets;
  else restoreAhead(server, changes);
  server.state.restoredAhead(holder.settings!);
  return true;
}
