import type { KeyStore, Listing } from "./key_store.ts";

/** What it needs. */
export interface OwnEntryParts {
  readonly store: KeyStore;
  readonly key: string;
  /** Whether what it says may be written now. */
  readonly mayWrite: () => boolean;
}

/**
 * What this instance wants the others to know, under a key that nobody else writes. It is written until it is there: a write may be lost, written over by a
 * late one, or removed by hand. One write is sent behind the answer to the other: of two on their way the earlier may come to the store last, and stay.
 */
export class OwnEntry {
  readonly #parts: OwnEntryParts;
  #text: string | null = null;
  #isThere = false;
  #isWriting = false;
  /** Revisions of the store: behind the last write that was answered, and of what was heard last. */
  #writtenAt = 0;
  #heardAt = 0;

  constructor(parts: OwnEntryParts) {
    this.#parts = parts;
  }

  /** What is to be there; null: nothing yet. */
  get text(): string | null {
    return this.#text;
  }

  /** This is to be there from now on. */
  say(text: string): void {
    this.#text = text;
    this.#isThere = false;
    void this.write();
  }

  /** What is there, as a watch tells it, perhaps late. */
  heard({ revision, entries }: Listing): void {
    // A watch goes back only where the store has begun anew.
    if (revision < this.#heardAt) this.#writtenAt = 0;
    this.#heardAt = revision;
    if (revision < this.#writtenAt) return;
    this.#isThere = entries.get(this.#parts.key)?.value === this.#text;
    // A late write, or somebody's hand: until it is mended the others go by it.
    void this.write();
  }

  /** Writes it where it is not there. To be called now and then. */
  async write(): Promise<void> {
    const { store, key, mayWrite } = this.#parts;
    while (this.#text !== null && !this.#isThere && !this.#isWriting && mayWrite()) {
      const text = this.#text;
      this.#isWriting = true;
      const answer = await store.commit([], [{ kind: "put", key, value: text }]);
      this.#isWriting = false;
      if (answer.kind === "done") this.#writtenAt = answer.value.revision;
      if (text !== this.#text) continue;
      // What was heard meanwhile may already be newer than this write.
      if (answer.kind === "done" && this.#heardAt < this.#writtenAt) this.#isThere = true;
      return;
    }
  }
}
