import type { ServerCredentials } from "../auth/mod.ts";
import {
  login,
  type LoginParts,
  type ServerConnection,
  ServerRefusal,
  type Settings,
  SettingsTable,
} from "../backend/mod.ts";
import { type Config, type PoolSettings, poolSettings } from "../config/mod.ts";
import { concat, PgplexError, toPgplexError } from "../kernel/mod.ts";
import { Pool, type Poolable, type PoolLimits, SharedLimit } from "../pool/mod.ts";
import { type BinaryString, encodeParameterStatus } from "../protocol/mod.ts";
import {
  addStats,
  type Log,
  NO_STATS,
  PoolCounters,
  statsOf,
  StatsPeriods,
  type StatsTotals,
} from "../telemetry/mod.ts";
import { databaseNameOf, isDatabaseName } from "./databases.ts";
import { Fingerprints } from "./fingerprints.ts";
import { PoolControl } from "./pool_control.ts";
import type { TopologyNode } from "../topology/mod.ts";
import { UnusedPools } from "./unused_pools.ts";

/** Connections that one pool opens at the same time, at most. */
const OPENING_MAX = 8;

/** Over which time averages are made where `log.stats_period` is 0. */
const STATS_PERIOD_MS = 60_000;

/** Greetings kept in one pool: one for each combination of startup parameters. */
const GREETINGS_MAX = 1000;

/** The startup parameters that a server connection is opened with. */
export interface Base {
  /** Stands for the parameters: equal keys, equal parameters. */
  readonly key: string;
  readonly params: ReadonlyMap<string, BinaryString>;
}

/** No parameters: what a session that gave none has as its base. */
export const NO_PARAMS: Base = { key: "[]", params: new Map() };

/** What a session asks of a server connection. */
export interface ServerWish {
  readonly base: Base;
  /** The session's own; null while it has none, at login. A connection that says the same replaces it by its own object. */
  settings: Settings | null;
  /** The application_name that RESET goes back to; where the server knows none of it, null. */
  readonly loginName?: BinaryString | null;
  /** The session's prepared statements that SQL made; a connection that has others must lose them first. */
  readonly sqlStatements: ReadonlyMap<BinaryString, BinaryString>;
}

/** A server connection as a pool sees it. */
export interface PooledServer extends Poolable<ServerWish> {
  readonly connection: ServerConnection;
}

/** Which pool. */
export interface PoolKey {
  readonly cluster: string;
  readonly node: TopologyNode;
  readonly database: string;
  readonly user: string;
  /** The alias whose pool keys hold, or null. */
  readonly alias: string | null;
  /** Sessions, or pgplex's own look-ups, which log in as the cluster's superuser whatever any client knows. */
  readonly purpose: "clients" | "auth";
}

/** One pool of server connections, with what its sessions share. */
export class ServerPool {
  readonly key: PoolKey;
  readonly pool: Pool<ServerWish, PooledServer>;
  readonly counters = new PoolCounters();
  /** What the statements of the pool's database are known to do to session state. */
  readonly fingerprints: Fingerprints;
  settings: PoolSettings;
  /** Whether it had clients when that was last looked at: `min_pool_size` is for them. */
  hasClients = true;
  /** What the latest client that logged in gave, or the configuration. */
  credentials: ServerCredentials;
  readonly #greetings = new Map<string, Settings>();
  readonly #bases = new Map<string, Base>();
  readonly #encoded = new WeakMap<Settings, Uint8Array>();
  /** Logins under way: by the id that the console knows each by, when it began, in clock milliseconds. */
  readonly logins = new Map<number, number>();
  /** States of its connections and their sessions. */
  readonly known = new SettingsTable();
  readonly #open: (pool: ServerPool, wish: ServerWish | null, generation: number) => void;
  #lastBase: Base = NO_PARAMS;

  constructor(
    key: PoolKey,
    settings: PoolSettings,
    credentials: ServerCredentials,
    parts: {
      fingerprints: Fingerprints;
      shared: readonly SharedLimit[];
      jitter: () => number;
      open: (pool: ServerPool, wish: ServerWish | null, generation: number) => void;
      receded: () => void;
      makeRoom: (pool: ServerPool, limit: SharedLimit) => boolean;
    },
  ) {
    this.key = key;
    this.settings = settings;
    this.credentials = credentials;
    this.#open = parts.open;
    this.fingerprints = parts.fingerprints;
    this.pool = new Pool(
      limitsOf(settings),
      {
        open: (wish, generation) => this.#open(this, wish, generation),
        receded: parts.receded,
        close: (server) => server.connection.close(),
        makeRoom: (limit) => parts.makeRoom(this, limit),
      },
      parts.shared,
      parts.jitter,
    );
  }

