import type { CommitNote } from "../backend/mod.ts";
import { lsnOf } from "../topology/mod.ts";

/** What became of a transaction whose COMMIT was not answered. */
export type CommitVerdict = "committed" | "rolled back" | "unknown";

/** What the primary says of it. */
export interface CommitTraces {
  /** The timeline on which it writes. */
  readonly timeline: number;
  /** Where the note's timeline ended, by the history of the primary's; null where that does not say. On the same timeline: unused. */
  readonly fork: bigint | null;
  /** `txid_status()` of the number; `future`: there was no such number yet; null: it is too old. */
  readonly status: "committed" | "aborted" | "in progress" | "future" | null;
  /** Whether the note's record lies in the WAL where it was written. On a higher timeline: unused. */
  readonly marked: boolean;
}

/**
 * Decides, by nothing but what is certain; `again`: it runs yet.
 *
 * WAL is a sequence, and what survives of it is a beginning. The note's record carries the transaction's number and lies in front of the
 * commit's. So where it did not survive neither did the commit; where it did, the number was known to whoever went on from there, was
 * given to nobody else, and its status is the truth.
 *
 * - On a higher timeline the record survived if the note's timeline ended behind it.
 * - On the same timeline the server may have crashed. A status that is not `committed` says then, too, that ours is not: if the number
 *   was given to another transaction, the record was lost. `committed` may be of that other one, unless the record still lies there: what
 *   is written behind a crash begins where the WAL that survived ends, and overwrites what lay behind.
 */
export function decideCommit(note: CommitNote, traces: CommitTraces): CommitVerdict | "again" {
  const { timeline, fork, status, marked } = traces;
  const written = lsnOf(note.lsn);
  if (note.xid === null || written === null || timeline < note.timeline) return "unknown";
  if (timeline > note.timeline) {
    if (fork === null) return "unknown";
    if (fork < written) return "rolled back";
    if (status === "in progress") return "again";
    return status === "committed" ? "committed" : status === "aborted" ? "rolled back" : "unknown";
  }
  if (status === "in progress") return "again";
  if (status === "committed") return marked ? "committed" : "unknown";
  return status === null ? "unknown" : "rolled back";
}

/** Where `timeline` ended, by a timeline's history file: lines of a timeline, where it ended, and why. Null where it says nothing of it. */
export function forkIn(history: string, timeline: number): bigint | null {
  for (const line of history.split("\n")) {
    const [id, lsn] = line.trim().split(/\s+/);
    if (id === String(timeline)) return lsnOf(lsn ?? null);
  }
  return null;
}

/** Bytes of WAL that are looked at for a note's record. */
export const WAL_WINDOW_BYTES = 256;

/** XLOG_BLCKSZ, and what stands at the beginning of such a page (SizeOfXLogShortPHD). */
const [PAGE_BYTES, PAGE_HEAD_BYTES] = [8192, 24];

/**
 * Whether WAL holds a note's marker.
 *
 * @param hex the WAL in front of `offset` of its segment, {@link WAL_WINDOW_BYTES} or as many as there are
 */
export function holdsMarker(hex: string, offset: number, marker: string): boolean {
  const start = offset - hex.length / 2;
  let text = "";
  for (let at = start; at < offset; at++) {
    // A record goes on behind the head of a page. A segment's first page has a longer one, and what it goes on from is in another file.
    if (at % PAGE_BYTES < PAGE_HEAD_BYTES) continue;
    text += String.fromCharCode(parseInt(hex.slice(2 * (at - start), 2 * (at - start) + 2), 16));
  }
  return text.includes(marker);
}
