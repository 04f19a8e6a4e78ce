/** `synchronous_standby_names`, parsed: `ANY k (names)` or `FIRST k (names)`; null where it is empty. */
export interface SynchronousNames {
  readonly method: "any" | "first";
  readonly k: number;
  /** As written there; `*` is any standby. */
  readonly names: readonly string[];
}

/** Names by which the primary committed before they were changed, or none, and that a failover has to heed still. */
export interface EarlierNames {
  readonly synchronous: SynchronousNames | null;
  /** What they have acknowledged lies before this position; null while that is not known. */
  readonly lsn: bigint | null;
}

/**
 * What changes the primary: `failover`: it is gone; `switchover`: it is well, and somebody wants another one; `follow`: somebody else
 * has promoted a node, or there was no record ({@link isAdoption}).
 */
export type MoveKind = "failover" | "switchover" | "follow";

/**
 * Where a move is. `prepare`: the other standbys are pointed at the candidate, clients are served; `hold`: clients are held, their
 * transactions end; `recruit`: clients are held, every standby stops receiving, a candidate is chosen; `demote`: the old primary
 * restarts as a standby of the candidate; `fence`: it is made read-only in its place; `promote`: the candidate is promoted, and nobody
 * else.
 */
export type MoveStep = "prepare" | "hold" | "recruit" | "demote" | "fence" | "promote";

/** A move that is not at its end. Times are milliseconds of the wall clock. */
export interface Move {
  readonly kind: MoveKind;
  /** The primary before it. */
  readonly from: string;
  /** The timeline of {@link from}: the candidate's is higher once it is promoted. */
  readonly fromTimeline: number;
  /** Whom an operator has asked for; null: whoever is best. */
  readonly target: string | null;
  /** Who is, or will be, promoted; null while nobody is chosen. */
  readonly candidate: string | null;
  readonly step: MoveStep;
  /** Each step with the time at which it was recorded. */
  readonly steps: readonly { readonly step: MoveStep; readonly atMs: number }[];
  /** `pgplex`, or who has asked for it. */
  readonly by: string;
  readonly reason: string;
  readonly evidence: readonly string[];
  readonly startedAtMs: number;
  /** The operator accepts that transactions are cancelled (switchover), or writes lost (failover). */
  readonly isForced: boolean;
  /** The transactions that still run on {@link from} are to be cut, rather than waited for. */
  readonly cuts: boolean;
  /** The last position of {@link from} that was seen; null where none was. */
  readonly lastLsn: bigint | null;
  /** Bytes of WAL that the candidate did not have of {@link lastLsn}; null before the choice, and where nobody knows. */
  readonly lostBytes: bigint | null;
  /** Transactions from this id on were not committed before the move; null where it is not known. */
  readonly watermark: string | null;
  /** Candidates that died while they were to be promoted. */
  readonly abandoned: readonly string[];
  /** Of nodes that upstreams know by another name than the file's: that one, as it was known before they stopped receiving. */
  readonly names?: Readonly<Record<string, string>>;
}

/**
 * Whether a move is the one by which a primary is adopted: it promotes nobody, and lets each instance forget what it served by. Whom somebody else has
 * promoted is named, also where that is the primary itself.
 */
export function isAdoption({ kind, candidate }: Move): boolean {
  return kind === "follow" && candidate === null;
}

/** Why nothing else is begun while a move runs; for people. */
export function whyBusy(move: Move): string {
  return isAdoption(move)
    ? "not all instances know the primary yet: try again"
    : "the primary is being moved already";
}

/** A move at its end. */
export interface PastMove extends Move {
  readonly epoch: number;
  readonly outcome: "done" | "undone";
  /** Why it was undone; empty where it was not. */
  readonly why: string;
  /** Of the primary behind it. */
  readonly timeline: number;
  readonly endedAtMs: number;
}

