import type { Entry, Listing } from "../../instances/mod.ts";
import type { Keys, WatchResponse } from "./messages.ts";

/** So often a stream is looked at; one that was silent since is asked how far it is. */
export const LOOK_MS = 2_000;
/** A stream that is silent for so long in spite of that is given up. */
export const SILENCE_MS = 5_000;
/** So often what is watched is listed again. */
export const LIST_MS = 30_000;

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

  /** What is to be done now, {@link LOOK_MS} behind the last look or later. */
  due(nowMs: number): Due {
    const silentMs = nowMs - this.#heardMs;
    if (silentMs >= SILENCE_MS) return "give up";
    if (nowMs - this.#listedMs >= LIST_MS) return "list";
    return silentMs >= LOOK_MS ? "ask" : "nothing";
  }
}

function sorted(entries: Map<string, Entry>): Map<string, Entry> {
  return new Map([...entries].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
}
