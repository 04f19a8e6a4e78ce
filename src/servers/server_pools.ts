import type { ServerCredentials } from "../auth/mod.ts";
import type { CommitNote, Runtime } from "../backend/mod.ts";
import { type Config, poolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { Share, type SharedLimit } from "../pool/mod.ts";
import { type Log, type StatsTotals, WorkHistograms } from "../telemetry/mod.ts";
import { type NodeAddress, type NodeChange, sameNode, type TopologyPublisher } from "../topology/mod.ts";
import { CommitInquiry } from "./commit_inquiry.ts";
import { databaseNameOf, isNamed, keepsName, ownerOf } from "./databases.ts";
import { Destination } from "./destination.ts";
import type { DestinationKey } from "./destination_key.ts";
import { goneReason, nodeGoneReason } from "./gone_reason.ts";
import { opensOtherwise } from "./opening_change.ts";
import { PoolControl } from "./pool_control.ts";
import { type Counted, PoolStatistics } from "./pool_statistics.ts";
import { openServer } from "./server_opening.ts";
import { fieldsOf, ServerPool, type ServerPoolPort } from "./server_pool.ts";
import { SharedLimits } from "./shared_limits.ts";
import { UnusedPools } from "./unused_pools.ts";

/** What the pools of a worker need of it. */
export interface ServerPoolsParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly topology: TopologyPublisher;
  /** A connection to a node was lost or could not be had, or says that the node has another role now. */
  readonly onServerTrouble: (cluster: string, node: string) => void;
}

/** All destinations of one worker and their pools, made as they are needed. */
export class ServerPools {
  /** What the console holds back; call {@link applyControl} after a change. */
  readonly control = new PoolControl();
  readonly statistics: PoolStatistics;
  /** How long clients' waits, queries and transactions took, by cluster; those of clusters that a reload removed go with them. */
  readonly histograms = new Map<string, WorkHistograms>();
  readonly #destinations = new Map<string, Destination>();
  /** Those that a reload removed while leases of theirs ran: they end with the last of these. */
  readonly #leaving = new Set<Destination>();
  readonly #unused = new UnusedPools<string>();
  /** Those that are kept at their minimum, whoever is there. */
  #kept: ReadonlySet<Destination> = new Set();
  readonly #limits = new SharedLimits();
  readonly #fingerprints = new Map<string, Fingerprints>();
  /** By cluster: rises when ALTER ROLE or ALTER DATABASE changed what later sessions begin with. */
  readonly #generations = new Map<string, number>();
  readonly #parts: ServerPoolsParts;
  readonly #port: ServerPoolPort;
  #config: Config;

  constructor(config: Config, parts: ServerPoolsParts) {
    this.#config = config;
    this.#parts = parts;
    this.statistics = new PoolStatistics(this.#nowMs());
    const opening = {
      runtime: parts.runtime,
      log: parts.log,
      tls: (cluster: string) => this.#config.clusters.get(cluster)?.tls ?? null,
      onServerTrouble: parts.onServerTrouble,
    };
    this.#port = {
      open: (pool, wish, generation) => void openServer(pool, wish, generation, opening),
      close: (pool, { connection }, reason) => {
        parts.log.debug("server connection closed", { ...fieldsOf(pool), reason });
        connection.close();
      },
      receded: () => this.control.receded(),
      makeRoom: (pool, limit) => this.#makeRoom(pool, limit),
    };
  }

