import type { ServerCredentials } from "../auth/mod.ts";
import { NODE_FACT, type Settings, SettingsTable } from "../backend/mod.ts";
import type { BalanceConfig, PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Fingerprints } from "../learning/mod.ts";
import type { AnyWaiter, Place, SharedLimit } from "../pool/mod.ts";
import { nodeFor, type Routed } from "../routing/mod.ts";
import { PoolCounters, type WorkHistograms } from "../telemetry/mod.ts";
import {
  type NodeAddress,
  sameNode,
  type TopologyPublisher,
  type TopologySnapshot,
} from "../topology/mod.ts";
import { ConnectSettings } from "./connect_query.ts";
import type { DestinationKey } from "./destination_key.ts";
import { Greetings } from "./greetings.ts";
import { Readers } from "./readers.ts";
import type { PoolDestination, PooledServer, ServerPool } from "./server_pool.ts";
import type { Base, ServerWish } from "./server_wish.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** What a destination asks of whoever makes it. */
export interface DestinationParts {
  readonly topology: TopologyPublisher;
  /** Which standbys serve its reads. */
  readonly balance: BalanceConfig;
  readonly nowMs: () => number;
  /** What the statements of its database are known to do. */
  readonly fingerprints: Fingerprints;
  /** Where its times are counted; its own unless given. */
  readonly histograms?: WorkHistograms;
  /** Makes its pool at a node. */
  readonly makePool: (destination: Destination, node: NodeAddress) => ServerPool;
}

/**
 * Where clients go: a database of a cluster, as a user, under the name that they gave. It has everything that does not depend on
 * the node that serves at the moment: settings, credentials, greetings, what is known of statements, counters. Its pools hang at
 * nodes. Who writes goes where {@link nodeFor} says at each lease, who only reads to one of its {@link Readers}, or where
 * `read_fallback` says.
 *
 * Invariants: behind each snapshot nobody waits at a pool of a node to which a lease of his would not go now; whoever waits in
 * the room does so as there is no such node.
 */
export class Destination implements PoolDestination {
  readonly key: DestinationKey;
  readonly fingerprints: Fingerprints;
  readonly counters: PoolCounters;
  readonly known = new SettingsTable();
  readonly greetings = new Greetings();
  readonly connectSettings = new ConnectSettings();
  /** Whether BEGIN READ ONLY and default_transaction_read_only mean reading. */
  readOnlyIsRead: boolean;
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
  readonly #readers: Readers;
  #balance: BalanceConfig;
  /** What {@link tryAcquire} chose in vain: {@link wait} goes on there. */
  #asked: ServerWish | null = null;
  #chosen: ServerPool | null = null;

