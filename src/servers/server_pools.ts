import type { ServerCredentials } from "../auth/mod.ts";
import { login, type Runtime, ServerRefusal } from "../backend/mod.ts";
import { type Config, type PoolSettings, poolSettings } from "../config/mod.ts";
import { PgplexError, toPgplexError } from "../kernel/mod.ts";
import { SharedLimit } from "../pool/mod.ts";
import { addStats, type Log, NO_STATS, statsOf, StatsPeriods, type StatsTotals } from "../telemetry/mod.ts";
import { databaseNameOf, isDatabaseName } from "./databases.ts";
import { Fingerprints } from "../learning/mod.ts";
import { PoolControl } from "./pool_control.ts";
import {
  fieldsOf,
  fitness,
  limitsOf,
  type PooledServer,
  type PoolKey,
  ServerPool,
  type ServerWish,
  waitTimeout,
  warnOfSpoilt,
} from "./server_pool.ts";
import { UnusedPools } from "./unused_pools.ts";

/** Over which time averages are made where `log.stats_period` is 0. */
const STATS_PERIOD_MS = 60_000;

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
  readonly #parts: Runtime;
  readonly #log: Log;
  #config: Config;

  constructor(config: Config, parts: Runtime, log: Log) {
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
      if (server.pool.paused === held) continue;
      server.refusal = null;
      server.pool.setPaused(held, nowMs);
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
    const entries = new Set<string>();
    const users = new Set<string>();
    for (const { key } of this.all()) {
      databases.add(databaseKey(key));
      entries.add(entryKey(key));
      users.add(this.#userScope(key));
    }
    for (const name of this.#fingerprints.keys()) if (!databases.has(name)) this.#fingerprints.delete(name);
    for (const [name, { used }] of this.#databaseLimits) {
      if (used === 0 && !entries.has(name)) this.#databaseLimits.delete(name);
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
      server.refusal = null;
      const shared = this.#sharedLimits(server.key, server.settings);
      server.pool.configure(limitsOf(server.settings), nowMs, shared);
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
      limit(this.#databaseLimits, entryKey(key), settings.max_db_connections),
      limit(this.#userLimits, this.#userScope(key), settings.max_user_connections),
    ];
  }

  /** Among which pools a user's connections count: an alias that sets the limit itself counts its own. */
  #userScope({ cluster, user, alias }: PoolKey): string {
    const own = alias !== null &&
      this.#config.routing.databases.get(alias)?.max_user_connections !== undefined;
    return JSON.stringify([cluster, user, own ? alias : null]);
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
    const { credentials } = server;
    const refusal = server.refusalOf(base, generation);
    if (refusal !== null && clock.nowMs() < refusal.untilMs) {
      await Promise.resolve(); // many may wait, and each of them would be refused inside the call for the one before
      return pool.openFailed(refusal.error, true, wish, clock.nowMs(), generation);
    }
    // Whoever comes while it is tried again hears the same.
    if (refusal !== null) refusal.untilMs = clock.nowMs() + settings.server_login_retry;
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
        credentials,
        params: base.params,
        base: base.key,
        timeoutMs: settings.server_connect_timeout,
      }, this.#parts);
      counters.opened++;
      server.logins.delete(id);
      if (refusal === server.refusal) server.refusal = null;
      server.learnGreeting(base, connection.identity.parameters);
      const pooled: PooledServer = {
        connection,
        openedMs: connection.openedMs,
        fitness: (wish) => fitness(connection, wish, server.known),
      };
      connection.onIdleEnd = (_, error) => {
        this.#log.debug("server connection ended while idle", { ...fieldsOf(server), error: error.message });
        if (pool.lost(pooled, error, clock.nowMs())) warnOfSpoilt(this.#log, server, error);
      };
      void connection.start();
      this.#log.debug("server connection opened", fieldsOf(server));
      pool.opened(pooled, clock.nowMs(), generation);
    } catch (thrown) {
      server.logins.delete(id);
      const error = toPgplexError(thrown, "server_unreachable");
      const final = error instanceof ServerRefusal ? !error.transient : error.code === "server_login_failed";
      this.#log.warning("cannot open a server connection", {
        ...fieldsOf(server),
        error: error.message,
        cause: error.extra.log,
        sqlstate: error.sqlstate,
      });
      if (final) {
        const untilMs = clock.nowMs() + settings.server_login_retry;
        const ofAll = !(error instanceof ServerRefusal) || /^(28|3D)/.test(error.sqlstate);
        server.refusal = { error, credentials, base: ofAll ? null : base.key, generation, untilMs };
      }
      pool.openFailed(error, final, wish, clock.nowMs(), generation);
    }
  }
}

/** Under what the pools of one database share something. */
function databaseKey({ cluster, database }: PoolKey): string {
  return JSON.stringify([cluster, database]);
}

/** Under what the connections of one name that clients give are counted: two that lead to one database are two. */
function entryKey({ cluster, database, alias }: PoolKey): string {
  return JSON.stringify([cluster, database, alias]);
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
