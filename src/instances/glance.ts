import type { Entry } from "./key_store.ts";

/** What an answer showed of the records, all at one moment. */
export interface Glance {
  readonly revision: number;
  /** By cluster; null: there is none. */
  readonly records: ReadonlyMap<string, Entry | null>;
  /** When it was asked for. */
  readonly sentMs: number;
  /** Since when this instance has had a permit, without a gap in which a move could have ended that did not wait for it. */
  readonly permitSinceMs: number;
}
