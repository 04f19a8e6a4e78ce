import { login, NODE_FACT, type Runtime, type ServerConnection, ServerRefusal } from "../backend/mod.ts";
import type { ClusterTls } from "../config/mod.ts";
import { PgplexError, toPgplexError } from "../kernel/mod.ts";
import { refreshCatalogue } from "../learning/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { forgetSets, runConnectQuery, type StartupSettings } from "./connect_query.ts";
import {
  fieldsOf,
  type LoginRefusal,
  type PooledServer,
  type ServerPool,
  warnOfSpoilt,
} from "./server_pool.ts";
import { type Base, fitness, NO_PARAMS, type ServerWish } from "./server_wish.ts";

/** What is needed to open server connections. */
export interface ServerOpeningParts {
  readonly runtime: Runtime;
  readonly log: Log;
  /** A cluster's; null when it is gone. */
  readonly tls: (cluster: string) => ClusterTls | null;
  /** As in {@link ServerPoolsParts}. */
  readonly onServerTrouble: (cluster: string, node: string) => void;
}

/**
 * Opens a connection for `server`, and tells its pool how that went. A login that the server refused for good is not tried again
 * for `server_login_retry`. Never rejects.
 */
export async function openServer(
  server: ServerPool,
  wish: ServerWish | null,
  generation: number,
  parts: ServerOpeningParts,
): Promise<void> {
  const { destination, pool } = server;
  const { runtime: { clock, nextId }, log } = parts;
  const { settings, credentials, counters, greetings } = destination;
  const base = wish?.base ?? greetings.usualBase;
  let refusal = server.refusalOf(base, generation);
  if (refusal !== null && clock.nowMs() < refusal.untilMs) {
    await Promise.resolve(); // many may wait, and each of them would be refused inside the call for the one before
    return pool.openFailed(refusal.error, true, wish, clock.nowMs(), generation);
  }
  if (refusal !== null) refusal = server.retries(refusal, clock.nowMs() + settings.server_login_retry);
  if (pool.total > settings.default_pool_size) {
    log.info("taking a connection from the reserve", fieldsOf(server));
  }
  const id = nextId();
  const sql = server.key.purpose === "clients" ? settings.connect_query : null;
  server.logins.set(id, clock.nowMs());
  try {
    const known = greetings.of(base);
    const name = known === null ? null : nameFor(base, wish);
    const opening: Opening = { id, server, base, name, sql, parts };
    const connection = sql === null ? await logIn(opening) : await prepare(opening);
    counters.opened++;
    server.logins.delete(id);
    server.loggedIn(refusal);
    const { parameters, notices } = connection.identity;
    // The name is not one that whoever gives none would have.
    const greeting = name === null ? parameters : parameters.with(NAME, known!.applicationName ?? "");
    // Who only reads is greeted apart from that: see Destination.greetingFor.
    const fact = destination.isForWrites(server) ? greeting.hotStandby : known?.hotStandby ?? "off";
    const isKnown = greeting.hotStandby === undefined || fact === undefined;
    greetings.learn(base, isKnown ? greeting : greeting.with(NODE_FACT, fact), notices);
    const pooled: PooledServer = {
      connection,
      home: server,
      openedMs: connection.openedMs,
      fitness: (wish) => fitness(connection, wish, destination.known),
    };
    connection.onTrouble(() => parts.onServerTrouble(server.key.cluster, server.node.name));
    connection.onIdleEnd((error) => {
      log.debug("server connection ended while idle", { ...fieldsOf(server), error: error.message });
      if (pool.lost(pooled, error, clock.nowMs())) warnOfSpoilt(log, server, error);
    });
    if (sql === null) void connection.start();
    else if (connection.closed) throw new PgplexError("server_unreachable", "the connection was closed");
    await lookFirst(connection, server, parts);
    log.debug("server connection opened", fieldsOf(server));
    pool.opened(pooled, clock.nowMs(), generation);
  } catch (thrown) {
    server.logins.delete(id);
    const error = toPgplexError(thrown, "server_unreachable");
    const final = error instanceof ServerRefusal ? !error.transient : error.code === "server_login_failed";
    if (!final) parts.onServerTrouble(server.key.cluster, server.node.name);
    log.warning("cannot open a server connection", {
      ...fieldsOf(server),
      error: error.message,
      cause: error.extra.log,
      sqlstate: error.sqlstate,
    });
    if (final) {
      const untilMs = clock.nowMs() + settings.server_login_retry;
      server.refused({ error, credentials, base: blamed(error, base), generation, untilMs });
    }
    pool.openFailed(error, final, wish, clock.nowMs(), generation);
    destination.openFailed(server, clock.nowMs());
  }
}

/** One connection that is being opened. */
interface Opening {
  /** The connection's, from now on. */
  readonly id: number;
  readonly server: ServerPool;
  readonly base: Base;
  /** As {@link nameFor} has it. */
  readonly name: BinaryString | null;
  /** `connect_query`. */
  readonly sql: string | null;
  readonly parts: ServerOpeningParts;
}

