import type { BinaryString, SqlReach, SqlTraits } from "../protocol/mod.ts";
import { HiddenCallers } from "./hidden_callers.ts";

/** What may have been changed past pgplex is looked for as often. */
export const CHECK_EVERY_MS = 10_000;

/** What is known is not relied on for longer, where it could not be compared. */
export const KNOWN_MAX_MS = 60_000;

/** Between two looks at a catalogue that goes on changing; meanwhile everything is probed. */
const LOOK_PAUSE_MS = 1_000;

/** A comparison of marks that has begun. */
export interface CatalogueCheck {
  /** Changes before it, which it will know of. */
  readonly changes: number;
  /** Names that statements call, as far as it will know of them. */
  readonly named: readonly BinaryString[];
}

/** Names that are looked at, at most: routines of others are not known. */
const NAMED_MAX = 2000;

/**
 * What is known of one database's catalogue as far as it concerns session state, and whether that is still true. Pure.
 *
 * A mark stands for the state of the catalogue that was looked at: where it is still the same, nothing is looked at again.
 */
export class CatalogueWatch {
  #hidden = HiddenCallers.UNKNOWN;
  /** That of what is known; null where nothing is. */
  #mark: string | null = null;
  /** How often something may have changed, and how much of that is in what is known. */
  #changes = 1;
  readonly #named = new Set<BinaryString>();
  /** So many of them are in what is known. */
  #namedKnown = 0;
  #changesKnown = 0;
  #checkedMs = -Infinity;
  /** Somebody has taken it on to compare; nobody else does before. */
  #claimedUntilMs = -Infinity;
  /** No look begins before. */
  #pausedUntilMs = -Infinity;
  #firstClaimed = false;
  /** When another catalogue was found than before, and what was known until then: it held for what had begun to run. */
  #changedMs = -Infinity;
  #before = HiddenCallers.UNKNOWN;

  /** What was found last. */
  get hidden(): HiddenCallers {
    return this.#hidden;
  }

  /** A statement that may change routines, or who calls them, goes to a server, or its transaction has ended. */
  changes(): void {
    this.#changes++;
  }

  /** Whether a statement may reach what may change session state; so it may while what is known may be old. */
  reachedBy(reach: SqlReach, nowMs: number): boolean {
    return !reach.nothing && (this.#isOld(nowMs) || this.#hidden.reachedBy(reach));
  }

  /** Whether what began at `sinceMs` may have reached, without calling it by name, what nothing takes back. */
  stainedBy(traits: Pick<SqlTraits, "reach" | "calls">, sinceMs: number): boolean {
    return this.#hidden.stainedBy(traits) || (sinceMs < this.#changedMs && this.#before.stainedBy(traits));
  }

  /** Whether nobody has ever looked, or is about to; whoever is told so, who serves nobody yet, is to look. Once. */
  claimFirst(): boolean {
    if (this.#firstClaimed || this.#mark !== null) return false;
    return this.#firstClaimed = true;
  }

  /**
   * Whether it is time to compare, and whoever asks is to see to it: nobody else is told so for a while. Else a database whose
   * sessions never rest would never be looked at.
   */
  claim(nowMs: number): boolean {
    if (this.#mark === null || !this.#isDue(nowMs) || nowMs < this.#claimedUntilMs) return false;
    this.#claimedUntilMs = nowMs + LOOK_PAUSE_MS;
    return true;
  }

  /** Whether a statement that calls all these may change session state by that; so it may while what is known may be old. */
  mayChange(calls: readonly BinaryString[], nowMs: number): boolean {
    return calls.length > 0 && (this.#isOld(nowMs) || this.#hidden.mayChange(calls));
  }

  /** Statements call these: the next look is to find out what they are. */
  calls(names: readonly BinaryString[]): void {
    for (const name of names) if (this.#named.size < NAMED_MAX) this.#named.add(name);
  }

  /** Begins to compare marks where what is known may be old; null where it is not. Changes from here on are not in it. */
  beginCheck(nowMs: number): CatalogueCheck | null {
    const waits = this.#mark === null && nowMs < this.#pausedUntilMs;
    if (waits || !(this.#isDue(nowMs) || this.#isWanted)) return null;
    return { changes: this.#changes, named: [...this.#named] };
  }

  /**
   * Whether a catalogue that has this mark now must be looked at. Where it is the one that is known, what is known is new again;
   * where it is another one and the last look was just now, what is known stays old.
   */
  mustLook({ changes }: CatalogueCheck, mark: string, nowMs: number): boolean {
    if (this.#isWanted) return true;
    if (mark !== this.#mark) return nowMs >= this.#pausedUntilMs;
    this.#changesKnown = changes;
    this.#checkedMs = nowMs;
    return false;
  }

  /** A look found this in a catalogue that had this mark before. Whether that is news. */
  found({ changes, named }: CatalogueCheck, mark: string, hidden: HiddenCallers, nowMs: number): boolean {
    const { reach, cause } = this.#hidden;
    const news = this.#mark === null || hidden.reach !== reach || hidden.cause !== cause;
    if (mark !== this.#mark) {
      this.#before = this.#hidden;
      this.#changedMs = nowMs;
    }
    this.#hidden = hidden;
    this.#mark = mark;
    this.#namedKnown = named.length;
    this.#changesKnown = changes;
    this.#checkedMs = nowMs;
    this.#pausedUntilMs = nowMs + LOOK_PAUSE_MS;
    return news;
  }

  /** The catalogue could not be read: anything may be reached until it can. */
  failed(nowMs: number): void {
    this.#hidden = HiddenCallers.UNKNOWN;
    this.#mark = null;
    this.#checkedMs = -Infinity;
    this.#pausedUntilMs = nowMs + CHECK_EVERY_MS;
  }

  /** Whether statements call what nobody has looked at yet: until then nobody knows what they leave that no probe sees. */
  get #isWanted(): boolean {
    return this.#namedKnown < this.#named.size;
  }

  /** Also of what began before the last look that found another catalogue: it may have met the one before. */
  #isOld(nowMs: number): boolean {
    return this.#changes !== this.#changesKnown || nowMs - this.#checkedMs >= KNOWN_MAX_MS ||
      nowMs < this.#changedMs;
  }

  #isDue(nowMs: number): boolean {
    return this.#changes !== this.#changesKnown || nowMs - this.#checkedMs >= CHECK_EVERY_MS;
  }
}
