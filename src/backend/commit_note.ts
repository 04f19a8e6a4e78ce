import { type BinaryString, int32At } from "../protocol/mod.ts";
import { textRowAt } from "./task.ts";

/**
 * What is noted of a transaction before its COMMIT, so that it can be found out what became of it should the answer be lost. Where the
 * transaction has a number, a logical message was written into its WAL: the record carries the number, and lies in front of the commit's.
 */
export interface CommitNote {
  /** Its number as `txid_current_if_assigned()` gives it, in decimal; null: it has written nothing. */
  readonly xid: string | null;
  /** Where the message's record ends, as a pg_lsn; "" without a number. */
  readonly lsn: string;
  /** The timeline on which it was written; 0 without a number. */
  readonly timeline: number;
  /** The text in the message: no other has it. */
  readonly marker: string;
}

/**
 * The statement whose row {@link commitNoteIn} reads. Nothing that a client has set changes what it means; at a standby, where no
 * transaction has a number, it writes nothing.
 *
 * @param marker letters and digits
 */
export function commitNoteSql(marker: string): BinaryString {
  const message =
    `pg_catalog.pg_logical_emit_message(true, 'pgplex'::pg_catalog.text, '${marker}'::pg_catalog.text)`;
  const xid = "pg_catalog.txid_current_if_assigned()";
  const timeline =
    "pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8)";
  // No subquery: the server plans it anew each time.
  return `SELECT ${xid}::pg_catalog.text, CASE WHEN ${xid} IS NOT NULL THEN ${message}::pg_catalog.text END, ` +
    `CASE WHEN ${xid} IS NOT NULL THEN ${timeline} END`;
}

/** The note in the complete DataRow at `at`; null where it is no such row. */
export function commitNoteIn(bytes: Uint8Array, at: number, marker: string): CommitNote | null {
  const row = textRowAt(bytes, at + 5, at + 1 + int32At(bytes, at + 1));
  if (row.length !== 3) return null;
  const [xid, lsn, timeline] = row;
  if (xid === null) return { xid: null, lsn: "", timeline: 0, marker };
  if (!/^\d+$/.test(xid!) || lsn == null || !/^[0-9A-F]{8}$/.test(timeline ?? "")) return null;
  return { xid: xid!, lsn, timeline: parseInt(timeline!, 16), marker };
}