  constructor(
    key: DestinationKey,
    settings: PoolSettings,
    credentials: ServerCredentials,
    { topology, fingerprints, makePool, balance, nowMs, histograms }: DestinationParts,
  ) {
    this.counters = new PoolCounters(histograms);
    this.key = key;
    this.#settings = settings;
    this.#credentials = credentials;
    this.fingerprints = fingerprints;
    this.#topology = topology;
    this.#makePool = makePool;
    this.#balance = balance;
    this.readOnlyIsRead = balance.read_only_is_read === "on";
    this.#readers = new Readers(balance, {
      nowMs,
      poolSize: () => this.#settings.default_pool_size,
      poolAt: (node) => this.#poolAt(node),
    });
    this.#route(topology.current);
  }

  get settings(): PoolSettings {
    return this.#settings;
  }

  /** What the latest client that logged in gave, or the configuration. */
  get credentials(): ServerCredentials {
    return this.#credentials;
  }

  /** Whether it had clients when that was last looked at, or is kept as if it had: `min_pool_size` is for them. */
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

  /** Seats that are taken at any node: see {@link "../pool/pool_port.ts" SeatWaiter}. */
  get seatCount(): number {
    let count = 0;
    for (const { pool } of this.#pools) count += pool.seatCount;
    return count;
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

  /** Where a lease of who writes would go now. */
  get routed(): Routed {
    this.#routeNow();
    return this.#routed;
  }

  /** The pool at which a lease of who writes would begin now; null where sessions wait for a node, or are refused. */
  get pool(): ServerPool | null {
    this.#routeNow();
    return this.#pool;
  }

  isForWrites(server: ServerPool): boolean {
    return this.pool === server;
  }

  /** Whether who only reads does without a standby where none is fit. */
  get #fallsBack(): boolean {
    return this.#balance.read_fallback === "primary";
  }

  /** Where a lease for `wish` begins now. Of standbys one is chosen, each time anew. */
  #choose(wish: ServerWish): ServerPool | null {
    const { pool } = this;
    if (wish.reads !== true || this.#closed !== null) return pool;
    return this.#readers.choose(lastWriteOf(wish), {
      evenFailing: !this.#fallsBack,
      avoids: wish.avoids ?? null,
    }) ??
      (this.#fallsBack ? pool : null);
  }

  /** Whether a lease for `wish` may go on, or wait, at this pool as things are now. */
  serves(home: ServerPool, wish: ServerWish): boolean {
    const { pool } = this;
    if (wish.reads !== true) return home === pool;
    const lastWriteMs = lastWriteOf(wish);
    if (this.#readers.serve(home, lastWriteMs)) return true;
    return this.#fallsBack && home === pool && !this.#readers.has(lastWriteMs);
  }

  /** Another transaction for `wish` begins in a lease at this pool, which counts as a lease. Whether it is to be another one. */
  goesOn(home: ServerPool, wish: ServerWish): boolean {
    if (!this.serves(home, wish)) return false;
    return wish.reads !== true || this.#readers.goesOn(home, lastWriteOf(wish));
  }

  /** What a client is told that begins a session, as far as it is known: of the node, what is true of where its leases go. */
  greetingFor(base: Base, wish: ServerWish): Settings | null {
    const settings = this.greetings.of(base);
    if (settings === null || settings.hotStandby === undefined) return settings;
    if (wish.reads === true) {
      const reads = this.#readers.has(lastWriteOf(wish)) || !this.#fallsBack;
      if (reads) return settings.with(NODE_FACT, "on");
    }
    const { routed } = this;
    // Of the first node of the file that is taken for the primary nobody knows; what it reported itself is true.
    return routed.kind === "node" && routed.node.facts !== null ? settings.with(NODE_FACT, "off") : settings;
  }

  #route(snapshot: TopologySnapshot): void {
    this.#seen = snapshot;
    const routed = this.#closed === null
      ? nodeFor(snapshot, this.key)
      : { kind: "error" as const, error: this.#closed };
    this.#routed = routed;
    this.#pool = routed.kind === "node" ? this.#poolAt(routed.node) : null;
    this.#readers.update(snapshot.clusters.get(this.key.cluster) ?? null, this.#balance);
  }

  #routeNow(): void {
    const { current } = this.#topology;
    if (current !== this.#seen) this.#route(current);
  }

  #poolAt(node: NodeAddress): ServerPool {
    for (const pool of this.#pools) if (pool.pool.closed === null && sameNode(pool.node, node)) return pool;
    const pool = this.#makePool(this, node);
    this.#pools.add(pool);
    if (this.#paused || this.#vacating > 0) pool.setPaused(true, 0); // at any time, as it has nothing yet that is to be closed
    return pool;
  }

  /** Whether a new wish would be served without waiting for anybody else. */
  hasRoom(wish: Pick<ServerWish, "reads" | "lastWriteMs">): boolean {
    const { pool } = this;
    if (wish.reads === true) {
      const lastWriteMs = lastWriteOf(wish);
      if (this.#readers.has(lastWriteMs)) return this.#readers.hasRoom(lastWriteMs);
      if (!this.#fallsBack) return false;
    }
    return pool?.pool.hasRoom ?? false;
  }

  /** An idle server connection for `wish`, at once, or null. */
  tryAcquire(wish: ServerWish): PooledServer | null {
    if (wish.reads !== true) {
      const { pool } = this;
      return pool === null ? null : pool.pool.tryAcquire(wish);
    }
    const pool = this.#choose(wish);
    const idle = pool === null ? null : pool.pool.tryAcquire(wish);
    this.#asked = idle === null ? wish : null;
    this.#chosen = idle === null ? pool : null;
    return idle;
  }

  /** Queues `waiter`, at a pool, or until there is one. It may be granted or refused from inside this call. */
  wait(
    waiter: AnyWaiter<ServerWish, PooledServer>,
    nowMs: number,
    untilMs: number,
    sinceMs = nowMs,
  ): void {
    const { routed } = this;
    const pool = this.#asked === waiter.wish ? this.#chosen : this.#choose(waiter.wish);
    this.#asked = this.#chosen = null;
    if (pool !== null) pool.pool.wait(waiter, nowMs, untilMs, sinceMs);
    else if (routed.kind === "error") waiter.refused(routed.error);
    else this.#room.add({ waiter, sinceMs, untilMs });
  }

  /** Takes a waiter out of wherever it waits; it hears nothing. Whether it was still there. */
  forget(waiter: AnyWaiter<ServerWish, PooledServer>): boolean {
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

  /** A reload's settings hold from now on. */
  configure(
    settings: PoolSettings,
    nowMs: number,
    shared: readonly SharedLimit[],
    balance: BalanceConfig = this.#balance,
  ): void {
    this.#settings = settings;
    if (balance !== this.#balance) {
      this.#balance = balance;
      this.readOnlyIsRead = balance.read_only_is_read === "on";
      this.#seen = null;
    }
    for (const pool of this.#pools) pool.configure(nowMs, shared);
  }

  /** Every server connection that it has is replaced: an idle one now, the others when their leases end. */
  recycle(nowMs: number): void {
    for (const { pool } of this.#pools) pool.recycle(nowMs);
  }

  /**
   * What is known of the nodes has changed. Who waits elsewhere than its lease would begin now goes there, in order, with its
   * time; pools of nodes that are `gone` end.
   */
  topologyChanged(nowMs: number, gone: (node: NodeAddress) => PgplexError | null): void {
    if (this.#closed !== null) return;
    const places: Place<ServerWish, PooledServer>[] = [...this.#room.takeAll()];
    for (const pool of this.#pools) {
      if (pool.pool.waitingCount > 0) {
        places.push(...pool.pool.takeWaiting((wish) => !this.serves(pool, wish)));
      }
      const error = pool.pool.closed === null ? gone(pool.node) : null;
      if (error !== null) pool.pool.close(error);
    }
    // What went wrong there before was about another state of the node.
    this.pool?.pool.retry(nowMs);
    places.sort((a, b) => a.sinceMs - b.sinceMs);
    this.#waitAgain(places, nowMs);
  }

  #waitAgain(places: readonly Place<ServerWish, PooledServer>[], nowMs: number): void {
    for (const { waiter, sinceMs, untilMs } of places) this.wait(waiter, nowMs, untilMs, sinceMs);
  }

  /** Who only reads need not wait where no connection can be opened. */
  openFailed(server: ServerPool, nowMs: number): void {
    if (this.#closed !== null || server === this.pool || !server.pool.failsAt(nowMs)) return;
    this.#waitAgain(server.pool.takeWaiting(({ reads }) => reads === true), nowMs);
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
    const isTarget = (server: ServerPool) => server === target || this.#readers.includes(server);
    for (const server of this.#pools) {
      const { pool } = server;
      if (pool.closed !== null && pool.quiet && pool.seatCount === 0) this.#pools.delete(server);
      else pool.tick(nowMs, refusal, { wanted: this.#hasClients && isTarget(server) });
    }
    this.#room.tick(nowMs, refusal);
  }

  /** Why `wish` would wait now, for people. */
  waitReason(wish: ServerWish | null): string {
    return this.#nodeless(wish) ?? "no server connection became free";
  }

  /** What a client hears that has waited for as long as its limit says, in milliseconds. */
  waitedInVain(limitMs: number, wish: ServerWish | null = null): PgplexError {
    const nodeless = this.#nodeless(wish) !== null;
    return new PgplexError("query_wait_timeout", `query_wait_timeout: ${this.waitReason(wish)}`, {
      detail: `The limit is ${limitMs} ms.`,
      ...(nodeless ? {} : { hint: "Raise default_pool_size, or shorten transactions." }),
    });
  }

  /** Why there is no node for `wish`; null where there is one. */
  #nodeless(wish: ServerWish | null): string | null {
    const { routed } = this;
    if (wish?.reads === true) {
      if (this.#readers.has(lastWriteOf(wish))) return null;
      if (!this.#fallsBack) return `no standby of cluster "${this.key.cluster}" is fit for reads`;
    }
    return routed.kind === "wait" ? routed.reason : null;
  }
}

function lastWriteOf({ lastWriteMs }: Pick<ServerWish, "lastWriteMs">): number {
  return lastWriteMs ?? -Infinity;
}
