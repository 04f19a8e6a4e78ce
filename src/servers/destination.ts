import type { ServerCredentials } from "../auth/mod.ts";
import { SettingsTable } from "../backend/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Fingerprints } from "../learning/mod.ts";
import type { Place, SharedLimit, Waiter } from "../pool/mod.ts";
import { nodeFor, type Routed } from "../routing/mod.ts";
import { PoolCounters } from "../telemetry/mod.ts";
import {
  type NodeAddress,
  sameNode,
  type TopologyPublisher,
  type TopologySnapshot,
} from "../topology/mod.ts";
import type { DestinationKey } from "./destination_key.ts";
import { Greetings } from "./greetings.ts";
import type { PoolDestination, PooledServer, ServerPool } from "./server_pool.ts";
import type { ServerWish } from "./server_wish.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** What a destination asks of whoever makes it. */
export interface DestinationParts {
  readonly topology: TopologyPublisher;
  /** What the statements of its database are known to do. */
  readonly fingerprints: Fingerprints;
  /** Makes its pool at a node. */
  readonly makePool: (destination: Destination, node: NodeAddress) => ServerPool;
}

/**
 * Where clients go: a database of a cluster, as a user, under the name that they gave. It has everything that does not depend on
 * the node that serves at the moment: settings, credentials, greetings, what is known of statements, counters. Its pools hang at
 * nodes; {@link nodeFor} is asked at each lease.
 *
 * Invariants: nobody waits at a pool of a node to which no lease would go now; whoever waits in the room does so as there is no
 * such node.
 */
export class Destination implements PoolDestination {
  readonly key: DestinationKey;
  readonly fingerprints: Fingerprints;
  readonly counters = new PoolCounters();
  readonly known = new SettingsTable();
  readonly greetings = new Greetings();
  readonly #topology: TopologyPublisher;
  readonly #makePool: DestinationParts["makePool"];
  readonly #pools = new Set<ServerPool>();
  readonly #room = new WaitingRoom<ServerWish, PooledServer>();
  #settings: PoolSettings;
  #credentials: ServerCredentials;
  #hasClients = true;
  #paused = false;
  /** Statements that run and need its database for themselves. */
  #vacating = 0;
  #closed: PgplexError | null = null;
  /** The snapshot for which {@link #routed} and {@link #pool} were found. */
  #seen: TopologySnapshot | null = null;
  #routed: Routed = { kind: "wait", reason: "nobody has asked yet" };
  #pool: ServerPool | null = null;

  constructor(
    key: DestinationKey,
    settings: PoolSettings,
    credentials: ServerCredentials,
    { topology, fingerprints, makePool }: DestinationParts,
  ) {
    this.key = key;
    this.#settings = settings;
    this.#credentials = credentials;
    this.fingerprints = fingerprints;
    this.#topology = topology;
    this.#makePool = makePool;
    this.#route(topology.current);
  }

  get settings(): PoolSettings {
    return this.#settings;
  }

  /** What the latest client that logged in gave, or the configuration. */
  get credentials(): ServerCredentials {
    return this.#credentials;
  }

  /** Whether it had clients when that was last looked at: `min_pool_size` is for them. */
  get hasClients(): boolean {
    return this.#hasClients;
  }

  /** What clients hear since a reload took it away; null while there is such a destination. */
  get closed(): PgplexError | null {
    return this.#closed;
  }

  /** Whether an operator holds its leases back. */
  get paused(): boolean {
    return this.#paused;
  }

