import type { NodeHealth } from "../topology/mod.ts";
import type { ClusterRecord, SynchronousNames } from "./record.ts";

/** The WAL receiver of a standby. */
export interface Receiver {
  readonly status: string;
  readonly timeline: number;
  readonly fromHost: string;
  readonly fromPort: number;
  /** How long before it was asked the last message of its upstream had come, in milliseconds. */
  readonly heardAgeMs: number;
}

/** A standby as its upstream sees it. */
export interface Replica {
  /** Its application_name. */
  readonly name: string;
  readonly state: string;
  readonly syncState: string;
  readonly flushLsn: bigint | null;
  readonly replayLsn: bigint | null;
}

/** What a node said of itself. Positions are bytes of WAL from its beginning. */
export interface Said {
  /** When it was asked, before the question was sent. */
  readonly askedMs: number;
  readonly recovering: boolean;
  readonly system: string;
  /** Null where it cannot be told: a standby that receives nothing. */
  readonly timeline: number | null;
  /** Of a primary what it has written, of a standby what it has received or replayed, whichever is more. */
  readonly lsn: bigint;
  readonly replayLsn: bigint;
  readonly receiver: Receiver | null;
  readonly synchronous: SynchronousNames | null;
  readonly replicas: readonly Replica[];
}

/** What the verb `inspect` brings besides. */
export interface Inspected extends Said {
  /** Timelines that it has left, each with the position at which the next one begins. */
  readonly forks: readonly (readonly [timeline: number, lsn: bigint])[];
  /** Whether `primary_conninfo` is set. */
  readonly hasUpstream: boolean;
  readonly isPaused: boolean;
  readonly applyDelayMs: number;
  /** A standby has replayed all that it can, but for the beginning of a record whose end never came; true of a primary. */
  readonly isReplayIdle: boolean;
  /** wal_log_hints or checksums: pg_rewind works there. */
  readonly canRewind: boolean;
  /** As `0700`. */
  readonly dataDirMode: string;
  readonly canRunPrograms: boolean;
  /** Of client backends, the arbiter's own left out. */
  readonly openTransactions: number;
  readonly isFenced: boolean;
  /** The application_name by which its upstream knows it; null where it has none, or does not say: then it is the node's name. */
  readonly standbyName: string | null;
}

/** How a node is, as the monitor has found out. */
export interface NodeView {
  readonly node: string;
  readonly health: NodeHealth;
  /** Since when {@link health} is so. */
  readonly sinceMs: number;
  /** When the first of the questions was asked that nobody has answered since; null where the last one was. */
  readonly silentMs: number | null;
  /** Whether its port refuses connections: its postmaster is gone, and the machine is not. */
  readonly isRefused: boolean;
  /** What it said last, however long ago; null where it has said nothing. */
  readonly said: Said | null;
}

/** The last position of a primary that an instance has heard of, by that primary itself. */
export interface SeenPosition {
  readonly primary: string;
  readonly timeline: number;
  readonly lsn: bigint;
}

/** An instance holds its clients for an epoch. */
export interface Acknowledgement {
  readonly instance: number;
  readonly epoch: number;
  /** When the move began that it is about, as its record says: epochs begin anew where a record is lost. 0: no move; null: an earlier version. */
  readonly startedAtMs: number | null;
  /** None of its clients is inside of a transaction on the primary. */
  readonly isDrained: boolean;
  /** How far the primary was when this instance heard of it last; null where it has not. */
  readonly seen: SeenPosition | null;
}

/**
 * Stands among the ids of instances for one that may be there and that nobody knows: the store was empty a moment ago, and may have been emptied, or
 * another process has its place. It counts for a lease, and says nothing.
 */
export const UNKNOWN_INSTANCE = 0;

/** How an instance sees the nodes of a cluster. */
export interface InstanceView {
  readonly instance: number;
  /** By node: its health as this instance sees it. */
  readonly healths: ReadonlyMap<string, string>;
  /** Where the primary does not answer it: how far that was; null where it answers, and where nothing was heard of it. */
  readonly seen: SeenPosition | null;
}

/** The position of a record's primary, as that says it; null where it says that it is something else. */
export function positionOf(
  { primary, timeline, system }: Pick<ClusterRecord, "primary" | "timeline" | "system">,
  said: Said | null,
): SeenPosition | null {
  const is = said !== null && !said.recovering && said.timeline === timeline && said.system === system;
  return is ? { primary, timeline, lsn: said.lsn } : null;
}

/** The furthest of these positions that is one of this primary; null where none is. */
export function furthest(
  { primary, timeline }: Pick<SeenPosition, "primary" | "timeline">,
  positions: readonly (SeenPosition | null)[],
): SeenPosition | null {
  let last: SeenPosition | null = null;
  for (const seen of positions) {
    const isOf = seen !== null && seen.primary === primary && seen.timeline === timeline;
    if (isOf && (last === null || seen.lsn > last.lsn)) last = seen;
  }
  return last;
}

/** A primary's timelines: those that it has left, and the one that it is on. */
export interface History {
  readonly forks: readonly (readonly [timeline: number, lsn: bigint])[];
  readonly current: number;
}

/** The smallest segment of WAL that there is, in bytes. */
const SEGMENT_BYTES = 1n << 20n;

/**
 * Whether a standby can follow a primary with this history: what it has is a part of that. A primary that dies in the middle of a record
 * leaves the beginning of it on standbys. The new timeline begins in front of that, and it is written over; but where it reaches into
 * another segment of WAL the standby dies of it, unless it is given the segment with the fork: `repoint` does, where it may run programs.
 */
export function mayFollow(said: Said, inspected: Inspected, { forks, current }: History): boolean {
  const timeline = said.timeline ?? inspected.timeline;
  if (timeline === inspected.timeline && timeline !== null) {
    if (!isPartOf(inspected.forks, forks.filter(([left]) => left < timeline))) return false;
  }
  if (timeline === current) return true;
  const fork = forks.find(([left]) => left === timeline)?.[1];
  if (fork === undefined) return false;
  if (said.lsn <= fork) return true;
  const { isReplayIdle, isPaused, applyDelayMs, lsn, replayLsn, canRunPrograms } = inspected;
  return isReplayIdle && !isPaused && applyDelayMs === 0 && lsn === said.lsn && replayLsn <= fork &&
    (lsn / SEGMENT_BYTES === fork / SEGMENT_BYTES || canRunPrograms);
}

/** Whether a history, where it was read, is the primary's up to there: nodes that were both promoted have timelines of the same numbers. */
function isPartOf(own: History["forks"], forks: History["forks"]): boolean {
  const isSame = ([left, at]: History["forks"][number], index: number) =>
    forks[index]?.[0] === left && forks[index][1] === at;
  return own.length === 0 || (own.length === forks.length && own.every(isSame));
}