  #nowMs(): number {
    return this.#parts.runtime.clock.nowMs();
  }

  /** The name under which clients and the console know the database of a destination or a pool. */
  nameOf({ key }: { readonly key: DestinationKey }): string {
    return databaseNameOf(this.#config, key);
  }

  /** The destination of this key; `credentials` become those of its next logins. */
  get(key: DestinationKey, credentials: ServerCredentials): Destination {
    const { cluster, database, user, alias, purpose } = key;
    const name = JSON.stringify([cluster, database, user, alias, purpose]);
    const existing = this.#destinations.get(name);
    if (existing !== undefined) {
      existing.admits(credentials);
      return existing;
    }
    const settings = poolSettings(this.#config, ownerOf(key));
    const destination = new Destination(key, settings, credentials, {
      topology: this.#parts.topology,
      balance: this.#config.balance,
      nowMs: () => this.#nowMs(),
      fingerprints: this.#fingerprintsOf(key),
      // What pgplex asks for itself is not what clients wait for.
      ...(purpose === "clients" ? { histograms: this.#histogramsOf(cluster) } : {}),
      makePool: (destination, node) => this.#makePool(destination, node),
    });
    this.#destinations.set(name, destination);
    if (this.control.holds(this.nameOf(destination))) destination.setPaused(true, this.#nowMs());
    return destination;
  }

  /** These destinations, and no others, are kept at `min_pool_size` also while they have no client. */
  keep(kept: readonly { readonly key: DestinationKey; readonly credentials: ServerCredentials }[]): void {
    this.#kept = new Set(kept.map(({ key, credentials }) => this.get(key, credentials)));
  }

  /** Whether one that is kept is below its minimum, though connections can be opened. */
  get filling(): boolean {
    for (const { pool: server, paused, failure, settings } of this.#kept) {
      const min = Math.min(settings.min_pool_size, settings.default_pool_size);
      if (!paused && server !== null && failure === null && server.pool.total < min) return true;
    }
    return false;
  }

  #histogramsOf(cluster: string): WorkHistograms {
    let histograms = this.histograms.get(cluster);
    if (histograms === undefined) this.histograms.set(cluster, histograms = new WorkHistograms());
    return histograms;
  }

  /** Begins to find out what became of a transaction on `cluster` whose COMMIT was not answered; see {@link CommitInquiry}. */
  inquire(cluster: string, note: CommitNote, limitMs: number): CommitInquiry {
    const { runtime, topology } = this.#parts;
    return new CommitInquiry({ runtime, topology, config: () => this.#config }, cluster, note, limitMs);
  }

  #makePool(destination: Destination, node: NodeAddress): ServerPool {
    return new ServerPool(destination, node, this.#port, {
      shared: this.#sharedLimits(destination),
      jitter: () => this.#parts.runtime.random.u32() / 2 ** 32,
    });
  }

  /** Every destination there is, with those that a reload removed and that still have server connections. */
  *destinations(): Generator<Destination> {
    yield* this.#destinations.values();
    yield* this.#leaving;
  }

  /** Every pool of {@link destinations}, as of now: a list costs less than generators within each other, where there are many. */
  all(): ServerPool[] {
    const all: ServerPool[] = [];
    for (const destinations of [this.#destinations.values(), this.#leaving]) {
      for (const destination of destinations) for (const pool of destination.pools()) all.push(pool);
    }
    return all;
  }

  /** Every pool of the database with this {@link nameOf} name; all of them for null. As in {@link all}. */
  *of(database: string | null): Generator<ServerPool> {
    for (const destination of this.destinations()) {
      if (database === null || this.nameOf(destination) === database) yield* destination.pools();
    }
  }

  /** Whether a reload removed the pool. */
  isLeaving({ pool }: ServerPool): boolean {
    return pool.closed !== null;
  }

  /** Makes the pools as {@link control} says. */
  applyControl(): void {
    const nowMs = this.#nowMs();
    for (const destination of this.#destinations.values()) {
      const held = this.control.holds(this.nameOf(destination));
      if (destination.paused !== held) destination.setPaused(held, nowMs);
    }
  }

  /** Totals since start by {@link nameOf} each database. */
  totals(): Map<string, StatsTotals> {
    const there: Counted[] = [];
    for (const destination of this.destinations()) {
      const counted = this.#counted(destination);
      if (this.#leaving.has(destination) && !isNamed(this.#config, destination.key)) continue;
      there.push(counted);
    }
    return this.statistics.totals(there);
  }

  #counted(destination: Destination): Counted {
    return { name: this.nameOf(destination), counters: destination.counters };
  }

  /** What the statements of each database are known to do. */
  *fingerprints(): Generator<{ cluster: string; database: string; fingerprints: Fingerprints }> {
    for (const [name, fingerprints] of this.#fingerprints) {
      const [cluster, database] = JSON.parse(name) as [string, string];
      yield { cluster, database, fingerprints };
    }
  }

  #fingerprintsOf(key: DestinationKey): Fingerprints {
    const name = databaseKey(key);
    let found = this.#fingerprints.get(name);
    if (found === undefined) this.#fingerprints.set(name, found = new Fingerprints());
    return found;
  }

  /** Time passes: timeouts, retries, minimum sizes. */
  tick(nowMs: number): void {
    for (const destination of this.#destinations.values()) destination.tick(nowMs);
    for (const destination of this.#leaving) {
      if (!destination.quiet) continue;
      this.#leaving.delete(destination);
      this.#retire(destination);
    }
    this.statistics.tick(nowMs, this.#config, () => this.totals());
  }

  /** Lets destinations go that nobody uses, `used` being those that have clients. Called once a second. */
  forgetUnused(used: ReadonlySet<Destination>, nowMs: number): void {
    const looked = [...this.#destinations].map(([name, destination]) => {
      destination.noteClients(used.has(destination) || this.#kept.has(destination));
      const busy = destination.hasClients || !destination.quiet || destination.waitingCount > 0 ||
        destination.seatCount > 0;
      return [name, { used: busy, opened: destination.counters.opened > 0 }] as const;
    });
    const gone = this.#unused.look(looked, nowMs);
    for (const name of gone) {
      const destination = this.#destinations.get(name)!;
      this.#destinations.delete(name);
      this.#retire(destination);
    }
    if (gone.length > 0) this.#forgetShared();
  }

  /** What destinations of one database, or of one user, share goes with the last of them. */
  #forgetShared(): void {
    const keys = [...this.destinations()].map(({ key }) => key);
    const databases = new Set(keys.map(databaseKey));
    for (const name of this.#fingerprints.keys()) if (!databases.has(name)) this.#fingerprints.delete(name);
    this.#limits.forgetUnused(this.#config, keys);
  }

  #retire(destination: Destination): void {
    this.statistics.retire(this.#counted(destination), isNamed(this.#config, destination.key));
  }

  /**
   * A reload: limits change in place; destinations end whose cluster is gone, or whose name leads elsewhere; server connections are
   * replaced, each at its boundary, where they are opened in another way from now on (TLS, `connect_query`). Nodes are another matter:
   * see {@link topologyChanged}, which comes behind it.
   */
  configure(config: Config, nowMs: number): void {
    const both = { before: this.#config, after: config };
    this.#config = config;
    for (const name of this.histograms.keys()) if (!config.clusters.has(name)) this.histograms.delete(name);
    for (const [name, destination] of this.#destinations) {
      const reason = goneReason(config, destination.key);
      if (reason !== null) {
        this.#destinations.delete(name);
        this.#leaving.add(destination);
        destination.close(new PgplexError("config_changed", `terminating connection: ${reason}`));
        continue;
      }
      const settings = poolSettings(config, ownerOf(destination.key));
      const shared = this.#limits.of(config, destination.key, settings);
      destination.configure(settings, nowMs, shared, config.balance);
      if (opensOtherwise(both, destination.key)) destination.recycle(nowMs);
    }
    this.statistics.keepOnly((name) => keepsName(both, name));
    this.control.forget((name) => keepsName(both, name));
    this.applyControl();
  }

  /** Another snapshot of the nodes is in force: who waits goes where leases begin now, and pools of nodes that are gone end. */
  topologyChanged(nowMs: number): void {
    for (const destination of this.#destinations.values()) {
      const { cluster } = destination.key;
      destination.topologyChanged(nowMs, (node) => {
        const reason = nodeGoneReason(this.#config, cluster, node);
        return reason === null
          ? null
          : new PgplexError("config_changed", `terminating connection: ${reason}`);
      });
    }
  }

  /** A node is lost: whoever has a server connection there hears `error` for it. */
  nodeLost({ cluster, node }: NodeChange, error: PgplexError): void {
    for (const server of this.all()) {
      if (server.key.cluster !== cluster || !sameNode(server.node, node)) continue;
      for (const { connection } of [...server.pool.resources()]) connection.cut(error);
    }
  }

  /** A node answers again: whoever waits for a connection there waits no longer than it takes to open one. */
  nodeBack({ cluster, node }: NodeChange): void {
    for (const server of this.all()) {
      if (server.key.cluster === cluster && sameNode(server.node, node)) server.pool.retry(this.#nowMs());
    }
  }

  /** Ends all pools. */
  close(error: PgplexError): void {
    for (const destination of this.destinations()) destination.close(error);
  }

  /** How often the defaults of this cluster have changed: part of the base of a new session. */
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
   * Counts one connection more to the database and of the user of `destination`, besides those of its pools. Null where there may
   * be none, and none can be closed to make room.
   *
   * @returns what counts it off again
   */
  reserve(destination: Destination): (() => void) | null {
    const share = new Share(this.#sharedLimits(destination), (limit) => this.#makeRoom(null, limit));
    return share.take() ? () => share.give() : null;
  }

  /**
   * Ends the idle server connections in a database, and holds what would be opened there, while a statement runs that needs it
   * for itself.
   *
   * @returns what lets them in again
   */
  vacate(isVacated: (key: Pick<DestinationKey, "cluster" | "database">) => boolean): () => void {
    const vacated = [...this.#destinations.values()].filter(({ key }) => isVacated(key));
    for (const destination of vacated) destination.vacates(1, this.#nowMs());
    return () => {
      for (const destination of vacated) destination.vacates(-1, this.#nowMs());
      // Another database may have that name from now on.
      for (const { cluster, database, fingerprints } of this.fingerprints()) {
        if (isVacated({ cluster, database })) fingerprints.catalogue.changes();
      }
    };
  }

  #sharedLimits({ key, settings }: Destination): readonly SharedLimit[] {
    return this.#limits.of(this.#config, key, settings);
  }

  #makeRoom(asking: ServerPool | null, limit: SharedLimit): boolean {
    for (const destination of this.#destinations.values()) {
      for (const server of destination.pools()) {
        if (server === asking || !server.pool.shares(limit) || server.pool.waitingCount > 0) continue;
        if (server.pool.evictIdle()) return true;
      }
    }
    return false;
  }
}

/** Under what the destinations of one database share something. */
function databaseKey({ cluster, database }: DestinationKey): string {
  return JSON.stringify([cluster, database]);
}
