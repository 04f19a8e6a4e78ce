import type { Entry } from "./key_store.ts";
import { instanceOf, type InstanceValue } from "./values.ts";

/** An instance as this one has seen it. */
export interface Member extends InstanceValue {
  readonly id: number;
}

interface Seen {
  readonly member: Member;
  readonly entry: Entry;
  /** When its present counter was first seen here. */
  readonly sinceMs: number;
}

/**
 * Who may let transactions begin on a primary, as far as this instance can know it, by its own clock.
 *
 * A renewal is worth something for less than the time of a lease behind its sending. So an instance may be forgotten once a look
 * that began a whole lease behind the first sight of its last renewal has found no other one. Whether its entry is still there
 * says nothing: one that has vanished counts until then as well.
 */
export class Roll {
  readonly #ttlMs: number;
  readonly #seen = new Map<number, Seen>();
  /** When the last look was begun. */
  #lookedMs = -Infinity;

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs;
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
      this.#seen.set(member.id, { member, entry, sinceMs: isSame ? known.sinceMs : nowMs });
    }
    this.#lookedMs = Math.max(this.#lookedMs, sentMs);
    for (const [id, { sinceMs }] of this.#seen) {
      if (!there.has(id) && this.#isOver(sinceMs)) this.#seen.delete(id);
    }
  }

  /** Who may have a permit, or may get one. */
  holders(): readonly Member[] {
    return this.members().filter(({ id }) => this.isHolder(id));
  }

  /** Whether an instance, or this incarnation of it, may have a permit. */
  isHolder(id: number, incarnation?: string): boolean {
    const seen = this.#seen.get(id);
    if (seen === undefined || seen.member.isGone) return false;
    if (incarnation !== undefined && seen.member.incarnation !== incarnation) return false;
    return !this.#isOver(seen.sinceMs);
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

  /** The entry of one that was seen. */
  entryOf(id: number): Entry {
    return this.#seen.get(id)!.entry;
  }

  /** Its entry is removed. */
  forget(id: number): void {
    this.#seen.delete(id);
  }

  #isOver(sinceMs: number): boolean {
    return this.#lookedMs - sinceMs >= this.#ttlMs;
  }
}
