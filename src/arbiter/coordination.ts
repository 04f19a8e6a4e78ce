import type { StoredRecord } from "./record.ts";

/** What an instance knows of a cluster's nodes, for the others: whether it reaches each of them. */
export interface InstanceView {
  readonly instance: number;
  readonly cluster: string;
  /** By node: its health as this instance sees it. */
  readonly healths: ReadonlyMap<string, string>;
}

/** An instance holds its clients for an epoch. */
export interface Acknowledgement {
  readonly instance: number;
  readonly cluster: string;
  readonly epoch: number;
  /** None of its clients is inside of a transaction on the primary. */
  readonly isDrained: boolean;
}

/** What became of a write. `unknown`: it may be in the store, now or later. */
export type SwapResult =
  | { readonly kind: "written"; readonly revision: number }
  | { readonly kind: "conflict"; readonly stored: StoredRecord | null }
  | { readonly kind: "failed" | "unknown"; readonly reason: string };

/**
 * Where instances agree: one that stands alone keeps its records in a file, several keep them in etcd. No call hangs: each ends
 * within a time that the adapter knows.
 */
export interface Coordination {
  /** Whether this instance may decide; alone it always may. */
  campaign(): Promise<boolean>;
  /** Keeps this instance's permit, and its leadership where it has that; the deadline in clock milliseconds, Infinity alone. */
  renew(): Promise<number>;
  /** What is stored about a cluster; null: nothing, or nothing that can be read. */
  record(cluster: string): Promise<StoredRecord | null>;
  /** Puts a record in place of the one with `revision` (0: none). */
  swap(cluster: string, revision: number, next: StoredRecord["record"]): Promise<SwapResult>;
  publish(view: InstanceView): Promise<void>;
  views(cluster: string): Promise<readonly InstanceView[]>;
  acknowledge(acknowledgement: Acknowledgement): Promise<void>;
  acknowledgements(cluster: string): Promise<readonly Acknowledgement[]>;
  /** Calls back when a record or an acknowledgement of a cluster changes; the result ends that. */
  watch(cluster: string, call: () => void): () => void;
}
