import { assert, PgplexError, SeededRandom, VirtualClock } from "../kernel/mod.ts";
import type { SharedLimit } from "./limits.ts";
import { Pool } from "./pool.ts";
import type { Poolable, PoolLimits, SeatWaiter } from "./pool_port.ts";

/** A wish: `base` decides whether a resource can serve at all, `state` whether it can as it is. */
export interface Wish {
  readonly name: string;
  readonly base: string;
  readonly state: string;
}

/** A resource that remembers what it was made for. */
export class Resource implements Poolable<Wish> {
  readonly id: number;
  readonly openedMs: number;
  readonly base: string;
  state: string;
  alive = true;

  constructor(id: number, openedMs: number, wish: Wish | null) {
    this.id = id;
    this.openedMs = openedMs;
    this.base = wish?.base ?? "a";
    this.state = wish?.state ?? "x";
  }

  fitness(wish: Wish): 0 | 1 | 2 {
    if (!this.alive || wish.base !== this.base) return 0;
    return wish.state === this.state ? 2 : 1;
  }
}

/** Limits that switch everything off but the size. */
export function limitsOf(limits: Partial<PoolLimits>): PoolLimits {
  return {
    size: 2,
    sizeMin: 0,
    reserveSize: 0,
    reserveTimeoutMs: 0,
    idleTimeoutMs: 0,
    lifetimeMs: 0,
    retryMs: 1000,
    openingMax: 8,
    ...limits,
  };
}

/** What became of someone who waited. */
export interface Outcome {
  readonly wish: Wish;
  granted: Resource | null;
  refused: PgplexError | null;
  /** How often the pool called: once at the end. */
  calls: number;
}

export const unreachable = new PgplexError("server_unreachable", "no route");
export const tooLate = new PgplexError("query_wait_timeout", "too late");

/** Somebody who waits for a seat, and what became of that. */
export class Guest implements SeatWaiter<Wish> {
  readonly wish: Wish = { name: "guest", base: "a", state: "x" };
  /** Null while it has none. */
  leave: (() => void) | null = null;
  error: PgplexError | null = null;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  /** Whether it was neither seated nor refused. */
  get waits(): boolean {
    return this.leave === null && this.error === null;
  }

  seated(leave: (nowMs: number) => void): void {
    assert(this.waits, "a guest is answered once");
    this.leave = () => leave(this.#clock.nowMs());
  }

  refused(error: PgplexError): void {
    assert(this.waits, "a guest is answered once");
    this.error = error;
  }
}

/** A pool on a virtual clock, with opens that end when the test says so. */
export class FakeWorld {
  readonly clock = new VirtualClock();
  readonly pool: Pool<Wish, Resource>;
  /** Opens that have been asked for and not answered, in order. */
  readonly opens: (Wish | null)[] = [];
  readonly closed: { resource: Resource; reason: string }[] = [];
  /** The order in which waiters were granted. */
  readonly grants: string[] = [];
  makeRoom: (limit: SharedLimit) => boolean = () => false;
  /** Called in place of queueing an open, when set. */
  onOpen: ((wish: Wish | null) => void) | null = null;
  /** How often the pool said that something is gone which a pause or a recycle waits for. */
  receded = 0;
  /** The generations of {@link opens}. */
  readonly #generations: number[] = [];
  #serial = 0;

  constructor(limits: Partial<PoolLimits> = {}, shared: readonly SharedLimit[] = [], seed?: number) {
    const random = seed === undefined ? null : new SeededRandom(seed);
    this.pool = new Pool<Wish, Resource>(
      limitsOf(limits),
      {
        open: (wish, generation) => {
          if (this.onOpen !== null) return this.onOpen(wish);
          this.opens.push(wish);
          this.#generations.push(generation);
        },
        receded: () => this.receded++,
        close: (resource, reason) => {
          resource.alive = false;
          this.closed.push({ resource, reason });
        },
        makeRoom: (limit) => this.makeRoom(limit),
      },
      shared,
      random === null ? undefined : () => random.u32() / 2 ** 32,
    );
  }

  get nowMs(): number {
    return this.clock.nowMs();
  }

  /** Somebody waits; what became of it changes in place. */
  wait(name: string, kind = "ax", forMs = Infinity): Outcome & { forget(): boolean } {
    const wish = { name, base: kind[0]!, state: kind[1]! };
    const outcome: Outcome = { wish, granted: null, refused: null, calls: 0 };
    const waiter = {
      wish,
      granted: (resource: Resource) => {
        outcome.calls++;
        outcome.granted = resource;
        resource.state = wish.state;
        this.grants.push(name);
      },
      refused: (error: PgplexError) => {
        outcome.calls++;
        outcome.refused = error;
      },
    };
    this.pool.wait(waiter, this.nowMs, this.nowMs + forMs);
    return Object.assign(outcome, { forget: () => this.pool.forget(waiter) });
  }

  /** Somebody waits for a seat. */
  sit(forMs = Infinity): Guest {
    const guest = new Guest(this.clock);
    this.pool.wait(guest, this.nowMs, this.nowMs + forMs);
    return guest;
  }

  /** The open at `index` of those not answered succeeds. */
  open(index = 0): Resource {
    const [wish] = this.opens.splice(index, 1);
    const [generation] = this.#generations.splice(index, 1);
    const resource = new Resource(++this.#serial, this.nowMs, wish ?? null);
    this.pool.opened(resource, this.nowMs, generation);
    return resource;
  }

  /** The open at `index` of those not answered fails. */
  fail(options: { index?: number; final?: boolean } = {}): void {
    const [wish] = this.opens.splice(options.index ?? 0, 1);
    const [generation] = this.#generations.splice(options.index ?? 0, 1);
    this.pool.openFailed(unreachable, options.final ?? false, wish ?? null, this.nowMs, generation);
  }

  /** Time passes, and the pool is told. */
  tick(ms: number): void {
    this.clock.advance(ms);
    this.pool.tick(this.nowMs, () => tooLate);
  }

  release(resource: Resource | null, end: "clean" | "broken" = "clean"): void {
    if (end === "broken") resource!.alive = false;
    this.pool.release(resource!, end, this.nowMs);
  }
}
