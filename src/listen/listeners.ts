import type { Runtime, ServerConnection } from "../backend/mod.ts";
import type { Config } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { type BinaryString, utf8FromBinary } from "../protocol/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import type { ServerPool, ServerPools } from "../servers/mod.ts";
import { type ListenerState, SharedListener } from "./shared_listener.ts";

/** One shared listener, for the console. */
export interface ListenerInfo {
  readonly cluster: string;
  readonly node: string;
  readonly database: string;
  readonly user: string;
  /** client_encoding. */
  readonly encoding: string;
  readonly state: ListenerState;
  /** The server's process id; null while it is not connected. */
  readonly pid: number | null;
  readonly channels: readonly { readonly channel: string; readonly sessions: number }[];
  /** Clock milliseconds since when it is up, or down. */
  readonly sinceMs: number;
  /** Its connection; null while there is none. */
  readonly connection: ServerConnection | null;
  /** The pool whose name and settings it has. */
  readonly pool: ServerPool;
}

/** All shared listeners of one worker, made as they are needed. */
export class Listeners {
  readonly #listeners = new Map<string, SharedListener>();
  readonly #parts: Runtime;
  readonly #pools: ServerPools;
  readonly #log: Log;
  #config: Config;
  #serial = 0;

  constructor(config: Config, parts: Runtime, pools: ServerPools, log: Log) {
    this.#config = config;
    this.#parts = parts;
    this.#pools = pools;
    this.#log = log;
  }

  /** The listener for sessions of `pool` whose client_encoding is `encoding`. It is not opened yet when it is new. */
  get(pool: ServerPool, encoding: BinaryString): SharedListener {
    const { cluster, node, database, user } = pool.key;
    const name = JSON.stringify([cluster, node.name, node.host, node.port, database, user, encoding]);
    let listener = this.#listeners.get(name);
    if (listener !== undefined) {
      listener.pool = pool;
      return listener;
    }
    const random = this.#parts.random.fill(new Uint8Array(16));
    listener = new SharedListener(pool, {
      runtime: this.#parts,
      log: this.#log,
      marker: `pgplex_${random.toHex()}`,
      encoding,
      tls: () => this.#config.clusters.get(cluster)?.tls ?? null,
      reserve: (pool) => this.#pools.reserve(pool),
      nextSerial: () => ++this.#serial,
    });
    this.#listeners.set(name, listener);
    return listener;
  }

  /** Every listener there is. */
  *all(): Generator<ListenerInfo> {
    for (const listener of this.#listeners.values()) {
      const { cluster, node, database, user } = listener.pool.key;
      yield {
        cluster,
        node: node.name,
        database,
        user,
        encoding: listener.encoding,
        state: listener.state,
        pool: listener.pool,
        connection: listener.connection,
        pid: listener.pid,
        channels: [...listener.channels.counts()].map(({ channel, sessions }) => ({
          channel: utf8FromBinary(channel),
          sessions,
        })),
        sinceMs: listener.sinceMs,
      };
    }
  }

  /** Time passes: those that nobody needs are closed after `server_idle_timeout`, and at once while their database is paused. */
  tick(nowMs: number): void {
    this.closeUnused((pool) => this.#pools.control.holds(this.#pools.nameOf(pool)));
    for (const [name, listener] of this.#listeners) {
      if (!listener.bored(nowMs)) continue;
      this.#listeners.delete(name);
      listener.close(new PgplexError("shutting_down", "nobody listens"));
    }
  }

  /** Closes those that nobody needs at the moment, of the pools that `closes` says. */
  closeUnused(closes: (pool: ServerPool) => boolean): void {
    for (const [name, listener] of this.#listeners) {
      if (!listener.unused || !closes(listener.pool)) continue;
      this.#listeners.delete(name);
      listener.close(new PgplexError("shutting_down", "nobody listens"));
    }
  }

  /** A reload: listeners of clusters or nodes that are gone end, and so do the sessions that would hear nothing any more. */
  configure(config: Config): void {
    this.#config = config;
    for (const [name, listener] of this.#listeners) {
      const { cluster, node } = listener.pool.key;
      const nodes = config.clusters.get(cluster)?.nodes ?? [];
      if (
        nodes.some((other) =>
          other.name === node.name && other.host === node.host && other.port === node.port
        )
      ) continue;
      this.#listeners.delete(name);
      listener.close(new PgplexError("config_changed", `cluster "${cluster}" changed`));
    }
  }

  /** Ends all, of one cluster where it is named; sessions that listened there hear `error` as their last. */
  close(error: PgplexError, cluster: string | null = null): void {
    for (const [name, listener] of this.#listeners) {
      if (cluster !== null && listener.pool.key.cluster !== cluster) continue;
      this.#listeners.delete(name);
      listener.close(error);
    }
  }
}
