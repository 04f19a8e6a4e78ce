import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { Clock } from "../kernel/mod.ts";
import { VirtualClock } from "../kernel/mod.ts";
import type { Answer, Change, Committed, Condition, Entry, KeyStore, Listing } from "./key_store.ts";

/** What a store does that behaves well. */
export class FakeKeys {
  readonly entries = new Map<string, Entry>();
  revision = 1;

  commit(
    conditions: readonly Condition[],
    changes: readonly Change[],
    keys: readonly string[] = [],
    prefix?: string,
  ): Committed {
    const isWritten = conditions.every((condition) => {
      const entry = this.entries.get(condition.key);
      return "createRevision" in condition
        ? (entry?.createRevision ?? 0) === condition.createRevision
        : (entry?.modRevision ?? 0) === condition.modRevision;
    });
    if (isWritten && changes.length > 0) {
      this.revision++;
      for (const change of changes) this.#change(change);
    }
    return {
      isWritten,
      revision: this.revision,
      entries: keys.map((key) => this.entries.get(key) ?? null),
      ...(prefix !== undefined && { listed: this.list(prefix).entries }),
    };
  }

  list(prefix: string): Listing {
    const entries = [...this.entries].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) =>
      a < b ? -1 : 1
    );
    return { revision: this.revision, entries: new Map(entries) };
  }

  #change(change: Change): void {
    const { key } = change;
    if (change.kind === "remove") return void this.entries.delete(key);
    const createRevision = this.entries.get(key)?.createRevision ?? this.revision;
    this.entries.set(key, { key, value: change.value, createRevision, modRevision: this.revision });
  }
}

/** What becomes of a call: `lost`: it is done, and nobody hears of it; `late`: the same, when {@link FakeStore.deliverLate} says. */
export type Fate = "done" | "failed" | "lost" | "late";

/** One instance's way to a store that it shares with others. */
export class FakeStore implements KeyStore {
  readonly callTimeoutMs = 1_000;
  fate: Fate = "done";
  /** Whether changes of others are told. */
  isWatching = true;
  calls = 0;
  #late: (() => void)[] = [];
  readonly #keys: FakeKeys;
  readonly #clock: Clock;
  readonly #watches: Set<() => void>;

  /** `others` is the set that all ways to a store have in common. */
  constructor(keys: FakeKeys, clock: Clock, others: Set<() => void>) {
    this.#keys = keys;
    this.#clock = clock;
    this.#watches = others;
  }

  commit(
    conditions: readonly Condition[],
    changes: readonly Change[],
    keys: readonly string[] = [],
    prefix?: string,
  ): Promise<Answer<Committed>> {
    this.calls++;
    return this.#answer(() => {
      const committed = this.#keys.commit(conditions, changes, keys, prefix);
      if (committed.isWritten && changes.length > 0) { for (const tell of this.#watches) tell(); }
      return committed;
    }, changes.length > 0);
  }

  list(prefix: string): Promise<Answer<Listing>> {
    return this.#answer(() => this.#keys.list(prefix), false);
  }

  watch(prefix: string, changed: (listing: Listing) => void): () => void {
    const tell = () => {
      if (this.isWatching && this.fate === "done") changed(this.#keys.list(prefix));
    };
    this.#watches.add(tell);
    tell();
    return () => this.#watches.delete(tell);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** What was late comes to the store. */
  deliverLate(): void {
    for (const run of this.#late.splice(0)) run();
  }

  #answer<T>(run: () => T, writes: boolean): Promise<Answer<T>> {
    const { fate } = this;
    const { promise, resolve } = Promise.withResolvers<Answer<T>>();
    this.#clock.after(1, () => {
      if (fate === "failed") return resolve({ kind: "failed", reason: "no store" });
      if (fate === "late") {
        this.#late.push(run);
        return resolve({ kind: writes ? "unknown" : "failed", reason: "no answer" });
      }
      const value = run();
      if (fate === "done") resolve({ kind: "done", value });
      else resolve({ kind: writes ? "unknown" : "failed", reason: "no answer" });
    });
    return promise;
  }
}

/** Time passes for all who use a clock, step by step, and what hangs at it is done. */
export async function pass(clock: VirtualClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 10) {
    clock.advance(10);
    for (let turn = 0; turn < 30; turn++) await Promise.resolve();
  }
}

Deno.test("a fake store writes if all conditions hold, and counts", () => {
  const keys = new FakeKeys();
  const put = { kind: "put", key: "a", value: "1" } as const;
  deepEqual(keys.commit([{ key: "a", createRevision: 0 }], [put], ["a"]).entries, [
    { key: "a", value: "1", createRevision: 2, modRevision: 2 },
  ]);
  deepEqual(keys.commit([{ key: "a", createRevision: 0 }], [put]).isWritten, false);
  deepEqual(keys.commit([{ key: "a", modRevision: 2 }], [{ kind: "remove", key: "a" }]).revision, 3);
  deepEqual([...keys.list("").entries], []);
});
