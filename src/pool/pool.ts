import { assert, type PgplexError } from "../kernel/mod.ts";
import { Attempts } from "./attempts.ts";
import { Share, type SharedLimit } from "./limits.ts";
import type { AnyWaiter, LeaseEnd, Place, Poolable, PoolLimits, PoolPort, Recallable } from "./pool_port.ts";
import { Recalls } from "./recalls.ts";
import { bestFit, type Slot } from "./slot.ts";
import { type Waiting, WaitingQueue, wantsSeat } from "./waiting_queue.ts";

/**
 * One pool.
 *
 * Invariants: leased + idle + opening + seats <= size + reserveSize, unless a limit was lowered; of the waiters whom a
 * resource fits the first gets it; nobody waits while an idle resource fits; a paused pool has nothing idle, and what it
 * still has goes as it is released.
 */
export class Pool<Wish, R extends Poolable<Wish>> {
  #limits: PoolLimits;
  readonly #port: PoolPort<Wish, R>;
  readonly #share: Share;
  readonly #jitter: () => number;
  /** The most recently used is last. */
  readonly #idle: Slot<R>[] = [];
  /** Everything that exists. */
  readonly #slots = new Map<R, Slot<R>>();
  readonly #waiting = new WaitingQueue<Wish, R>();
  readonly #recalls = new Recalls<R>();
  #opening = 0;
  /** Those that are taken, of {@link SeatWaiter}s. */
  #seats = 0;
  readonly #attempts = new Attempts();
  #paused = false;
  /** Rises with each {@link recycle}; what is older ends as it is released. */
  #generation = 0;
  /** How many leased ones are {@link Slot.stale}. */
  #stale = 0;
  /** How many of those that are being opened are of an older generation. */
  #staleOpening = 0;
  /** What those hear who wish something of a closed pool. */
  #closed: PgplexError | null = null;

  /** `jitter` returns a number from 0 to 1: lifetimes are shortened by up to a tenth of it, so that not all end at once. */
  constructor(
    limits: PoolLimits,
    port: PoolPort<Wish, R>,
    shared: readonly SharedLimit[] = [],
    jitter: () => number = () => 0,
  ) {
    this.#limits = limits;
    this.#port = port;
    this.#share = new Share(shared, (limit) => port.makeRoom?.(limit) ?? false);
    this.#jitter = jitter;
  }