  /** Whether nothing exists and nothing is being made at any node. */
  get quiet(): boolean {
    for (const { pool } of this.#pools) if (!pool.quiet) return false;
    return true;
  }

  /** Sessions that wait, at a pool or for a node. */
  get waitingCount(): number {
    let count = this.#room.size;
    for (const { pool } of this.#pools) count += pool.waitingCount;
    return count;
  }

  /** How long the first has waited, in milliseconds. */
  waitedMs(nowMs: number): number {
    let waitedMs = this.#room.waitedMs(nowMs);
    for (const { pool } of this.#pools) waitedMs = Math.max(waitedMs, pool.waitedMs(nowMs));
    return waitedMs;
  }

  /** Its pools, those of nodes that are gone too as long as something of theirs is left. */
  pools(): Iterable<ServerPool> {
    return this.#pools;
  }

  /** Where a lease would go now. */
  get routed(): Routed {
    const { current } = this.#topology;
    if (current !== this.#seen) this.#route(current);
    return this.#routed;
  }

  /** The pool at which a lease would begin now; null where sessions wait for a node, or are refused. */
  get pool(): ServerPool | null {
    const { current } = this.#topology;
    if (current !== this.#seen) this.#route(current);
    return this.#pool;
  }

  #route(snapshot: TopologySnapshot): void {
    this.#seen = snapshot;
    const routed = this.#closed === null
      ? nodeFor(snapshot, this.key)
      : { kind: "error" as const, error: this.#closed };
    this.#routed = routed;
    this.#pool = routed.kind === "node" ? this.#poolAt(routed.node) : null;
  }

  #poolAt(node: NodeAddress): ServerPool {
    for (const pool of this.#pools) if (pool.pool.closed === null && sameNode(pool.node, node)) return pool;
    const pool = this.#makePool(this, node);
    this.#pools.add(pool);
    if (this.#paused || this.#vacating > 0) pool.setPaused(true, 0); // at any time, as it has nothing yet that is to be closed
    return pool;
  }

  /** Whether a new wish would be served without waiting for anybody else. */
  get hasRoom(): boolean {
    return this.pool?.pool.hasRoom ?? false;
  }

  /** An idle server connection for `wish`, at once, or null. */
  tryAcquire(wish: ServerWish): PooledServer | null {
    const { pool } = this;
    return pool === null ? null : pool.pool.tryAcquire(wish);
  }

  /** Queues `waiter`, at a pool, or until there is one. It may be granted or refused from inside this call. */
  wait(
    waiter: Waiter<ServerWish, PooledServer>,
    nowMs: number,
    untilMs: number,
    sinceMs = nowMs,
  ): void {
    const { routed, pool } = this;
    if (pool !== null) pool.pool.wait(waiter, nowMs, untilMs, sinceMs);
    else if (routed.kind === "error") waiter.refused(routed.error);
    else this.#room.add({ waiter, sinceMs, untilMs });
  }

  /** Takes a waiter out of wherever it waits; it hears nothing. Whether it was still there. */
  forget(waiter: Waiter<ServerWish, PooledServer>): boolean {
    if (this.#room.forget(waiter)) return true;
    for (const { pool } of this.#pools) if (pool.forget(waiter)) return true;
    return false;
  }

  /** Why the last attempt to open a connection there failed, until one succeeds. */
  get failure(): PgplexError | null {
    return this.pool?.pool.failure ?? null;
  }

  /** A client has logged in: its credentials are those of the next logins at servers. */
  admits(credentials: ServerCredentials): void {
    this.#credentials = credentials;
    this.#hasClients = true;
  }

  /** Whether it has clients was looked at. */
  noteClients(hasClients: boolean): void {
    this.#hasClients = hasClients;
  }

  /** An operator's pause begins or ends. */
  setPaused(paused: boolean, nowMs: number): void {
    this.#paused = paused;
    this.#holdPools(nowMs);
  }

  /** A statement begins (1) that needs the database for itself, or is over (-1): what is idle ends, and nothing is opened meanwhile. */
  vacates(change: 1 | -1, nowMs: number): void {
    this.#vacating += change;
    this.#holdPools(nowMs);
  }

  #holdPools(nowMs: number): void {
    for (const pool of this.#pools) pool.setPaused(this.#paused || this.#vacating > 0, nowMs);
  }

  /** A reload's settings hold from now on; `limitsOf` gives those that pools share. */
  configure(settings: PoolSettings, nowMs: number, shared: readonly SharedLimit[]): void {
    this.#settings = settings;
    for (const pool of this.#pools) pool.configure(nowMs, shared);
  }

  /**
   * What is known of the nodes has changed. Who waits elsewhere than its lease would begin now goes there, in order, with its
   * time; pools of nodes that are `gone` end.
   */
  topologyChanged(nowMs: number, gone: (node: NodeAddress) => PgplexError | null): void {
    if (this.#closed !== null) return;
    const target = this.pool;
    const places: Place<ServerWish, PooledServer>[] = [...this.#room.takeAll()];
    for (const pool of this.#pools) {
      if (pool !== target) places.push(...pool.pool.takeWaiting());
      const error = pool.pool.closed === null ? gone(pool.node) : null;
      if (error !== null) pool.pool.close(error);
    }
    // What went wrong there before was about another state of the node.
    target?.pool.retry(nowMs);
    places.sort((a, b) => a.sinceMs - b.sinceMs);
    for (const { waiter, sinceMs, untilMs } of places) this.wait(waiter, nowMs, untilMs, sinceMs);
  }

  /** A reload took it away, or pgplex stops: who waits is refused, what is idle ends now, the rest as it is released. */
  close(error: PgplexError): void {
    if (this.#closed === null) {
      this.#closed = error;
      this.#seen = null;
    }
    for (const { waiter } of this.#room.takeAll()) waiter.refused(error);
    for (const { pool } of this.#pools) pool.close(error);
  }

  /** Time passes: timeouts, retries, minimum sizes. */
  tick(nowMs: number): void {
    const refusal = () => this.waitedInVain(this.#settings.query_wait_timeout);
    const target = this.pool;
    for (const server of this.#pools) {
      const { pool } = server;
      if (pool.closed !== null && pool.quiet) this.#pools.delete(server);
      else pool.tick(nowMs, refusal, { wanted: this.#hasClients && server === target });
    }
    this.#room.tick(nowMs, refusal);
  }

  /** What a client hears that has waited for as long as its limit says, in milliseconds. */
  waitedInVain(limitMs: number): PgplexError {
    const { routed } = this;
    const nodeless = routed.kind === "wait";
    const reason = nodeless ? routed.reason : "no server connection became free";
    return new PgplexError("query_wait_timeout", `query_wait_timeout: ${reason}`, {
      detail: `The limit is ${limitMs} ms.`,
      ...(nodeless ? {} : { hint: "Raise default_pool_size, or shorten transactions." }),
    });
  }
}
