import { sameCredentials, type ServerCredentials } from "../auth/mod.ts";
import type { ServerConnection, SettingsTable } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Fingerprints } from "../learning/mod.ts";
import { Pool, type Poolable, type PoolLimits, type SharedLimit } from "../pool/mod.ts";
import type { Log, PoolCounters } from "../telemetry/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";
import type { ConnectSettings } from "./connect_query.ts";
import type { DestinationKey } from "./destination_key.ts";
import type { Greetings } from "./greetings.ts";
import type { Base, ServerWish } from "./server_wish.ts";

/** Connections that one pool opens at the same time, at most. */
const OPENING_MAX = 8;

/** A server connection as a pool sees it. */
export interface PooledServer extends Poolable<ServerWish> {
  readonly connection: ServerConnection;
  /** The pool that it belongs to, and goes back to. */
  readonly home: ServerPool;
}

/** What the pools of a destination take from it; {@link "./destination.ts"}. */
export interface PoolDestination {
  readonly key: DestinationKey;
  readonly settings: PoolSettings;
  readonly credentials: ServerCredentials;
  readonly counters: PoolCounters;
  readonly fingerprints: Fingerprints;
  /** States of its connections and sessions. */
  readonly known: SettingsTable;
  readonly greetings: Greetings;
  readonly connectSettings: ConnectSettings;
  /** Whether sessions that write go to this pool now. */
  isForWrites(server: ServerPool): boolean;
  /** A connection there could not be opened. */
  openFailed(server: ServerPool, nowMs: number): void;
}

/** A login that the server refused for good: what clients hear until another is tried. */
export interface LoginRefusal {
  readonly error: PgplexError;
  /** Of the login that was refused: another may go better. */
  readonly credentials: ServerCredentials;
  /** The key of the {@link Base} that the refusal may be about; null where it is about the user or the database. */
  readonly base: string | null;
  readonly generation: number;
  /** When another login is tried, in clock milliseconds. */
  readonly untilMs: number;
}

/** What a pool asks of whoever makes it. */
export interface ServerPoolPort {
  /** Opens a connection, and tells {@link ServerPool.pool} how that went. */
  open(pool: ServerPool, wish: ServerWish | null, generation: number): void;
  /** Ends a connection that nobody has any more. */
  close(pool: ServerPool, server: PooledServer, reason: string): void;
  /** As {@link PoolPort.receded}. */
  receded(): void;
  /** As {@link PoolPort.makeRoom}, but in no pool that it would be of no use to. */
  makeRoom(pool: ServerPool, limit: SharedLimit): boolean;
}

/** The server connections of one destination to one node. */
export class ServerPool {
  readonly destination: PoolDestination;
  readonly node: NodeAddress;
  readonly pool: Pool<ServerWish, PooledServer>;
  /** Logins under way: by the id that the console knows each by, when it began, in clock milliseconds. */
  readonly logins = new Map<number, number>();
  /** The last login that was refused for good, until one succeeds. */
  #refusal: LoginRefusal | null = null;

  constructor(
    destination: PoolDestination,
    node: NodeAddress,
    port: ServerPoolPort,
    { shared, jitter }: { shared: readonly SharedLimit[]; jitter: () => number },
  ) {
    this.destination = destination;
    this.node = node;
    this.pool = new Pool(
      limitsOf(destination.settings),
      {
        open: (wish, generation) => port.open(this, wish, generation),
        receded: () => port.receded(),
        close: (server, reason) => port.close(this, server, reason),
        makeRoom: (limit) => port.makeRoom(this, limit),
      },
      shared,
      jitter,
    );
  }

  get key(): DestinationKey {
    return this.destination.key;
  }

  /** The last login that was refused, where one for these startup parameters would be the same again. */
  refusalOf(base: Base, generation: number): LoginRefusal | null {
    const refusal = this.#refusal;
    if (refusal === null || refusal.generation !== generation) return null;
    if (refusal.base !== null && refusal.base !== base.key) return null;
    return sameCredentials(refusal.credentials, this.destination.credentials) ? refusal : null;
  }

  /** A login was refused for good. */
  refused(refusal: LoginRefusal): void {
    this.#refusal = refusal;
  }

  /** What `refusal` was about is tried again: whoever comes until `untilMs` hears the same. @returns what holds from now on */
  retries(refusal: LoginRefusal, untilMs: number): LoginRefusal {
    return this.#refusal = { ...refusal, untilMs };
  }

  /** A login went well that was tried in spite of `refusal`, or of none. */
  loggedIn(refusal: LoginRefusal | null): void {
    if (this.#refusal === refusal) this.#refusal = null;
  }

  /** What was refused may go well now. */
  forgetRefusal(): void {
    this.#refusal = null;
  }

  /** Takes a reload's settings over. */
  configure(nowMs: number, shared: readonly SharedLimit[]): void {
    this.forgetRefusal();
    this.pool.configure(limitsOf(this.destination.settings), nowMs, shared);
  }

  /** An operator's pause begins or ends. */
  setPaused(paused: boolean, nowMs: number): void {
    if (this.pool.paused === paused) return;
    this.forgetRefusal();
    this.pool.setPaused(paused, nowMs);
  }
}

/** The pool's limits in these settings. */
export function limitsOf(settings: PoolSettings): PoolLimits {
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

/** What the log says of every pool. */
export function fieldsOf({ key, node }: ServerPool): Record<string, string> {
  return { cluster: key.cluster, node: node.name, database: key.database, user: key.user };
}

/** A connection was lost before its first lease began, which counts as a login that failed. */
export function warnOfSpoilt(log: Log, pool: ServerPool, error: PgplexError): void {
  log.warning("a new server connection was lost before anybody could use it", {
    ...fieldsOf(pool),
    error: error.message,
    cause: error.extra.log,
    sqlstate: error.sqlstate,
  });
}
