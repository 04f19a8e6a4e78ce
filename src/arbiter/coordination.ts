import type { Command } from "./events.ts";
import type { ClusterRecord, StoredRecord } from "./record.ts";
import type { Acknowledgement, InstanceView } from "./views.ts";

/** What became of a write. `unknown`: it may be in the store, now or later. */
export type SwapResult =
  | { readonly kind: "written"; readonly revision: number }
  | { readonly kind: "conflict"; readonly stored: StoredRecord | null }
  | { readonly kind: "failed" | "unknown"; readonly reason: string };

/** An operator hears this of a command. */
export interface CommandAnswer {
  readonly ok: boolean;
  readonly text: string;
}

/** What a cluster's part of an instance hears of the others. */
export interface CoordinationListener {
  /** Whether this instance decides, or whether it has a permit, has changed. */
  standing(): void;
  /** A record that may be newer than the one that is known. */
  record(stored: StoredRecord): void;
  /**
   * The record that was there is there no more: somebody has removed it. `isOld`: this instance had no permit for a while before, so moves that it knows
   * nothing of may have ended meanwhile.
   */
  lost(how: { readonly isOld: boolean }): void;
  /** The store is another one, or was put back from a backup: revisions of before say nothing of which record is newer. What is there comes behind this. */
  storeBeganAnew(): void;
  /** The record is in a form that this pgplex does not understand; for people. */
  misunderstood(why: string): void;
  /** Which instances may hold a permit: this one too, and {@link "./views.ts".UNKNOWN_INSTANCE}. */
  instances(ids: readonly number[]): void;
  acknowledged(acknowledgement: Acknowledgement): void;
  /** Of the instances that may hold a permit, without this one. */
  views(views: readonly InstanceView[]): void;
  /** An operator of another instance asks who decides for something. */
  command(command: Command, by: string): Promise<CommandAnswer>;
}

/** An instance as SHOW INSTANCES shows it. */
export interface InstanceInfo {
  readonly id: number;
  readonly name: string;
  /** Where the others reach it, as `host:port`; null: nobody has said. */
  readonly address: string | null;
  /** Of pgplex. */
  readonly version: string;
  readonly isLeading: boolean;
  /** Whether it may have a permit. */
  readonly isThere: boolean;
  /** How long it counts yet where nothing is heard of it any more, in milliseconds; null alone. */
  readonly leaseMs: number | null;
  /** When it started, in milliseconds of its wall clock. */
  readonly sinceMs: number;
}

/**
 * Where instances agree: one that stands alone keeps its records in a file, several keep them in etcd. No call hangs: each ends
 * within a time that the adapter knows.
 */
export interface Coordination {
  /** Until when transactions may begin on the primary of a cluster, in clock milliseconds; Infinity alone. */
  permitUntilMs(cluster: string): number;
  /** Whether this instance decides: alone it always does. */
  readonly isLeading: boolean;
  /** Which instances may hold a permit for a cluster: this one too, and {@link "./views.ts".UNKNOWN_INSTANCE}. */
  instancesOf(cluster: string): readonly number[];
  /** All clusters that clients of this instance may use, also those in whose moves it takes no part. */
  serve(clusters: Iterable<string>): void;
  /** All that are known, by id: this one too. */
  members(): readonly InstanceInfo[];
  /**
   * What is stored about a cluster; null: nothing.
   *
   * @throws Error where that cannot be told, or is not understood
   */
  record(cluster: string): Promise<StoredRecord | null>;
  /** Puts a record in place of the one with `revision` (0: none). Behind one that is written {@link instancesOf} are of a later look. */
  swap(cluster: string, revision: number, next: ClusterRecord): Promise<SwapResult>;
  /** This instance holds its clients; the one that leads is told. */
  acknowledge(cluster: string, acknowledgement: Omit<Acknowledgement, "instance">): void;
  /** How this instance sees the nodes of a cluster, where that has changed. */
  publish(cluster: string, view: Omit<InstanceView, "instance">): void;
  /** An operator's wish, for whoever decides. */
  ask(cluster: string, command: Command, by: string): Promise<CommandAnswer>;
  /** A round of events begins: a permit that has ended is noticed before anything is sent. Cheap. */
  look(): void;
  /** This instance stops: lets go of whatever it has, within a few seconds. */
  leave(): Promise<void>;
  /** Calls back about a cluster; the result ends that, when no transaction of its clients runs any more: nobody waits for this instance there. */
  listen(cluster: string, listener: CoordinationListener): () => void;
}
