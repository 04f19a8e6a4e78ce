import type { Entry, Listing } from "../../instances/mod.ts";
import type { Keys, WatchResponse } from "./messages.ts";

/** A stream that was silent for so long is asked how far it is, where a call goes out: what is awake anyway does it for little. */
export const ASK_BESIDE_MS = 3_000;
/** One that was silent for so long is asked in any case. */
export const ASK_MS = 4_500;
/** One that is silent for so long in spite of that is given up. */
export const SILENCE_MS = 6_500;
/** So often what is watched is listed again. */
export const LIST_MS = 30_000;
/** Behind a listing that failed the next one waits so long. */
export const LIST_AGAIN_MS = 2_000;

/** What is to be done about a stream at a moment. */
export type Due = "give up" | "list" | "ask" | "nothing";

/**
 * What is known of a prefix: a listing, and what a stream of changes that began behind it told since. Each stream has one of its own:
 * one that is to follow another one begins with a listing too, so that nothing hangs on where the other one was. etcd tells the whole of a
 * revision in one response, and revisions in their order.
 *
 * Invariant: `listing` is what the prefix held at `listing.revision`.
 */
export class Following {
  readonly #keys: Keys;
  #listing: Listing;
  #heardMs: number;
  #askedMs = -Infinity;
  #listedMs: number;

  constructor(keys: Keys, listing: Listing, nowMs: number) {
    this.#keys = keys;
    this.#listing = listing;
    this.#heardMs = this.#listedMs = nowMs;
  }

  get listing(): Listing {
    return this.#listing;
  }

  /** The first revision that the stream has to tell. The header of a response says another one, which may be ahead of its events. */
  get nextRevision(): number {
    return this.#listing.revision + 1;
  }

  /** A response of the stream. `over`: it ends, or has lost what it was to tell, and a listing has to come. */
  take(response: WatchResponse, nowMs: number): "changed" | "same" | "over" {
    if (response.canceled || response.compact_revision !== "0") return "over";
    this.#heardMs = nowMs;
    if (response.events.length === 0) return "same";
    const from = this.#listing.revision;
    let revision = from;
    const entries = new Map(this.#listing.entries);
    for (const { type, kv } of response.events) {
      const at = Number(kv.mod_revision);
      // A listing that came meanwhile had it already.
      if (at <= from) continue;
      revision = Math.max(revision, at);
      const key = this.#keys.fromEtcd(kv.key);
      if (key === undefined) continue;
      if (type === "Delete") entries.delete(key);
      else entries.set(key, this.#keys.entryOf(kv));
    }
    if (revision === from) return "same";
    this.#listing = { revision, entries: sorted(entries) };
    return "changed";
  }

  /**
   * A listing that was made beside the stream, asked for when this one was at `askedAt`. `same`: the stream has told more meanwhile. `over`: the
   * store has gone back in time, by a backup that was put in its place, and the stream would wait for revisions that it had before.
   */
  adopt(
    listing: Listing,
    { askedAt, nowMs }: { askedAt: number; nowMs: number },
  ): "changed" | "same" | "over" {
    if (listing.revision < askedAt) return "over";
    this.#listedMs = nowMs;
    if (listing.revision < this.#listing.revision) return "same";
    this.#listing = listing;
    return "changed";
  }

  /** It is asked how far it is. */
  asked(nowMs: number): void {
    this.#askedMs = nowMs;
  }

  /** A listing beside the stream has failed. */
  listFailed(nowMs: number): void {
    this.#listedMs = nowMs + LIST_AGAIN_MS - LIST_MS;
  }

  /** What is to be done now. */
  due(nowMs: number): Due {
    if (nowMs >= this.#heardMs + SILENCE_MS) return "give up";
    if (nowMs >= this.#listedMs + LIST_MS) return "list";
    return nowMs >= this.#heardMs + ASK_MS && this.#askedMs < this.#heardMs ? "ask" : "nothing";
  }

  /** Whether it is to be asked while something else is sent. */
  asksBeside(nowMs: number): boolean {
    return nowMs >= this.#heardMs + ASK_BESIDE_MS && this.#askedMs < this.#heardMs;
  }

  /** When something is to be done the next time, if the stream is silent until then. */
  get dueMs(): number {
    const silentMs = this.#askedMs < this.#heardMs ? ASK_MS : SILENCE_MS;
    return Math.min(this.#heardMs + silentMs, this.#listedMs + LIST_MS);
  }
}

function sorted(entries: Map<string, Entry>): Map<string, Entry> {
  return new Map([...entries].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
}
