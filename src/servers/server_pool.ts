import { sameCredentials, type ServerCredentials } from "../auth/mod.ts";
import { type ServerConnection, type Settings, SettingsTable } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { concat, PgplexError } from "../kernel/mod.ts";
import { Pool, type Poolable, type PoolLimits, type SharedLimit } from "../pool/mod.ts";
import { type BinaryString, encodeParameterStatus } from "../protocol/mod.ts";
import { type Log, PoolCounters } from "../telemetry/mod.ts";
import type { TopologyNode } from "../topology/mod.ts";
import type { Fingerprints } from "../learning/mod.ts";

/** Connections that one pool opens at the same time, at most. */
const OPENING_MAX = 8;

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

/** A login that the server refused for good: what clients hear until another is tried. */
export interface LoginRefusal {
  readonly error: PgplexError;
  /** Of the login that was refused: another may go better. */
  readonly credentials: ServerCredentials;
  /** The key of the {@link Base} that the refusal may be about; null where it is about the user or the database. */
  readonly base: string | null;
  readonly generation: number;
  /** When another login is tried, in clock milliseconds. */
  untilMs: number;
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
  /** The last login that was refused for good, until one succeeds. */
  refusal: LoginRefusal | null = null;
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

  /** {@link refusal}, where a login for these startup parameters would be the same again. */
  refusalOf(base: Base, generation: number): LoginRefusal | null {
    const { refusal } = this;
    if (refusal === null || refusal.generation !== generation) return null;
    if (refusal.base !== null && refusal.base !== base.key) return null;
    return sameCredentials(refusal.credentials, this.credentials) ? refusal : null;
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

/**
 * Two: the connection's state is the session's, or the session has none yet. One: it can be made so. None: it was opened with
 * other parameters, or has made its temporary schema where the session is about to.
 */
export function fitness(connection: ServerConnection, wish: ServerWish, known: SettingsTable): 0 | 1 | 2 {
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
export function fieldsOf({ key }: ServerPool): Record<string, string> {
  return { cluster: key.cluster, node: key.node.name, database: key.database, user: key.user };
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

/** What a client hears that waited in vain. */
export function waitTimeout(limitMs: number): PgplexError {
  return new PgplexError("query_wait_timeout", "query_wait_timeout: no server connection became free", {
    detail: `The limit is ${limitMs} ms.`,
    hint: "Raise default_pool_size, or shorten transactions.",
  });
}
