import {
  login,
  NODE_FACT,
  runQuery,
  type Runtime,
  type ServerConnection,
  ServerRefusal,
} from "../backend/mod.ts";
import type { ClusterTls } from "../config/mod.ts";
import { type Clock, PgplexError, toPgplexError } from "../kernel/mod.ts";
import { refreshCatalogue } from "../learning/mod.ts";
import { binaryFromUtf8, type BinaryString, TxStatus } from "../protocol/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import {
  fieldsOf,
  type LoginRefusal,
  type PooledServer,
  type ServerPool,
  warnOfSpoilt,
} from "./server_pool.ts";
import { type Base, fitness, type ServerWish } from "./server_wish.ts";

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
  const id = nextId();
  server.logins.set(id, clock.nowMs());
  try {
    const known = greetings.of(base);
    const name = known === null ? null : nameFor(base, wish);
    const connection = await logIn(server, base, name, parts);
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
    void connection.start();
    const { connect_query: sql, server_connect_timeout: timeoutMs } = settings;
    if (sql !== null && server.key.purpose === "clients") {
      const problem = await runConnectQuery(connection, sql, { clock, timeoutMs });
      if (problem !== null) log.warning("connect_query failed", { ...fieldsOf(server), error: problem });
    }
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

/**
 * Runs `connect_query` on a connection that serves nobody yet. What it leaves open is rolled back. A connection on which it takes
 * longer than `timeoutMs` is closed.
 *
 * @returns what the server said against it, which does not keep the connection from serving, as in PgBouncer; null: nothing
 * @throws PgplexError when the connection ended
 */
async function runConnectQuery(
  connection: ServerConnection,
  sql: string,
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): Promise<string | null> {
  const timer = clock.after(timeoutMs, () => connection.close());
  try {
    const { error, status } = await runQuery(connection, binaryFromUtf8(sql));
    if (status !== TxStatus.Idle) await runQuery(connection, "ROLLBACK");
    return error === null ? null : error.message;
  } finally {
    timer.cancel();
  }
}

/**
 * The first connection to a database looks at its routines before it serves anybody: what ran before the first look may have done
 * anything, and whoever loses his server then would be told so. A connection on which it takes too long is closed.
 *
 * @throws PgplexError when the connection ended
 */
async function lookFirst(
  connection: ServerConnection,
  { key: { database, purpose }, destination: { fingerprints, settings } }: ServerPool,
  { runtime: { clock }, log }: ServerOpeningParts,
): Promise<void> {
  const learns = settings.pool_mode === "transaction" && settings.state_check === "learn";
  if (purpose !== "clients" || !learns || !fingerprints.catalogue.claimFirst()) return;
  const timer = clock.after(settings.server_connect_timeout, () => connection.close());
  try {
    await refreshCatalogue(connection, fingerprints, { clock, log, database });
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
  { key, node, destination: { settings, credentials } }: ServerPool,
  base: Base,
  name: BinaryString | null,
  { runtime, tls: tlsOf }: ServerOpeningParts,
): Promise<ServerConnection> {
  const tls = tlsOf(key.cluster);
  if (tls === null) throw new PgplexError("config_changed", `cluster "${key.cluster}" is gone`);
  return login({
    endpoint: node,
    tls,
    user: key.user,
    database: key.database,
    credentials,
    params: name === null ? base.params : new Map([...base.params, [NAME, name]]),
    base: base.key,
    hasLentName: name !== null,
    timeoutMs: settings.server_connect_timeout,
  }, runtime);
}
