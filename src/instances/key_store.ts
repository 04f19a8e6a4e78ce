/** An entry of a {@link KeyStore}. Revisions are the store's: each commit that writes raises its one counter by one. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Of the commit that made the key, or made it again behind its removal. */
  readonly createRevision: number;
  /** Of the last commit that wrote it. */
  readonly modRevision: number;
}

/** What has to be true of a key for a commit to write; `absent` is a `createRevision` of 0. */
export type Condition =
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly modRevision: number };

/** One change of a commit. */
export type Change =
  | { readonly kind: "put"; readonly key: string; readonly value: string }
  | { readonly kind: "remove"; readonly key: string };

/**
 * What came of a call. `failed`: it certainly changed nothing; `unknown`: it may have changed what it was to change, or may still do
 * so. Of calls that only read, `unknown` never comes. `reason` is for people, and has no secret.
 */
export type Answer<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed" | "unknown"; readonly reason: string };

/** What a commit did. */
export interface Committed {
  /** Whether all conditions held, and so all changes were made; else none was. */
  readonly isWritten: boolean;
  /** The store's counter behind it. */
  readonly revision: number;
  /** The entries of the keys that were asked for, behind the changes, in their order; null: there is none. */
  readonly entries: readonly (Entry | null)[];
  /** What began with the prefix that was asked for, behind the changes, by key; not there where none was. */
  readonly listed?: ReadonlyMap<string, Entry>;
}

/** A part of the store at one moment. */
export interface Listing {
  readonly revision: number;
  /** By key. */
  readonly entries: ReadonlyMap<string, Entry>;
}

/**
 * A store of keys which several instances see alike: etcd, or a model of it. Reads are linearizable. Keys are given without the
 * prefix that the configuration names. Each call ends within {@link callTimeoutMs}, rejects never, and is sent once.
 */
export interface KeyStore {
  /** The longest that a call takes, in milliseconds. */
  readonly callTimeoutMs: number;
  /**
   * Makes the changes if the conditions hold, all at once, and reads `keys` and what begins with `prefix`: in either case as they are
   * behind it.
   */
  commit(
    conditions: readonly Condition[],
    changes: readonly Change[],
    keys?: readonly string[],
    prefix?: string,
  ): Promise<Answer<Committed>>;
  /** What begins with `prefix`. */
  list(prefix: string): Promise<Answer<Listing>>;
  /**
   * Calls `changed` with what begins with `prefix`: soon behind the start, behind each change, and now and then without one. No change is
   * lost for good, several may come as one. While the store cannot be reached nothing comes. A hint: who decides reads. The result ends it.
   */
  watch(prefix: string, changed: (listing: Listing) => void): () => void;
  /** Ends all watches and gives up what is open. */
  close(): Promise<void>;
}