  /** What a server reports to a client that connects with these startup parameters, if it is known. */
  greeting(base: Base): Settings | null {
    return this.#greetings.get(base.key) ?? null;
  }

  /** The ParameterStatus messages of a greeting, made once for all sessions that are greeted alike. */
  encodedGreeting(settings: Settings): Uint8Array {
    let bytes = this.#encoded.get(settings);
    if (bytes === undefined) {
      bytes = concat(...[...settings.values].map(([name, value]) => encodeParameterStatus(name, value)));
      this.#encoded.set(settings, bytes);
    }
    return bytes;
  }

  /** The same base as one object for all sessions that have it, where it is known. */
  intern(base: Base): Base {
    return this.#bases.get(base.key) ?? base;
  }

  /** The latest word on {@link greeting}. */
  learnGreeting(base: Base, settings: Settings): void {
    this.#greetings.delete(base.key);
    this.#greetings.set(base.key, settings);
    this.#bases.set(base.key, base);
    this.#lastBase = base;
    if (this.#greetings.size <= GREETINGS_MAX) return;
    for (const oldest of this.#greetings.keys()) {
      this.#greetings.delete(oldest);
      this.#bases.delete(oldest);
      return;
    }
  }

  /** The startup parameters for a connection that nobody in particular asked for. */
  get usualBase(): Base {
    return this.#lastBase;
  }
}

/** All pools of one worker, made as they are needed. */
export class ServerPools {
  /** What the console holds back; call {@link applyControl} after a change. */
  readonly control = new PoolControl();
  /** Averages by {@link nameOf} a database. */
  readonly periods: StatsPeriods;
  readonly #pools = new Map<string, ServerPool>();
  /** Pools that a reload removed while leases of theirs ran: they end with the last of these. */
  readonly #leaving = new Set<ServerPool>();
  readonly #unused = new UnusedPools<string>();
  /** What all pools that are gone did together, for the statistics line of the log. */
  readonly gone = { leases: 0, queries: 0, opened: 0, lost: 0 };
  /** What pools that are gone did, by {@link nameOf} their databases. */
  readonly #retired = new Map<string, StatsTotals>();
  readonly #databaseLimits = new Map<string, SharedLimit>();
  readonly #userLimits = new Map<string, SharedLimit>();
  readonly #fingerprints = new Map<string, Fingerprints>();
  /** By cluster: rises when ALTER ROLE or ALTER DATABASE changed what later sessions begin with. */
  readonly #generations = new Map<string, number>();
  readonly #parts: LoginParts;
  readonly #log: Log;
  #config: Config;

  constructor(config: Config, parts: LoginParts, log: Log) {
    this.#config = config;
    this.#parts = parts;
    this.#log = log;
    this.periods = new StatsPeriods(parts.clock.nowMs());
  }

  /** The name under which clients and the console know a pool's database. */
  nameOf({ key }: ServerPool): string {
    return databaseNameOf(this.#config, key);
  }

  /** Every pool of the database with this {@link nameOf} name; all of them for null. As in {@link all}. */
  *of(database: string | null): Generator<ServerPool> {
    for (const pool of this.all()) {
      if (database === null || this.nameOf(pool) === database) yield pool;
    }
  }

  /** Makes the pools as {@link control} says. */
  applyControl(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const server of this.#pools.values()) {
      const held = this.control.holds(this.nameOf(server));
      if (server.pool.paused !== held) server.pool.setPaused(held, nowMs);
    }
  }

