import { credentialsOf, parseSecret, type Secret } from "../auth/mod.ts";
import { runTask, type TaskResult } from "../backend/mod.ts";
import { aliasFor } from "../config/mod.ts";
import { PgplexError, toPgplexError } from "../kernel/mod.ts";
import {
  binaryFromUtf8,
  encodeBind,
  encodeExecute,
  encodeParse,
  encodeSync,
  utf8FromBinary,
} from "../protocol/mod.ts";
import { resetSettings } from "../lease/mod.ts";
import { type Route, routeDatabase } from "../routing/mod.ts";
import {
  acquire,
  databaseNameOf,
  type Destination,
  NO_PARAMS,
  type PooledServer,
  warnOfSpoilt,
} from "../servers/mod.ts";
import type { LoginParts } from "./login_parts.ts";

/** What `auth.query: true` asks: PostgreSQL's own catalogue, which only a superuser may read. */
const CATALOGUE_QUERY =
  "SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin " +
  "AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())";

/**
 * The secret of a user that the file does not name, from the cluster that the database name leads to, or from the database that
 * `lookup_database` names. A name that leads nowhere is looked up on the first cluster: the answer takes as long as for one that
 * leads somewhere. The console's users are looked up in `auth.lookup_database`, or on `routing.default_cluster`.
 *
 * @returns null for an unknown user (one without a secret has an empty one), and where `auth.query` is off, or fails as a statement: that is logged
 * @throws PgplexError `server_unreachable`, for whatever user, where the cluster cannot be asked: that is logged
 */
export async function lookUpSecret(
  worker: LoginParts,
  user: string,
  database: string,
): Promise<Secret | null> {
  const { config, log } = worker;
  const { query, name, ...way } = wayOf(worker, database);
  if (query === null) return null;
  const { cluster, at } = name === null ? way : placeOf(worker, name);
  // Who administers pgplex must not be decided by whichever cluster happens to come first.
  if (cluster === null) {
    if (!isOfConsole(worker, user)) return null;
    throw noPlace(worker, { user, reason: "the console's users have no auth.lookup_database" });
  }
  const superuser = config.clusters.get(cluster)?.superuser;
  if (superuser === null || superuser === undefined) {
    log.warning("auth.query needs clusters.*.superuser", { cluster });
    throw cannotAsk();
  }
  const password = superuser.password?.reveal() ?? null;
  const destination = worker.pools.get(
    { cluster, database: at ?? superuser.database, user: superuser.user, alias: null, purpose: "auth" },
    credentialsOf(password === null ? null : parseSecret(password)),
  );
  try {
    const { rows, error } = await ask(worker, destination, { user, query });
    if (error !== null) throw error;
    const [row] = rows;
    if (row === undefined) return null;
    // Who is found without a secret is known, and no password opens anything: as an empty one.
    return parseSecret(utf8FromBinary(row[row.length > 1 ? 1 : 0] ?? ""));
  } catch (thrown) {
    const error = thrown instanceof Unasked ? thrown.cause : thrown;
    log.error("auth.query failed", {
      cluster,
      error: error instanceof Error ? error.message : String(error),
    });
    if (thrown instanceof Unasked) throw cannotAsk();
    // SQL of one's own may fail for some users only, and must not tell of them.
    return null;
  }
}

/** The query went nowhere, whoever the user is. */
class Unasked extends Error {}

/** @throws Unasked when there is no server connection to be had, or it is lost */
async function ask(
  worker: LoginParts,
  destination: Destination,
  { user, query }: { user: string; query: string | true },
): Promise<TaskResult> {
  const { runtime: { clock, random }, log } = worker;
  const sql = query === true ? CATALOGUE_QUERY : query;
  for (;;) {
    let lease: PooledServer;
    try {
      lease = await acquire(
        destination,
        { base: NO_PARAMS, tenant: 0, settings: null, sqlStatements: new Map() },
        clock,
      );
    } catch (cause) {
      throw new Unasked("no server connection", { cause });
    }
    try {
      // What a session has set there is not what the query is to run under.
      await resetSettings(lease.connection, random);
      const result = await runTask(lease.connection, [
        encodeParse("", binaryFromUtf8(sql)),
        encodeBind("", [binaryFromUtf8(user)]),
        encodeExecute(),
        encodeSync(),
      ], 1);
      lease.connection.tenancy.begins();
      lease.home.pool.release(lease, lease.connection.closed ? "broken" : "clean", clock.nowMs());
      return result;
    } catch (cause) {
      lease.connection.close();
      const error = toPgplexError(cause, "server_lost");
      // One that was idle may have ended unseen: another is asked. A new one ends the search.
      const isNew = lease.connection.tenancy.count === 0;
      if (lease.home.pool.spoilt(lease, error, clock.nowMs())) warnOfSpoilt(log, lease.home, error);
      if (isNew) throw new Unasked("the server connection was lost", { cause });
    }
  }
}

/** What everybody hears whom the query would have to look up, known or not: that is not known. */
function cannotAsk(): PgplexError {
  return new PgplexError("server_unreachable", "the server cannot be asked who may log in");
}

/** Where users are looked up; `at` null: in the database of the cluster's superuser. */
interface Place {
  readonly cluster: string;
  readonly at: string | null;
}

/** How a database's users are looked up: in the database of this `name`, or where it leads itself, which the console may not. */
interface Way {
  readonly query: string | true | null;
  readonly name: string | null;
  readonly cluster: string | null;
  readonly at: string | null;
}

function wayOf({ config, console }: Pick<LoginParts, "config" | "console">, asked: string): Way {
  const { auth, routing } = config;
  if (console?.opens(asked)) {
    return { query: auth.query, name: auth.lookup_database, cluster: routing.default_cluster, at: null };
  }
  let route: Pick<Route, "cluster" | "alias">;
  try {
    route = routeDatabase(config, asked);
  } catch {
    route = { cluster: [...config.clusters.keys()][0]!, alias: null };
  }
  const alias = route.alias === null ? null : aliasFor(config, route.alias);
  const query = alias?.auth_query === undefined ? auth.query : alias.auth_query;
  const at = alias?.auth_database ?? null;
  return {
    query,
    name: alias?.lookup_database ?? (at === null ? auth.lookup_database : null),
    cluster: route.cluster,
    at,
  };
}

/** Where a `lookup_database` leads. @throws PgplexError where that is nowhere, or an operator keeps clients out */
function placeOf(worker: LoginParts, name: string): Place {
  const { config, console, pools } = worker;
  const refuse = (reason: string) => noPlace(worker, { lookup_database: name, reason });
  if (console?.opens(name)) throw refuse("it is the console");
  let route: Route;
  try {
    route = routeDatabase(config, name);
  } catch {
    throw refuse("it leads nowhere");
  }
  if (pools.control.isDisabled(databaseNameOf(config, route))) throw refuse("it is disabled");
  return { cluster: route.cluster, at: route.database };
}

/** Whether the configuration lets a user of this name into the console, so that it is at fault where nobody can say the password. */
function isOfConsole({ config: { console } }: Pick<LoginParts, "config">, user: string): boolean {
  return console.admin_users.includes(user) || console.stats_users.includes(user);
}

function noPlace({ log }: LoginParts, fields: Record<string, string>): PgplexError {
  log.error("auth.query cannot be asked", fields);
  return cannotAsk();
}
