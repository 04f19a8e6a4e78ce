import { poolSetting } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Route } from "../routing/mod.ts";
import { databaseNameOf } from "../servers/mod.ts";
import type { LoginParts } from "./login_parts.ts";

/** Turns of the event loop in which the end of a client is read that left before another one came. */
const TURNS_MAX = 4;

/**
 * Does what may find that there are too many clients. It is done again in the next turns then: whoever closed its connection
 * before this client came has left, though that has not been read yet.
 *
 * @throws what `admit` throws
 */
export async function inTurn<T>({ runtime }: Pick<LoginParts, "runtime">, admit: () => T): Promise<T> {
  for (let turns = 0;; turns++) {
    try {
      return admit();
    } catch (thrown) {
      const isFull = thrown instanceof PgplexError && thrown.code === "too_many_clients";
      if (!isFull || turns === TURNS_MAX) throw thrown;
      await runtime.turn();
    }
  }
}

/** Whether one more client may come in. @throws PgplexError `too_many_clients` */
export function checkRoom({ sessions, replications, counters, config: { listen } }: LoginParts): void {
  // Those who have left may still give their server connections back.
  const leaving = counters.sessionsLeft - counters.sessionsClosed;
  if (sessions.size + replications.size - leaving < listen.max_client_conn) return;
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
  let inDatabase = 0;
  for (const { destination, ending } of sessions) {
    if (!ending && pools.nameOf(destination) === name) inDatabase++;
  }
  for (const { request } of replications) if (request.name === name) inDatabase++;
  refuseOver(`database "${name}"`, "max_db_client_connections", inDatabase, ofDatabase);
  const inConsole = worker.console?.clientsOf(user) ?? 0;
  refuseOver(`role "${user}"`, "max_user_client_connections", clientsAs(worker, user) + inConsole, ofUser);
}

/**
 * The same for the console, which has `inDatabase` clients, `asUser` of this user's among them. As in PgBouncer the limits are not for
 * its administrators: whom they hold up would be whoever can raise them.
 *
 * @throws PgplexError `too_many_clients`
 */
export function checkConsoleShare(
  worker: Pick<LoginParts, "config" | "sessions" | "replications">,
  { database, user, inDatabase, asUser }: {
    database: string;
    user: string;
    inDatabase: number;
    asUser: number;
  },
): void {
  const { pool, users } = worker.config;
  const ofUser = users.get(user)?.max_user_client_connections ?? pool.max_user_client_connections;
  const ofDatabase = pool.max_db_client_connections;
  refuseOver(`database "${database}"`, "max_db_client_connections", inDatabase, ofDatabase);
  refuseOver(`role "${user}"`, "max_user_client_connections", clientsAs(worker, user) + asUser, ofUser);
}

/** Clients that logged in as this user, but for those of the console. */
function clientsAs(
  { sessions, replications }: Pick<LoginParts, "sessions" | "replications">,
  user: string,
): number {
  let count = 0;
  for (const { facts, ending } of sessions) if (!ending && facts.user === user) count++;
  for (const { request } of replications) if (request.clientUser === user) count++;
  return count;
}

function refuseOver(what: string, setting: string, count: number, max: number): void {
  if (max > 0 && count >= max) throw tooMany(what, setting, max);
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
