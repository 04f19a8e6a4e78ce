import { poolSetting } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Route } from "../routing/mod.ts";
import { databaseNameOf } from "../servers/mod.ts";
import type { LoginParts } from "./login_parts.ts";

/** Whether one more client may come in. @throws PgplexError `too_many_clients` */
export function checkRoom({ sessions, replications, config: { listen } }: LoginParts): void {
  if (sessions.size + replications.size < listen.max_client_conn) return;
  throw new PgplexError("too_many_clients", "sorry, too many clients already", {
    detail: `max_client_conn is ${listen.max_client_conn}.`,
  });
}

/**
 * Whether one more client may come into a database, and as a user.
 *
 * @throws PgplexError `too_many_clients` where `max_db_client_connections` or `max_user_client_connections` is reached
 */
export function checkShare(worker: LoginParts, { cluster, database, alias }: Route, user: string): void {
  const { config, sessions, replications, pools } = worker;
  const ofDatabase = poolSetting(config, { cluster, alias }, "max_db_client_connections");
  const ofUser = poolSetting(config, { cluster, alias, user }, "max_user_client_connections");
  if (ofDatabase === 0 && ofUser === 0) return;
  const name = databaseNameOf(config, { cluster, database, alias });
  let [inDatabase, asUser] = [0, 0];
  for (const { destination, facts } of sessions) {
    if (pools.nameOf(destination) === name) inDatabase++;
    if (facts.user === user) asUser++;
  }
  for (const { request } of replications) {
    if (request.name === name) inDatabase++;
    if (request.user === user) asUser++;
  }
  if (ofDatabase > 0 && inDatabase >= ofDatabase) {
    throw tooMany(`database "${name}"`, "max_db_client_connections", ofDatabase);
  }
  if (ofUser > 0 && asUser >= ofUser) throw tooMany(`role "${user}"`, "max_user_client_connections", ofUser);
}

function tooMany(what: string, setting: string, max: number): PgplexError {
  return new PgplexError("too_many_clients", `too many connections for ${what} (${setting})`, {
    detail: `${setting} is ${max}.`,
  });
}

/** Whether an operator lets new clients into the database. @throws PgplexError `database_disabled` */
export function checkEnabled({ config, pools }: LoginParts, route: Route, asked: string): void {
  if (!pools.control.isDisabled(databaseNameOf(config, route))) return;
  throw new PgplexError("database_disabled", `database "${asked}" is not currently accepting connections`, {
    hint: "It was disabled in pgplex's console; ENABLE lets clients in again.",
  });
}