/** A node that is, or was to be, made a standby again. One whose rejoin has failed serves nobody until an operator asks again. */
export interface Rejoin {
  readonly node: string;
  readonly mode: "standby" | "rewind";
  readonly state: "running" | "failed";
  readonly reason: string;
  readonly startedAtMs: number;
}

/**
 * What is settled about a cluster: whoever decides reads it, and announces in it what he will do before he does it.
 *
 * Invariant: while `phase` is `moving` there is a move; {@link epoch} rises with each move that holds the clients.
 */
export interface ClusterRecord {
  /** The system identifier. */
  readonly system: string;
  readonly epoch: number;
  readonly phase: "serving" | "moving";
  readonly primary: string;
  /** Where the file had {@link primary} when the record was written, as `host:port`; earlier versions do not say it. */
  readonly address?: string;
  readonly timeline: number;
  /** Since when {@link primary} is the primary. */
  readonly sinceMs: number;
  /** As the primary had it when it was last seen: by these names a commit was acknowledged. */
  readonly synchronous: SynchronousNames | null;
  /** Those of before, oldest first, until the standbys by which it commits now have all that these have acknowledged. */
  readonly earlier?: readonly EarlierNames[];
  readonly move: Move | null;
  /** The last {@link HISTORY_MAX} moves, oldest first. */
  readonly history: readonly PastMove[];
  readonly rejoins: readonly Rejoin[];
  /** Nodes whose upstream a move has changed, and that have to follow the primary again. */
  readonly moved: readonly string[];
  /** Nodes whose word that they are the primary counts for nothing: candidates that were given up. */
  readonly disowned: readonly string[];
}

/** Moves that a record keeps. */
export const HISTORY_MAX = 100;

/** The last failover that began by itself and came to its end; undefined: there was none. */
export function lastFailover({ history }: ClusterRecord): PastMove | undefined {
  return history.findLast(({ kind, outcome, by }) =>
    kind === "failover" && outcome === "done" && by === "pgplex"
  );
}

/** When a move ended that another life has recorded, in clock milliseconds: by wall clocks, of which one that runs behind must not stop time. */
export function endedMs(
  { endedAtMs }: PastMove,
  { nowMs, wallMs }: { readonly nowMs: number; readonly wallMs: number },
): number {
  return nowMs - Math.max(0, wallMs - endedAtMs);
}

/** A record with the revision by which the next one is compared and swapped. */
export interface StoredRecord {
  readonly revision: number;
  readonly record: ClusterRecord;
}

/** The one that came to the store later; the first one of equals. */
export function newer(a: StoredRecord | null, b: StoredRecord | null): StoredRecord | null {
  return b !== null && (a === null || b.revision > a.revision) ? b : a;
}

/** Of a record's text: JSON, positions as `lsn:` and decimal digits. */
export function recordText(record: ClusterRecord): string {
  return JSON.stringify(record, (_, value) => typeof value === "bigint" ? `lsn:${value}` : value);
}

/** The record of a {@link recordText}; null for anything that is none. */
export function recordOf(text: string): ClusterRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(
      text,
      (_, part) => typeof part === "string" && /^lsn:-?\d+$/.test(part) ? BigInt(part.slice(4)) : part,
    );
  } catch {
    return null;
  }
  return isRecord(value) ? value : null;
}

function isRecord(value: unknown): value is ClusterRecord {
  if (typeof value !== "object" || value === null) return false;
  const { system, epoch, phase, primary, timeline, move, history, rejoins, moved, disowned, earlier = [] } =
    value as ClusterRecord;
  const isMove = move === null || (typeof move === "object" && typeof move.step === "string");
  return typeof system === "string" && Number.isSafeInteger(epoch) && typeof primary === "string" &&
    Number.isSafeInteger(timeline) && (phase === "serving" || phase === "moving") && isMove &&
    (phase === "serving" || move !== null) &&
    [history, rejoins, moved, disowned, earlier].every((list) => Array.isArray(list));
}
