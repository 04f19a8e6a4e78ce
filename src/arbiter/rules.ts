import type { NodeHealth } from "../topology/mod.ts";
import type { Frozen, VerbResult } from "./verbs.ts";
import type { Said } from "./views.ts";

/**
 * Each check of the machine that keeps data from being lost, as a predicate of its own: `tests/simulation/` replaces them one at a
 * time, and shows that the simulator finds out.
 */
export interface Rules {
  /** Whether what a record announces may be done while nobody has confirmed that it is stored. */
  actsUnconfirmed(): boolean;
  /** The epoch of the next move. */
  nextEpoch(epoch: number): number;
  /** Whether clients are held while a move changes the primary. */
  holdsClients(): boolean;
  /** Whether nothing happens before each instance has acknowledged that it holds. */
  awaitsAcknowledgements(): boolean;
  isSameSystem(a: string, b: string): boolean;
  /** Whether so many of all instances that are there may decide that the primary is gone. */
  isMajority(votes: number, all: number): boolean;
  /** Whether a health means that the primary may be gone. */
  isGone(health: NodeHealth): boolean;
  /** Whether a primary that starts for so long is given up. */
  startsTooLong(startingMs: number, timeoutMs: number): boolean;
  /** Whether a standby that heard from the primary so long ago proves that it lives. */
  hearsStill(heardAgeMs: number, failureTimeoutMs: number): boolean;
  /** Whether a look through a standby is needed before a silent primary is given up. */
  looksThroughStandbys(): boolean;
  /** Whether so soon behind the last failover another one may begin by itself. */
  isFlapping(sinceLastMs: number, intervalMs: number): boolean;
  /** Whether a failover ends because the primary answers as such again. */
  givesBack(said: Said): boolean;
  /** Whether the earlier deciders' sessions are ended before a node is asked to change. */
  takesOver(): boolean;
  /** Whether a standby has to stop receiving before it counts. */
  freezesFirst(): boolean;
  /** Whether all standbys that answer are waited for before one is chosen. */
  awaitsAllStandbys(): boolean;
  /** How many of n names, of which k acknowledged each commit, have to be covered. */
  quorum(n: number, k: number): number;
  /** By what standbys are compared. */
  positionOf(frozen: Frozen): bigint;
  isOnTimeline(timeline: number, current: number): boolean;
  /** Whether a standby whose replay is held back, or that the file excludes, is left out. */
  isEligible(node: { readonly promote: boolean; readonly isDelayed: boolean }): boolean;
  isLagAllowed(lostBytes: bigint | null, maxBytes: number): boolean;
  /** Whether it counts how far other instances have seen the primary. */
  heedsOthersSight(): boolean;
  /** Whether a promotion is asked for only when the record names the candidate. */
  announcesFirst(): boolean;
  /** Whether a node is the primary of a new timeline. */
  isPromoted(said: Said, fromTimeline: number): boolean;
  /** Whether the end of the verb alone confirms a promotion. */
  confirmsByResult(result: VerbResult<"promote">): boolean;
  /** Whether another node may be chosen, as this candidate can promote no more. */
  mayAbandon(candidate: { readonly isRefused: boolean; readonly downMs: number }): boolean;
  /** Whether a node's word that it is the primary is newer than what is recorded. */
  isNewerClaim(timeline: number, current: number): boolean;
  /** Whether a switchover waits for transactions. */
  awaitsTransactions(): boolean;
  /** Whether the old primary is a standby, or fenced, before the candidate is promoted. */
  demotesFirst(): boolean;
  isCaughtUp(lsn: bigint, target: bigint): boolean;
  /** Whether a node has written, or received, what the primary's history does not have. */
  needsRewind(isWithinHistory: boolean): boolean;
  /** Whether the primary makes a checkpoint before another node is rewound from it. */
  checkpointsFirst(): boolean;
  /** Without a record: whether the primary is taken for it although not every node was heard. */
  adoptsUnheard(): boolean;
}

/** The rules as they are. */
export const RULES: Rules = Object.freeze({
  actsUnconfirmed: () => false,
  nextEpoch: (epoch: number) => epoch + 1,
  holdsClients: () => true,
  awaitsAcknowledgements: () => true,
  isSameSystem: (a: string, b: string) => a === b,
  isMajority: (votes: number, all: number) => 2 * votes > all,
  isGone: (health: NodeHealth) => health === "down",
  startsTooLong: (startingMs: number, timeoutMs: number) => startingMs >= timeoutMs,
  hearsStill: (heardAgeMs: number, failureTimeoutMs: number) => heardAgeMs < failureTimeoutMs,
  looksThroughStandbys: () => true,
  isFlapping: (sinceLastMs: number, intervalMs: number) => sinceLastMs < intervalMs,
  givesBack: (said: Said) => !said.recovering,
  takesOver: () => true,
  freezesFirst: () => true,
  awaitsAllStandbys: () => true,
  // A commit was acknowledged by k of n: whatever n - k + 1 of them have holds it.
  quorum: (n: number, k: number) => n - k + 1,
  positionOf: ({ lsn }: Frozen) => lsn,
  isOnTimeline: (timeline: number, current: number) => timeline === current,
  isEligible: ({ promote, isDelayed }: { promote: boolean; isDelayed: boolean }) => promote && !isDelayed,
  isLagAllowed: (lostBytes: bigint | null, maxBytes: number) =>
    lostBytes !== null && lostBytes <= BigInt(maxBytes),
  heedsOthersSight: () => true,
  announcesFirst: () => true,
  isPromoted: ({ recovering, timeline }: Said, fromTimeline: number) =>
    !recovering && timeline !== null && timeline > fromTimeline,
  confirmsByResult: () => false,
  // A postmaster that is gone takes its pending promotion with it; children may live on for two seconds.
  mayAbandon: ({ isRefused, downMs }: { isRefused: boolean; downMs: number }) =>
    isRefused && downMs >= ABANDON_MS,
  isNewerClaim: (timeline: number, current: number) => timeline > current,
  awaitsTransactions: () => true,
  demotesFirst: () => true,
  isCaughtUp: (lsn: bigint, target: bigint) => lsn >= target,
  needsRewind: (isWithinHistory: boolean) => !isWithinHistory,
  checkpointsFirst: () => true,
  adoptsUnheard: () => false,
});

/** A candidate that refuses connections for so long is dead. */
export const ABANDON_MS = 2_000;
