import type { BalanceConfig } from "../config/mod.ts";
import { isFresh, readersOf, type ReadFacts } from "../routing/mod.ts";
import { type NodeAddress, sameNode, type TopologyCluster, type TopologyNode } from "../topology/mod.ts";
import { type Candidate, chooseReader, countRead } from "./read_choice.ts";
import type { ServerPool } from "./server_pool.ts";

/** What {@link Readers} asks of its destination. */
export interface ReadersParts {
  readonly nowMs: () => number;
  /** Connections that one pool may have. */
  readonly poolSize: () => number;
  /** The pool at a node, made where there is none. */
  readonly poolAt: (node: TopologyNode) => ServerPool;
}

/** A standby that may serve a destination's reads. */
class Reader implements Candidate {
  node: TopologyNode;
  /** Made with the first read. */
  pool: ServerPool | null = null;
  credit = 0;
  failing = false;
  load = 0;
  hostLoad = 0;

  constructor(node: TopologyNode) {
    this.node = node;
  }

  get weight(): number {
    return this.node.weight;
  }

  /** Looks how busy it is. */
  look(nowMs: number, poolSize: number): void {
    const pool = this.pool?.pool ?? null;
    this.failing = pool !== null && pool.failsAt(nowMs);
    this.load = pool === null ? 0 : (pool.leasedCount + pool.waitingCount) / poolSize;
    this.hostLoad = this.node.facts?.load ?? 0;
  }
}

/** The standbys that may serve a destination's reads, and which of them serves the next one. Pure. */
export class Readers {
  readonly #parts: ReadersParts;
  #readers: readonly Reader[] = [];
  #balance: BalanceConfig;
  /** Those that are fit for one read; kept so that none makes an array of its own. */
  readonly #fit: Reader[] = [];

  constructor(balance: BalanceConfig, parts: ReadersParts) {
    this.#balance = balance;
    this.#parts = parts;
  }

  /** Another snapshot of the cluster, or other rules, are in force; null: the cluster is gone. */
  update(cluster: TopologyCluster | null, balance: BalanceConfig): void {
    this.#balance = balance;
    const nodes = cluster === null ? [] : readersOf(cluster, balance);
    this.#readers = nodes.map((node) => {
      const known = this.#readers.find((reader) => sameNode(reader.node, node));
      if (known === undefined) return new Reader(node);
      known.node = node;
      if (known.pool !== null && known.pool.pool.closed !== null) known.pool = null;
      return known;
    });
  }

  /** Whether a standby is fit for a read of whoever last wrote then, in clock milliseconds. */
  has(lastWriteMs: number): boolean {
    return this.#lookFor(lastWriteMs).length > 0;
  }

  /** Whether one that is fit has room for a lease without waiting for anybody else. */
  hasRoom(lastWriteMs: number): boolean {
    return this.#lookFor(lastWriteMs).some(({ pool }) => pool === null || pool.pool.hasRoom);
  }

  /** Whether the pool is that of a standby which is fit for such a read. */
  serve(pool: ServerPool, lastWriteMs: number): boolean {
    return this.#lookFor(lastWriteMs).some((reader) => reader.pool === pool);
  }

  /** Whether the pool is that of a standby which may serve reads as the snapshot says. */
  includes(pool: ServerPool): boolean {
    return this.#readers.some((reader) => reader.pool === pool);
  }

  /**
   * The pool at which a read begins whose session last wrote then, another one than `avoids` where there is one; null where no standby is fit, or connections to all that are
   * cannot be opened. Each call counts as a lease.
   */
  choose(
    lastWriteMs: number,
    { evenFailing = false, avoids = null }: { evenFailing?: boolean; avoids?: NodeAddress | null } = {},
  ): ServerPool | null {
    const all = this.#lookFor(lastWriteMs);
    const others = avoids === null ? all : all.filter(({ node }) => !sameNode(node, avoids));
    if (others.length === 0 && !evenFailing) return null;
    const fit = others.length === 0 ? all : others;
    if (fit.length === 0) return null;
    const nowMs = this.#parts.nowMs();
    const poolSize = this.#parts.poolSize();
    for (const reader of fit) reader.look(nowMs, poolSize);
    const reader = chooseReader(fit) ?? (evenFailing ? fit[0]! : null);
    return reader === null ? null : reader.pool ??= this.#parts.poolAt(reader.node);
  }

  /** A lease at the pool goes on with another read, which counts as one more. Whether it may: others may be owed too many by now. */
  goesOn(pool: ServerPool, lastWriteMs: number): boolean {
    const fit = this.#lookFor(lastWriteMs);
    const reader = fit.find((reader) => reader.pool === pool);
    return reader === undefined || countRead(fit, reader);
  }

  #lookFor(lastWriteMs: number): readonly Reader[] {
    const fit = this.#fit;
    fit.length = 0;
    if (this.#readers.length === 0) return fit;
    const facts: ReadFacts = { nowMs: this.#parts.nowMs(), lastWriteMs };
    for (const reader of this.#readers) if (isFresh(reader.node, this.#balance, facts)) fit.push(reader);
    return fit;
  }
}
