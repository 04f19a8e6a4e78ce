import type { Runtime, ServerConnection } from "../backend/mod.ts";
import type { Config } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { type BinaryString, utf8FromBinary } from "../protocol/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import type { Destination, ServerPools } from "../servers/mod.ts";
import { type ListenerState, SharedListener } from "./shared_listener.ts";

/** One shared listener, for the console. */
export interface ListenerInfo {
  readonly cluster: string;
  /** The node that it is, or was last, connected to; null before the first. */
  readonly node: string | null;
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
  /** The destination whose name and settings it has. */
  readonly destination: Destination;
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

  /**
   * The listener for sessions of `destination` whose client_encoding is `encoding`, whatever their alias. It is not opened yet when
   * it is new.
   */
  get(destination: Destination, encoding: BinaryString): SharedListener {
    const { cluster, database, user } = destination.key;
    const name = JSON.stringify([cluster, database, user, encoding]);
    let listener = this.#listeners.get(name);
    if (listener !== undefined) {
      listener.asked(destination);
      return listener;
    }
    const random = this.#parts.random.fill(new Uint8Array(16));
    listener = new SharedListener(destination, {
      runtime: this.#parts,
      log: this.#log,
      marker: `pgplex_${random.toHex()}`,
      encoding,
      tls: () => this.#config.clusters.get(cluster)?.tls ?? null,
      reserve: (destination) => this.#pools.reserve(destination),
      nextSerial: () => ++this.#serial,
    });
    this.#listeners.set(name, listener);
    return listener;
  }

  /** Every listener there is. */
  *all(): Generator<ListenerInfo> {
    for (const listener of this.#listeners.values()) {
      const { cluster, database, user } = listener.destination.key;
      yield {
        cluster,
        node: listener.node?.name ?? null,
        database,
        user,
        encoding: listener.encoding,
        state: listener.state,
        destination: listener.destination,
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
    this.closeUnused((destination) => this.#pools.control.holds(this.#pools.nameOf(destination)));
    for (const [name, listener] of this.#listeners) {
      if (!listener.bored(nowMs)) continue;
      this.#listeners.delete(name);
      listener.close(new PgplexError("shutting_down", "nobody listens"));
    }
  }

  /** Closes those that nobody needs at the moment, of the destinations that `closes` says. */
  closeUnused(closes: (destination: Destination) => boolean): void {
    for (const [name, listener] of this.#listeners) {
      if (!listener.unused || !closes(listener.destination)) continue;
      this.#listeners.delete(name);
      listener.close(new PgplexError("shutting_down", "nobody listens"));
    }
  }

  /** A reload: listeners of clusters that are gone end, and so do the sessions that would hear nothing any more. */
  configure(config: Config): void {
    this.#config = config;
    for (const [name, listener] of this.#listeners) {
      const { cluster } = listener.destination.key;
      if (config.clusters.has(cluster)) continue;
      this.#listeners.delete(name);
      listener.close(new PgplexError("config_changed", `cluster "${cluster}" changed`));
    }
  }

  /** Another snapshot of the nodes is in force: a listener that is not where leases begin now goes there. */
  topologyChanged(): void {
    for (const listener of this.#listeners.values()) listener.topologyChanged();
  }

  /** Ends all, of one cluster where it is named; sessions that listened there hear `error` as their last. */
  close(error: PgplexError, cluster: string | null = null): void {
    for (const [name, listener] of this.#listeners) {
      if (cluster !== null && listener.destination.key.cluster !== cluster) continue;
      this.#listeners.delete(name);
      listener.close(error);
    }
  }
}