  /** Totals since start by {@link nameOf} each database. */
  totals(): Map<string, StatsTotals> {
    const totals = new Map(this.#retired);
    for (const server of this.all()) {
      const name = this.nameOf(server);
      if (this.#leaving.has(server) && !isDatabaseName(this.#config, name)) continue;
      totals.set(name, addStats(totals.get(name) ?? NO_STATS, statsOf(server.counters)));
    }
    return totals;
  }

  /** What the statements of each database are known to do. */
  *fingerprints(): Generator<{ cluster: string; database: string; fingerprints: Fingerprints }> {
    for (const [name, fingerprints] of this.#fingerprints) {
      const [cluster, database] = JSON.parse(name) as [string, string];
      yield { cluster, database, fingerprints };
    }
  }

  /** Every pool there is, with those that a reload removed and that still have server connections. */
  *all(): Generator<ServerPool> {
    yield* this.#pools.values();
    yield* this.#leaving;
  }

  /** Whether a reload removed the pool. */
  isLeaving(server: ServerPool): boolean {
    return this.#leaving.has(server);
  }

  /** The pool for this key; `credentials` become those of its next logins. */
  get(key: PoolKey, credentials: ServerCredentials): ServerPool {
    const { cluster, node, database, user, alias, purpose } = key;
    const name = JSON.stringify([cluster, node.name, node.host, node.port, database, user, alias, purpose]);
    const existing = this.#pools.get(name);
    if (existing !== undefined) {
      existing.credentials = credentials;
      existing.hasClients = true;
      return existing;
    }
    const settings = poolSettings(this.#config, cluster, alias ?? undefined);
    const pool = new ServerPool(key, settings, credentials, {
      fingerprints: this.#fingerprintsOf(key),
      shared: this.#sharedLimits(key, settings),
      jitter: () => this.#parts.random.u32() / 2 ** 32,
      open: (pool, wish, generation) => void this.#open(pool, wish, generation),
      receded: () => this.control.receded(),
      makeRoom: (pool, limit) => this.#makeRoom(pool, limit),
    });
    this.#pools.set(name, pool);
    if (this.control.holds(this.nameOf(pool))) pool.pool.setPaused(true, this.#parts.clock.nowMs());
    return pool;
  }

  /** Time passes: timeouts, retries, minimum sizes. */
  tick(nowMs: number): void {
    for (const { pool, settings, hasClients } of this.#pools.values()) {
      pool.tick(nowMs, () => waitTimeout(settings.query_wait_timeout), { wanted: hasClients });
    }
    for (const server of this.#leaving) {
      if (!server.pool.quiet) continue;
      this.#leaving.delete(server);
      this.#retire(server);
    }
    this.periods.tick(nowMs, this.#config.log.stats_period || STATS_PERIOD_MS, () => this.totals());
  }

  /** Lets pools go that nobody uses, `used` being those that have clients. Called once a second. */
  forgetUnused(used: ReadonlySet<ServerPool>, nowMs: number): void {
    const pools = [...this.#pools].map(([name, server]) => {
      const { pool, counters } = server;
      server.hasClients = used.has(server);
      const busy = server.hasClients || !pool.quiet || pool.waitingCount > 0;
      return [name, { used: busy, opened: counters.opened > 0 }] as const;
    });
    const gone = this.#unused.look(pools, nowMs);
    for (const name of gone) {
      const server = this.#pools.get(name)!;
      this.#pools.delete(name);
      this.#retire(server);
    }
    if (gone.length > 0) this.#forgetShared();
  }

  /** What the pools of a database, or of a user, share goes with the last of them. */
  #forgetShared(): void {
    const databases = new Set<string>();
    const users = new Set<string>();
    for (const { key } of this.all()) {
      databases.add(databaseKey(key));
      users.add(userKey(key));
    }
    for (const name of this.#fingerprints.keys()) if (!databases.has(name)) this.#fingerprints.delete(name);
    for (const [name, { used }] of this.#databaseLimits) {
      if (used === 0 && !databases.has(name)) this.#databaseLimits.delete(name);
    }
    for (const [name, { used }] of this.#userLimits) {
      if (used === 0 && !users.has(name)) this.#userLimits.delete(name);
    }
  }

  /** A pool is gone: what it did still counts, as long as its name leads somewhere. */
  #retire(server: ServerPool): void {
    const { counters } = server;
    this.gone.leases += counters.leases;
    this.gone.queries += counters.queries;
    this.gone.opened += counters.opened;
    this.gone.lost += counters.lost;
    const database = this.nameOf(server);
    if (counters.opened === 0 || !isDatabaseName(this.#config, database)) return;
    const before = this.#retired.get(database) ?? NO_STATS;
    this.#retired.set(database, addStats(before, statsOf(counters)));
  }

  /** A reload: limits change in place; pools of clusters or nodes that are gone end. */
  configure(config: Config, nowMs: number): void {
    this.#config = config;
    for (const [name, server] of this.#pools) {
      const { cluster, alias } = server.key;
      const reason = goneReason(config, server.key);
      if (reason !== null) {
        this.#pools.delete(name);
        this.#leaving.add(server);
        server.pool.close(new PgplexError("config_changed", `terminating connection: ${reason}`));
        continue;
      }
      server.settings = poolSettings(config, cluster, alias ?? undefined);
      this.#sharedLimits(server.key, server.settings);
      server.pool.configure(limitsOf(server.settings), nowMs);
    }
    for (const name of this.#retired.keys()) if (!isDatabaseName(config, name)) this.#retired.delete(name);
    this.control.forget((name) => isDatabaseName(config, name));
    this.applyControl();
  }

  /** Ends all pools. */
  close(error: PgplexError): void {
    for (const { pool } of this.all()) pool.close(error);
  }

  /** Which reign of defaults a new session of this cluster begins in: part of its base. */
  generation(cluster: string): number {
    return this.#generations.get(cluster) ?? 0;
  }

  /**
   * ALTER ROLE or ALTER DATABASE went through: sessions from now on begin with other defaults, so they need connections that
   * are opened from now on. Those that are there keep what they began with, and so do their connections.
   */
  defaultsChanged(cluster: string): void {
    this.#generations.set(cluster, this.generation(cluster) + 1);
  }

  /**
   * Counts one connection more to the database and of the user of `server`, besides its pool's own. Null where there may be
   * none, and none can be closed to make room.
   *
   * @returns what counts it off again
   */
  reserve(server: ServerPool): (() => void) | null {
    const limits = this.#sharedLimits(server.key, server.settings);
    for (const limit of limits) if (limit.exhausted && !this.#makeRoom(null, limit)) return null;
    for (const limit of limits) limit.take();
    return () => {
      for (const limit of limits) limit.give();
    };
  }

  #fingerprintsOf(key: PoolKey): Fingerprints {
    const name = databaseKey(key);
    let found = this.#fingerprints.get(name);
    if (found === undefined) this.#fingerprints.set(name, found = new Fingerprints());
    return found;
  }

  #sharedLimits(key: PoolKey, settings: PoolSettings): SharedLimit[] {
    const limit = (limits: Map<string, SharedLimit>, name: string, max: number) => {
      let found = limits.get(name);
      if (found === undefined) limits.set(name, found = new SharedLimit(max));
      found.max = max;
      return found;
    };
    return [
      limit(this.#databaseLimits, databaseKey(key), settings.max_db_connections),
      limit(this.#userLimits, userKey(key), settings.max_user_connections),
    ];
  }

  #makeRoom(asking: ServerPool | null, limit: SharedLimit): boolean {
    for (const server of this.#pools.values()) {
      if (server === asking || !server.pool.shares(limit) || server.pool.waitingCount > 0) continue;
      if (server.pool.evictIdle()) return true;
    }
    return false;
  }

  async #open(server: ServerPool, wish: ServerWish | null, generation: number): Promise<void> {
    const { key, settings, pool, counters } = server;
    const base = wish?.base ?? server.usualBase;
    const { clock } = this.#parts;
    const id = this.#parts.nextId();
    server.logins.set(id, clock.nowMs());
    try {
      const tls = this.#config.clusters.get(key.cluster)?.tls;
      if (tls === undefined) throw new PgplexError("config_changed", `cluster "${key.cluster}" is gone`);
      const connection = await login({
        endpoint: key.node,
        tls,
        user: key.user,
        database: key.database,
        credentials: server.credentials,
        params: base.params,
        base: base.key,
        timeoutMs: settings.server_connect_timeout,
      }, this.#parts);
      counters.opened++;
      server.logins.delete(id);
      server.learnGreeting(base, connection.identity.parameters);
      const pooled: PooledServer = {
        connection,
        openedMs: connection.openedMs,
        fitness: (wish) => fitness(connection, wish, server.known),
      };
      connection.onIdleEnd = (_, error) => {
        this.#log.debug("server connection ended while idle", {
          ...this.#fields(server),
          error: error.message,
        });
        pool.lost(pooled, clock.nowMs());
      };
      void connection.start();
      this.#log.debug("server connection opened", this.#fields(server));
      pool.opened(pooled, clock.nowMs(), generation);
    } catch (thrown) {
      server.logins.delete(id);
      const error = toPgplexError(thrown, "server_unreachable");
      const final = error instanceof ServerRefusal ? !error.transient : error.code === "server_login_failed";
      this.#log.warning("cannot open a server connection", {
        ...this.#fields(server),
        error: error.message,
        cause: error.extra.log,
        sqlstate: error.sqlstate,
      });
      pool.openFailed(error, final, wish, clock.nowMs(), generation);
    }
  }

  #fields({ key }: ServerPool): Record<string, string> {
    return { cluster: key.cluster, node: key.node.name, database: key.database, user: key.user };
  }
}

/** Under what the pools of one database share something. */
function databaseKey({ cluster, database }: PoolKey): string {
  return JSON.stringify([cluster, database]);
}

/** Under what the pools of one user share something. */
function userKey({ cluster, user }: PoolKey): string {
  return JSON.stringify([cluster, user]);
}

/**
 * Two: the connection's state is the session's, or the session has none yet. One: it can be made so. None: it was opened with
 * other parameters, or has made its temporary schema where the session is about to.
 */
function fitness(connection: ServerConnection, wish: ServerWish, known: SettingsTable): 0 | 1 | 2 {
  if (connection.closed || connection.identity.base !== wish.base.key) return 0;
  if (connection.hasTempSchema && (wish.settings?.createsInTemp ?? false)) return 0;
  if (connection.sqlStatements.size > 0) {
    for (const [name, sql] of connection.sqlStatements) if (wish.sqlStatements.get(name) !== sql) return 1;
  }
  if (lacksName(connection, wish)) return 1;
  if (wish.settings === null || wish.settings === connection.settings) return 2;
  if (!wish.settings.equals(connection.settings)) return 1;
  wish.settings = connection.settings = known.one(connection.settings);
  return 2;
}

/**
 * Whether the session SET application_name to what the connection has without any SET: nobody can tell, until something is
 * rolled back or reset.
 */
export function lacksName(connection: ServerConnection, { loginName, settings }: ServerWish): boolean {
  if (connection.nameIsSet || loginName == null || settings === null) return false;
  const { applicationName } = settings;
  return applicationName !== loginName &&
    applicationName === connection.identity.parameters.applicationName;
}

/** Why the configuration has no place for a pool, or a connection, any more; null where it has. */
export function goneReason(
  config: Config,
  { cluster, node, database, alias }: Pick<PoolKey, "cluster" | "node" | "database" | "alias">,
): string | null {
  const nodes = config.clusters.get(cluster)?.nodes;
  if (nodes === undefined) return `cluster "${cluster}" was removed from the configuration`;
  if (!nodes.some(({ name, host, port }) => name === node.name && host === node.host && port === node.port)) {
    return `node "${node.name}" of cluster "${cluster}" was removed or moved in the configuration`;
  }
  if (alias === null) return null;
  const leads = config.routing.databases.get(alias);
  if (leads === undefined) return `database "${alias}" was removed from the configuration`;
  if (leads.cluster === cluster && leads.database === database) return null;
  return `database "${alias}" leads elsewhere since the configuration changed`;
}

function limitsOf(settings: PoolSettings): PoolLimits {
  return {
    size: settings.default_pool_size,
    sizeMin: settings.min_pool_size,
    reserveSize: settings.reserve_pool_size,
    reserveTimeoutMs: settings.reserve_pool_timeout,
    idleTimeoutMs: settings.server_idle_timeout,
    lifetimeMs: settings.server_lifetime,
    retryMs: settings.server_login_retry,
    openingMax: OPENING_MAX,
  };
}

/** What a client hears that waited in vain. */
export function waitTimeout(limitMs: number): PgplexError {
  return new PgplexError("query_wait_timeout", "query_wait_timeout: no server connection became free", {
    detail: `The limit is ${limitMs} ms.`,
    hint: "Raise default_pool_size, or shorten transactions.",
  });
}