  get idleCount(): number {
    return this.#idle.length;
  }
  get leasedCount(): number {
    return this.#slots.size - this.#idle.length;
  }
  get openingCount(): number {
    return this.#opening;
  }
  get waitingCount(): number {
    return this.#waiting.length;
  }
  /** Resources that exist or are being made. */
  get total(): number {
    return this.#slots.size + this.#opening;
  }
  /** Seats that are taken. */
  get seatCount(): number {
    return this.#seats;
  }
  /** What counts in the limits. */
  get #counted(): number {
    return this.total + this.#seats;
  }
  /** Why the last attempt to open failed, until one succeeds; one whose resource was {@link spoilt} failed too. */
  get failure(): PgplexError | null {
    return this.#attempts.failure;
  }
  /** Whether it has nothing, could open nothing, and does not try again yet. */
  failsAt(nowMs: number): boolean {
    return this.failure !== null && this.#slots.size === 0 && !this.#attempts.mayOpen(nowMs);
  }
  get paused(): boolean {
    return this.#paused;
  }
  /** What those hear who wish something of it since it was closed; null while it is open. */
  get closed(): PgplexError | null {
    return this.#closed;
  }
  /** Whether nothing exists and nothing is being made: what a pause waits for. */
  get quiet(): boolean {
    return this.total === 0;
  }
  /** Resources that end as soon as they are released, or opened, since {@link recycle} or {@link close} was called. */
  get staleCount(): number {
    if (this.#closed !== null) return this.total;
    return this.#stale + this.#staleOpening;
  }
  /** Resources that nobody holds. */
  *idle(): Generator<R> {
    for (const { resource } of this.#idle) yield resource;
  }
  /** Whether a leased resource ends when it is released, because of a pause or of {@link recycle}. */
  mustEnd(resource: R): boolean {
    return this.#ends(this.#slots.get(resource));
  }

  /** Whether `limit` is one of those that this pool shares with others. */
  shares(limit: SharedLimit): boolean {
    return this.#share.includes(limit);
  }

  /** How long the first in the queue has waited, in milliseconds. */
  waitedMs(nowMs: number): number {
    return this.#waiting.length === 0 ? 0 : nowMs - this.#waiting.at(0).sinceMs;
  }

  /** Every resource that exists, leased ones first. */
  *resources(): Generator<R> {
    for (const { resource, leased } of this.#slots.values()) if (leased) yield resource;
    for (const { resource } of this.#idle) yield resource;
  }

  /** Whether a new wish would be served without waiting for anybody else: by an idle resource, or by one in its place. */
  get hasRoom(): boolean {
    if (this.#paused || this.#closed !== null || this.failure !== null) return false;
    // Those who wait are served first, by what is idle or being opened.
    return this.leasedCount + this.#seats + this.#waiting.length < this.#limits.size;
  }

  /** An idle resource for `wish`, at once, or null: nobody overtakes those who wait. */
  tryAcquire(wish: Wish): R | null {
    if (this.#waiting.length > 0 || this.#paused || this.#closed !== null) return null;
    return this.#takeIdle(wish);
  }

  /** Queues `waiter`, who may have waited elsewhere before. It may be granted or refused from inside this call. */
  wait(waiter: AnyWaiter<Wish, R>, nowMs: number, untilMs: number, sinceMs = nowMs): void {
    if (this.#closed !== null) return waiter.refused(this.#closed);
    this.#waiting.add({ waiter, sinceMs, untilMs });
    this.#serve(nowMs);
  }

  /** Takes a waiter out of the queue; it hears nothing. Whether it was still there. */
  forget(waiter: AnyWaiter<Wish, R>): boolean {
    return this.#waiting.forget(waiter);
  }

  /** Takes those out of the queue who are to wait elsewhere, the first one first; they hear nothing. */
  takeWaiting(goes: (wish: Wish) => boolean = () => true): readonly Place<Wish, R>[] {
    return this.#waiting.takeOut(({ waiter }) => goes(waiter.wish));
  }

  /** A leased resource may be had back from now on, until {@link kept} or {@link release}. */
  lends(resource: R, holder: Recallable): void {
    this.#recalls.lent(resource, holder);
  }

  /** A leased resource may not be had back any more; one that was on its way back stays. */
  kept(resource: R): void {
    if (this.#recalls.forget(resource)) this.#recall();
  }

  /**
   * Ends a lease. A clean resource goes to the first waiter whom it fits, makes room for one before that, or becomes idle;
   * a broken one is gone.
   */
  release(resource: R, end: LeaseEnd, nowMs: number): void {
    const slot = this.#slots.get(resource);
    assert(slot !== undefined && slot.leased, "a lease ends once");
    const ends = this.#ends(slot);
    slot.leased = slot.fresh = false;
    this.#recalls.forget(resource);
    if (slot.stale) this.#stale--;
    if (end === "clean") this.proved();
    if (end === "broken") {
      this.#drop(resource);
    } else if (ends || this.#isOver(slot, nowMs) || this.#room() < 0) {
      this.#close(resource, ends ? this.#endReason() : "server lifetime or pool size");
    } else {
      slot.sinceMs = nowMs;
      this.#idle.push(slot);
    }
    this.#serve(nowMs);
    if (ends) this.#port.receded?.();
  }

  /**
   * A leased resource ended before it was of any use. One that had only just been opened counts as one that could not be
   * opened. Whether it does.
   */
  spoilt(resource: R, error: PgplexError, nowMs: number): boolean {
    const counts = this.#slots.get(resource)?.fresh ?? false;
    if (counts) this.#attempts.spoil(error, nowMs, this.#limits.retryMs);
    this.release(resource, "broken", nowMs);
    return counts;
  }

  /** A resource serves as it should: others may be opened as they are needed. */
  proved(): void {
    this.#attempts.proved();
  }

  /**
   * An idle resource ended by itself. One that nobody ever had, sooner than the next attempt would have been made, counts as
   * one that could not be opened. Whether it does.
   */
  lost(resource: R, error: PgplexError, nowMs: number): boolean {
    const index = this.#idle.findIndex((idle) => idle.resource === resource);
    if (index < 0) return false;
    const [slot] = this.#idle.splice(index, 1);
    this.#drop(resource);
    const counts = slot!.fresh && this.#isNew(resource, nowMs);
    if (counts) this.#attempts.spoil(error, nowMs, this.#limits.retryMs);
    this.#serve(nowMs);
    return counts;
  }

  /** The answer to {@link PoolPort.open}. */
  opened(resource: R, nowMs: number, generation = this.#generation): void {
    assert(this.#opening > 0, "only what is being opened can open");
    const stale = this.#opensNoMore(generation);
    this.#attempts.succeeded();
    const earlier = this.#jitter() / 10;
    const slot: Slot<R> = { resource, earlier, leased: false, sinceMs: nowMs, stale, fresh: true };
    this.#slots.set(resource, slot);
    const ends = this.#ends(slot);
    if (ends) this.#close(resource, this.#endReason());
    else this.#idle.push(slot);
    this.#serve(nowMs);
    this.#askAgain(nowMs);
    if (ends) this.#port.receded?.();
  }

  /**
   * The other answer to {@link PoolPort.open}. A `final` error is the answer to the wish itself (a wrong password, no such
   * database): it goes to the waiter who wished so. Any other is tried again after `retryMs` while waiters wait.
   */
  openFailed(
    error: PgplexError,
    final: boolean,
    wish: Wish | null,
    nowMs: number,
    generation = this.#generation,
  ): void {
    assert(this.#opening > 0, "only what is being opened can fail to open");
    const stale = this.#opensNoMore(generation);
    this.#share.give();
    const index = wish === null ? -1 : this.#waiting.findIndex((waiting) => waiting.waiter.wish === wish);
    if (index >= 0) this.#waiting.expect(this.#waiting.at(index), false);
    if (final) {
      if (wish === null) this.#attempts.refillFailed(nowMs, this.#limits.retryMs);
      else if (index >= 0) this.#waiting.removeAt(index).waiter.refused(error);
    } else this.#attempts.failed(error, nowMs, this.#limits.retryMs);
    this.#serve(nowMs);
    this.#askAgain(nowMs);
    if (stale || this.#paused || this.#closed !== null) this.#port.receded?.();
  }

  /**
   * Time passes: ends what is idle for too long or too old, refuses whoever waited too long, keeps the minimum, unless it is
   * not `wanted`.
   */
  tick(nowMs: number, refusal: () => PgplexError, { wanted = true } = {}): void {
    for (const { waiter } of this.#waiting.takeOut(({ untilMs }) => untilMs <= nowMs)) {
      waiter.refused(this.failure ?? refusal());
    }
    const { idleTimeoutMs } = this.#limits;
    const sizeMin = wanted ? Math.min(this.#limits.sizeMin, this.#limits.size) : 0;
    for (let i = 0; i < this.#idle.length; i++) {
      const slot = this.#idle[i]!;
      const bored = idleTimeoutMs > 0 && nowMs - slot.sinceMs >= idleTimeoutMs && this.total > sizeMin;
      const old = this.#isOver(slot, nowMs);
      if (!bored && !old && this.#room() >= 0) continue;
      this.#idle.splice(i--, 1);
      this.#close(slot.resource, old ? "server lifetime" : "server idle timeout");
    }
    this.#serve(nowMs);
    const canOpen = !this.#paused && this.#closed === null && this.#attempts.mayRefill(nowMs);
    if (canOpen && this.total < sizeMin && this.#counted < this.#limits.size) this.#open(null, nowMs);
  }

  /** Puts other limits in force; what is too much ends as it becomes idle. What exists counts in `shared` from here on. */
  configure(limits: PoolLimits, nowMs: number, shared?: readonly SharedLimit[]): void {
    this.#limits = limits;
    this.#attempts.forget();
    if (shared !== undefined) this.#share.moveTo(shared);
    this.#serve(nowMs);
  }

  /**
   * While paused nothing is leased and nothing opened, and what is released ends; waiters keep their places, and are refused
   * when their time is up. What is idle ends now.
   */
  setPaused(paused: boolean, nowMs: number): void {
    this.#paused = paused;
    if (paused) return this.#endAll("paused");
    this.#attempts.forget();
    this.#serve(nowMs);
  }

  /** Whatever failed may go well now: who waits need not wait for the next attempt. */
  retry(nowMs: number): void {
    this.#attempts.forget();
    this.#serve(nowMs);
  }

  /** Every resource that exists, or is being made, ends: what is idle now, the rest as it is released. Others take their place. */
  recycle(nowMs: number): void {
    this.#generation++;
    this.#staleOpening = this.#opening;
    this.#attempts.forget();
    this.closeIdle("reconnect");
    for (const slot of this.#slots.values()) slot.stale = true;
    this.#stale = this.#slots.size;
    this.#recalls.recallAll();
    this.#serve(nowMs);
  }

  /** Ends everything idle now and the rest as it is released; waiters are refused. */
  close(error: PgplexError): void {
    this.#closed = error;
    this.#endAll("pool closed");
    for (const { waiter } of this.takeWaiting()) waiter.refused(error);
  }

  #endAll(reason: string): void {
    this.closeIdle(reason);
    this.#recalls.recallAll();
  }

  /** Ends every idle resource; new ones are opened as they are needed. */
  closeIdle(reason: string): void {
    for (const { resource } of this.#idle.splice(0)) this.#close(resource, reason);
  }

  /** Ends the idle resource that was used the longest ago, to make room for another pool. Whether there was one. */
  evictIdle(): boolean {
    // Asked behind each release while others wait.
    if (this.#idle.length === 0) return false;
    this.#close(this.#idle.shift()!.resource, "evicted");
    return true;
  }

  /** Checks the invariants; for tests. */
  invariants(): void {
    const { size, reserveSize } = this.#limits;
    assert(this.#counted <= size + reserveSize, "what there is stays within the pool's size");
    assert(!this.#paused || this.#idle.length === 0, "a paused pool has nothing idle");
    assert(
      this.#staleOpening >= 0 && this.#staleOpening <= this.#opening,
      "what is opened late was asked for",
    );
    assert(this.#waiting.expecting <= this.#opening, "whoever expects one has one on its way");
    for (const { leased } of this.#idle) assert(!leased, "what is idle is not leased");
    let stale = 0;
    for (const slot of this.#slots.values()) if (slot.leased && slot.stale) stale++;
    assert(stale === this.#stale, "stale leases are counted");
    if (this.#waiting.length > 0 && !this.#paused) {
      const { waiter } = this.#waiting.at(0);
      const fits = ({ resource }: Slot<R>) => wantsSeat(waiter) || resource.fitness(waiter.wish) > 0;
      assert(!this.#idle.some(fits), "nobody waits in vain");
    }
  }

  #takeIdle(wish: Wish, nowMs = Infinity): R | null {
    const best = bestFit(this.#idle, wish);
    if (best < 0) return null;
    const slot = best === this.#idle.length - 1 ? this.#idle.pop()! : this.#idle.splice(best, 1)[0]!;
    slot.leased = true;
    slot.fresh &&= this.#isNew(slot.resource, nowMs);
    return slot.resource;
  }

  /** Gives what is idle to those who wait, and opens what is missing, in the order of the queue. */
  #serve(nowMs: number): void {
    if (this.#paused || this.#closed !== null) return;
    let canOpen = this.#attempts.mayOpen(nowMs);
    let canSeat = this.#waiting.seatWaiters > 0;
    for (let i = 0; i < this.#waiting.length && (canOpen || canSeat || this.#idle.length > 0); i++) {
      const waiting = this.#waiting.at(i);
      const { waiter } = waiting;
      if (wantsSeat(waiter)) {
        canSeat &&= this.#takeSeat(waiting, nowMs);
        if (!canSeat) continue;
        this.#waiting.removeAt(i--);
        waiter.seated((nowMs) => this.#leaveSeat(nowMs));
        continue;
      }
      const resource = this.#takeIdle(waiter.wish, nowMs);
      if (resource !== null) {
        this.#waiting.removeAt(i--);
        waiter.granted(resource);
      } else if (!waiting.opening && canOpen) {
        canOpen = this.#openFor(waiting, nowMs) && this.#attempts.mayOpen(nowMs);
      }
    }
    if (this.#waiting.length > 0) this.#recall();
  }

  /** Has back as many as are waited for and not being opened. */
  #recall(): void {
    if (this.#recalls.size > 0) this.#recalls.recall(this.#waiting.length - this.#waiting.expecting);
  }

  /** Whether one is on its way that nobody waits for, or one more could be opened; an idle one that does not fit makes room. */
  #openFor(waiting: Waiting<Wish, R>, nowMs: number): boolean {
    const isOneFree = this.#opening > this.#waiting.expecting && this.#attempts.isRecent(nowMs);
    if (isOneFree) return this.#waiting.expect(waiting, true);
    if (this.#opening >= this.#limits.openingMax || !this.#hasPlaceFor(waiting, nowMs)) return false;
    this.#waiting.expect(waiting, true); // before the call, which may fail at once
    const { wish } = waiting.waiter;
    if (this.#open(wish, nowMs) || (this.evictIdle() && this.#open(wish, nowMs))) return true;
    return this.#waiting.expect(waiting, false);
  }

  /** Whether there may be one more for whoever waits since then; an idle resource goes where that makes it so. */
  #hasPlaceFor({ sinceMs }: Waiting<Wish, R>, nowMs: number): boolean {
    const { size, reserveSize, reserveTimeoutMs } = this.#limits;
    const urgent = reserveSize > 0 && nowMs - sinceMs >= reserveTimeoutMs;
    return this.#counted < (urgent ? size + reserveSize : size) || this.evictIdle();
  }

  /** Whether a seat was free, which is taken then. */
  #takeSeat(waiting: Waiting<Wish, R>, nowMs: number): boolean {
    if (!this.#hasPlaceFor(waiting, nowMs)) return false;
    if (!this.#share.take() && !(this.evictIdle() && this.#share.take())) return false;
    this.#seats++;
    return true;
  }

  #leaveSeat(nowMs: number): void {
    this.#seats--;
    assert(this.#seats >= 0, "a seat is left once");
    this.#share.give();
    this.#serve(nowMs);
  }

  /**
   * What was opened for one waiter may have gone to another, or have ended before anybody had it: those for whom nothing
   * is being opened any more ask again, the last ones first, as the first ones get what is on its way.
   */
  #askAgain(nowMs: number): void {
    if (this.#waiting.keepOpening(this.#opening)) this.#serve(nowMs);
  }

  #open(wish: Wish | null, nowMs: number): boolean {
    if (!this.#share.take()) return false;
    this.#opening++;
    this.#attempts.begins(nowMs, this.#limits.retryMs);
    this.#port.open(wish, this.#generation);
    return true;
  }

  /** Whether it was opened no longer ago than a failed attempt keeps from the next one. */
  #isNew(resource: R, nowMs: number): boolean {
    return nowMs - resource.openedMs <= this.#limits.retryMs;
  }

  /** One that was being opened exists, or will not. Whether it is of an older generation. */
  #opensNoMore(generation: number): boolean {
    this.#opening--;
    const stale = generation < this.#generation;
    if (stale) this.#staleOpening--;
    return stale;
  }

  /** Whether it ends as soon as nobody holds it. */
  #ends(slot: Slot<R> | undefined): boolean {
    return this.#paused || this.#closed !== null || (slot?.stale ?? false);
  }

  #endReason(): string {
    return this.#closed !== null ? "pool closed" : this.#paused ? "paused" : "reconnect";
  }

  #close(resource: R, reason: string): void {
    this.#drop(resource);
    this.#port.close(resource, reason);
  }

  #drop(resource: R): void {
    this.#slots.delete(resource);
    this.#share.give();
  }

  #isOver({ resource, earlier }: Slot<R>, nowMs: number): boolean {
    const { lifetimeMs } = this.#limits;
    return lifetimeMs !== 0 && nowMs >= resource.openedMs + lifetimeMs * (1 - earlier);
  }

  /** How many more there may be; below 0 when a limit was lowered. */
  #room(): number {
    return this.#limits.size + this.#limits.reserveSize - this.#counted;
  }
}
