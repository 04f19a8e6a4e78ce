import type { Entry } from "./key_store.ts";
import { INSTANCE_RULES, type InstanceRules } from "./rules.ts";
import { instanceOf, type InstanceValue, serves } from "./values.ts";

/** Who left so many leases ago had no reason to come back unseen. */
const LEFT_LEASES = 10;

/** An instance as this one has seen it. */
export interface Member extends InstanceValue {
  readonly id: number;
}

interface Seen {
  readonly member: Member;
  readonly entry: Entry;
  /** When its present counter was first seen here; of one whose entry has vanished when that was seen first. */
  readonly sinceMs: number;
  /** Whether the last look has found its entry. */
  readonly isThere: boolean;
}

/**
 * Who may let transactions begin on a primary, as far as this instance can know it, by its own clock.
 *
 * A renewal is worth something for less than the time of a lease behind its sending. So an instance may be forgotten once a look
 * that began a whole lease behind the first sight of its last renewal has found no other one. That its entry has vanished says
 * nothing: it may have been renewed until then, unseen, so that it counts for a lease from there.
 *
 * A lease is as long as this instance's own, or as that of who has it where that is longer; of whom nothing is known, the longest of all.
 */
export class Roll {
  readonly #ttlMs: number;
  readonly #rules: InstanceRules;
  readonly #seen = new Map<number, Seen>();
  /** Of each whose entry is gone for good, or whose place another incarnation has taken (where somebody has removed the entry by hand it may not know): what was seen last. */
  readonly #before = new Map<number, Seen>();
  /** The incarnation of each that has shown itself by what it says of a cluster alone, and since when. */
  readonly #heard = new Map<number, { readonly incarnation: string; readonly sinceMs: number }>();
  /** When the last look was begun. */
  #lookedMs = -Infinity;

  constructor(ttlMs: number, rules: InstanceRules = INSTANCE_RULES) {
    this.#ttlMs = ttlMs;
    this.#rules = rules;
  }