/**
 * A connection on which `connect_query` has run, started. Where the query sets what the connection was not opened with, another one
 * is opened in its place.
 */
async function prepare(opening: Opening): Promise<ServerConnection> {
  const { server: { destination: { connectSettings } }, sql } = opening;
  const first = await logInWith(opening, connectSettings.of(sql));
  if (!connectSettings.learn(sql!, first.settings)) return first.connection;
  first.connection.close();
  try {
    return (await logInWith(opening, connectSettings.of(sql))).connection;
  } catch (thrown) {
    if (!(thrown instanceof ServerRefusal) || thrown.transient) throw thrown;
    opening.parts.log.warning("a server takes what connect_query sets from no startup packet", {
      ...fieldsOf(opening.server),
      error: thrown.message,
    });
    connectSettings.refuse();
    return (await logInWith(opening, connectSettings.of(sql))).connection;
  }
}

/** Opens a connection with these settings and runs `connect_query`. */
async function logInWith(
  opening: Opening,
  given: StartupSettings,
): Promise<{ connection: ServerConnection; settings: StartupSettings }> {
  const { server, sql, parts } = opening;
  const connection = await logIn(opening, given);
  void connection.start();
  try {
    return await inTime(connection, server, parts, async () => {
      const { error, settings } = await runConnectQuery(connection, sql!);
      if (error !== null) {
        parts.log.warning("connect_query failed", { ...fieldsOf(server), error: error.message });
      }
      if (given.size > 0) await forgetSets(connection, given);
      return { connection, settings };
    });
  } catch (thrown) {
    connection.close();
    throw thrown;
  }
}

/**
 * The first connection to a database looks at its routines before it serves anybody: what ran before the first look may have done
 * anything, and whoever loses his server then would be told so.
 *
 * @throws PgplexError when the connection ended
 */
async function lookFirst(
  connection: ServerConnection,
  server: ServerPool,
  parts: ServerOpeningParts,
): Promise<void> {
  const { key: { database, purpose }, destination: { fingerprints, settings } } = server;
  const learns = settings.pool_mode !== "session" && settings.state_check === "learn";
  if (purpose !== "clients" || !learns || !fingerprints.catalogue.claimFirst()) return;
  const { runtime: { clock }, log } = parts;
  await inTime(connection, server, parts, () => {
    return refreshCatalogue(connection, fingerprints, { clock, log, database });
  });
}

/** Does this on a connection that serves nobody yet; one on which it takes longer than `server_connect_timeout` is closed. */
async function inTime<T>(
  connection: ServerConnection,
  { destination: { settings } }: ServerPool,
  { runtime: { clock } }: ServerOpeningParts,
  work: () => Promise<T>,
): Promise<T> {
  const timer = clock.after(settings.server_connect_timeout, () => connection.close());
  try {
    return await work();
  } finally {
    timer.cancel();
  }
}

/** What a refused login may be about, as {@link LoginRefusal.base} has it. */
function blamed(error: PgplexError, base: Base): LoginRefusal["base"] {
  const ofAll = !(error instanceof ServerRefusal) || /^(28|3D)/.test(error.sqlstate);
  return ofAll ? null : base.key;
}

const NAME = "application_name";

/**
 * The application_name with which a connection is opened for a wish, though others may use it: for a session of that name RESET goes
 * back to it without a word. Null for none; whatever the server would change is put there later.
 */
function nameFor(base: Base, wish: ServerWish | null): BinaryString | null {
  const name = wish?.loginName ?? "";
  return base.params.has(NAME) || !/^[ -\[\]-~]{1,63}$/.test(name) ? null : name;
}

function logIn(
  { id, server, base, name, parts: { runtime, tls: tlsOf } }: Opening,
  given: StartupSettings = NO_PARAMS.params,
): Promise<ServerConnection> {
  const { key, node, destination: { settings, credentials } } = server;
  const tls = tlsOf(key.cluster);
  if (tls === null) throw new PgplexError("config_changed", `cluster "${key.cluster}" is gone`);
  const own = name === null ? base.params : new Map([...base.params, [NAME, name]]);
  return login({
    id,
    endpoint: node,
    tls,
    user: key.user,
    database: key.database,
    credentials,
    // What the client asks for holds before what connect_query says.
    params: given.size === 0 ? own : new Map([...without(given, base.params), ...own]),
    base: base.key,
    hasLentName: name !== null,
    timeoutMs: settings.server_connect_timeout,
  }, runtime);
}

/** Names of settings are compared without case. */
function without(given: StartupSettings, asked: Base["params"]): [string, BinaryString][] {
  const names = new Set([...asked.keys()].map((name) => name.toLowerCase()));
  return [...given].filter(([name]) => !names.has(name.toLowerCase()));
}