  /** The entries of all instances were asked for at `sentMs`, and have come at `nowMs`. */
  observe(
    entries: Iterable<Entry>,
    { sentMs, nowMs }: { readonly sentMs: number; readonly nowMs: number },
  ): void {
    const there = new Set<number>();
    for (const entry of entries) {
      const member = instanceOf(entry);
      if (member === null) continue;
      there.add(member.id);
      const known = this.#seen.get(member.id);
      const isSame = known !== undefined && known.member.incarnation === member.incarnation &&
        known.member.counter === member.counter;
      if (known !== undefined && known.member.incarnation !== member.incarnation) {
        this.#before.set(member.id, known);
      }
      this.#seen.set(member.id, { member, entry, sinceMs: isSame ? known.sinceMs : nowMs, isThere: true });
    }
    this.#lookedMs = Math.max(this.#lookedMs, sentMs);
    for (const [id, seen] of this.#seen) {
      if (there.has(id)) continue;
      if (this.#rules.trustsAbsence()) this.#seen.delete(id);
      else if (seen.isThere) {
        // Of one that has left long ago who leads removes the entry; of others somebody has.
        const isGone = seen.member.isGone && nowMs - seen.sinceMs > LEFT_LEASES * this.leaseMs(id);
        // Unseen, it may have come back until then, or have announced that it serves other clusters: it counts for all.
        const { clusters: _, ...member } = seen.member;
        this.#seen.set(id, { ...seen, member: { ...member, isGone }, sinceMs: nowMs, isThere: false });
      } else if (this.#isPast(seen)) this.forget(id);
    }
  }

  /** Who may have a permit, or may get one; in `cluster` only. */
  holders(cluster?: string): readonly Member[] {
    return this.members().filter((member) =>
      this.isHolder(member.id) && (cluster === undefined || serves(member, cluster))
    );
  }

  /** Whether an instance, or this incarnation of it, may have a permit. */
  isHolder(id: number, incarnation?: string): boolean {
    const seen = incarnation === undefined ? this.#seen.get(id) : this.#seenOf(id, incarnation);
    return seen !== undefined && !seen.member.isGone && !this.#isPast(seen);
  }

  /** Whether an entry of this incarnation was seen. */
  hasSeen(id: number, incarnation: string): boolean {
    return this.#seenOf(id, incarnation) !== undefined;
  }

  /**
   * An instance has said something of a cluster. Where its entry was never seen here somebody may have removed that by hand, before this one
   * looked the first time: it counts for a lease.
   */
  doubt(id: number, incarnation: string, nowMs: number): void {
    if (this.#isKnown(id, incarnation) || this.#heard.get(id)?.incarnation === incarnation) return;
    this.#heard.set(id, { incarnation, sinceMs: nowMs });
  }

  /** Those of whom there is nothing but what they have said of a cluster. */
  doubtful(): readonly number[] {
    return [...this.#heard].flatMap(([id, { incarnation, sinceMs }]) =>
      this.#isKnown(id, incarnation) || this.#isOver(sinceMs) ? [] : [id]
    );
  }

  /** Whether one may have a permit whose place another incarnation has taken. */
  get hasReplaced(): boolean {
    return [...this.#before.values()].some((seen) => !seen.member.isGone && !this.#isPast(seen));
  }

  /** When a look that is begun behind `afterMs` may show the first time that somebody counts no more; Infinity where nobody counts. */
  nextEndMs(afterMs: number): number {
    let firstMs = Infinity;
    for (const { member, sinceMs } of this.#seen.values()) {
      const endMs = sinceMs + this.leaseMs(member.id);
      if (!member.isGone && endMs > afterMs) firstMs = Math.min(firstMs, endMs);
    }
    const longestMs = this.#longestMs;
    for (const { sinceMs } of this.#heard.values()) {
      if (sinceMs + longestMs > afterMs) firstMs = Math.min(firstMs, sinceMs + longestMs);
    }
    return firstMs;
  }

  /** Whether a look was begun behind this time by as much as the longest lease. */
  hasLooked(sinceMs: number): boolean {
    return this.#isOver(sinceMs);
  }

  /** How long an instance counts behind its last renewal, in milliseconds. */
  leaseMs(id: number): number {
    return this.#leaseMsOf(this.#seen.get(id)?.member ?? {});
  }

  /** How long its last renewal has been known, in milliseconds; null of one that was not seen. */
  ageMs(id: number, nowMs: number): number | null {
    const seen = this.#seen.get(id);
    return seen === undefined ? null : nowMs - seen.sinceMs;
  }

  /** All that were seen, by id. */
  members(): readonly Member[] {
    return [...this.#seen.values()].map(({ member }) => member).sort((a, b) => a.id - b.id);
  }

  /** The entry of an instance as it was seen last; null of one that was not seen. */
  entryOf(id: number): Entry | null {
    return this.#seen.get(id)?.entry ?? null;
  }

  /** Its entry is removed: what it has said of clusters may be there yet, and is no reason to wait for it. */
  forget(id: number): void {
    const seen = this.#seen.get(id);
    if (seen !== undefined) this.#before.set(id, seen);
    this.#seen.delete(id);
  }

  /** Whether its entry was seen, or another one has its place. */
  #isKnown(id: number, incarnation: string): boolean {
    const seen = this.#seen.get(id);
    return this.hasSeen(id, incarnation) || (seen !== undefined && seen.isThere && !seen.member.isGone);
  }

  #seenOf(id: number, incarnation: string): Seen | undefined {
    return [this.#seen.get(id), this.#before.get(id)].find((one) => one?.member.incarnation === incarnation);
  }

  #isPast({ member, sinceMs }: Seen): boolean {
    return this.#lookedMs - sinceMs >= this.#leaseMsOf(member);
  }

  #isOver(sinceMs: number): boolean {
    return this.#lookedMs - sinceMs >= this.#longestMs;
  }

  /** Earlier versions do not say their lease. */
  #leaseMsOf({ ttlMs }: Pick<InstanceValue, "ttlMs">): number {
    return Number.isSafeInteger(ttlMs) ? this.#rules.leaseMs(this.#ttlMs, ttlMs!) : this.#ttlMs;
  }

  get #longestMs(): number {
    return Math.max(
      this.#ttlMs,
      ...[...this.#seen.values()].map(({ member }) => this.#leaseMsOf(member)),
    );
  }
}
