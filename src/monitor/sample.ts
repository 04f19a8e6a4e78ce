import { type BinaryString, utf8FromBinary } from "../protocol/mod.ts";
import { lsnOf } from "../topology/mod.ts";

/** What a node answered. Positions in the WAL are bytes from its beginning. */
export interface NodeAnswer {
  /** When it was asked, in clock milliseconds: before the statement was sent. */
  readonly sentMs: number;
  readonly latencyMs: number;
  /** `pg_is_in_recovery()`: a standby. */
  readonly recovering: boolean;
  readonly system: string;
  /** As `server_version_num`. */
  readonly version: number;
  /** Of a standby that of what it receives; null where it receives nothing, or the role may not see it. */
  readonly timeline: number | null;
  /** Of a primary the end of the last record that was inserted, of a standby what it has received or replayed. */
  readonly lsn: bigint;
  /** What a standby has replayed; of a primary its {@link lsn}. */
  readonly replayLsn: bigint;
  readonly streaming: boolean;
  readonly slotsUsed: number;
  readonly slotsMax: number;
  /** Of a standby what it receives from, as far as the role may see it; null where it receives nothing. */
  readonly receiver: AnsweredReceiver | null;
  /** Who receives from it: rows of pg_stat_replication. */
  readonly replicas: readonly AnsweredReplica[];
  /** `synchronous_standby_names`. */
  readonly synchronousNames: string;
  /** Whether pgplex's schema is there, and tells this role how busy the host is. */
  readonly hasSchema: boolean;
  /** How busy the host is: {@link LOAD_SQL}; null where nobody knows. */
  readonly load: number | null;
}

/** A row of pg_stat_wal_receiver. */
export interface AnsweredReceiver {
  readonly status: string;
  readonly timeline: number;
  readonly fromHost: string;
  readonly fromPort: number;
  /** How long before it was asked the last message had come, in milliseconds. */
  readonly heardAgeMs: number;
}

/** A row of pg_stat_replication. */
export interface AnsweredReplica {
  readonly name: string;
  readonly state: string;
  readonly syncState: string;
  readonly flushLsn: bigint | null;
  readonly replayLsn: bigint | null;
}

/**
 * The statement of a sample: one row of text, the same on primary and standby, from PostgreSQL 12 to 18. It needs what every role
 * may do, and `pg_monitor` for the receiver of a standby and the connections of others.
 *
 * The primary's timeline is in the name of the WAL file that it writes: the control file still has the old one for a while after a
 * promotion. A standby has what it received or replayed, whichever is more: the first alone falls back to the beginning of a segment
 * when it starts. `pg_is_in_recovery` is volatile, so the subquery is run once, and the row speaks of one role.
 */
export const SAMPLE_SQL: BinaryString = `SELECT r.recovering,
 (SELECT system_identifier FROM pg_control_system()),
 current_setting('server_version_num'),
 CASE WHEN r.recovering THEN w.received_tli
  ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END,
 CASE WHEN r.recovering THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
  ELSE pg_current_wal_insert_lsn() END,
 CASE WHEN r.recovering THEN pg_last_wal_replay_lsn() END,
 coalesce(w.status = 'streaming', false),
 (SELECT count(*) FROM pg_stat_get_activity(NULL) WHERE backend_type = 'client backend'),
 current_setting('max_connections'),
 pg_size_bytes(current_setting('wal_segment_size')),
 current_setting('wal_block_size'),
 CASE WHEN w.pid IS NOT NULL THEN jsonb_build_array(w.status, w.received_tli, coalesce(w.sender_host, ''),
  coalesce(w.sender_port, 0), coalesce(1000 * extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time), 1e9)) END,
 (SELECT jsonb_agg(jsonb_build_array(application_name, state, sync_state, flush_lsn, replay_lsn))
  FROM pg_stat_replication WHERE state IS NOT NULL),
 current_setting('synchronous_standby_names'),
 (SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'pgplex' AND c.relname = 'load' AND has_schema_privilege(n.oid, 'USAGE'))
FROM (SELECT pg_is_in_recovery() AS recovering) r LEFT JOIN pg_stat_wal_receiver w ON r.recovering`;

/** Columns of {@link SAMPLE_SQL}. */
const COLUMNS = 15;

/** The statement that is asked besides where the schema is there: processes that want to run, for each CPU. */
export const LOAD_SQL: BinaryString = "SELECT load1 / cpus FROM pgplex.load";

/** The row of {@link SAMPLE_SQL} as an answer; null where it is none. */
export function answerOf(
  row: readonly (BinaryString | null)[] | undefined,
  { sentMs, latencyMs }: { readonly sentMs: number; readonly latencyMs: number },
): NodeAnswer | null {
  if (row === undefined || row.length !== COLUMNS) return null;
  const [recovering, system, version, timeline, lsn, replay, streaming, used, max, segment, block] = row;
  const [receiver, replicas, names, readsLoad] = row.slice(11);
  if (system === null || system === undefined || system === "") return null;
  const isStandby = recovering === "t";
  const position = lsnOf(lsn ?? null) ?? 0n;
  const written = isStandby
    ? position
    : endOfRecord(position, { segmentBytes: Number(segment), blockBytes: Number(block) });
  return {
    sentMs,
    latencyMs,
    recovering: isStandby,
    system: utf8FromBinary(system),
    version: Number(version),
    timeline: timeline === null ? null : Number(timeline),
    lsn: written,
    replayLsn: isStandby ? lsnOf(replay ?? null) ?? 0n : written,
    streaming: streaming === "t",
    slotsUsed: Number(used),
    slotsMax: Number(max),
    receiver: receiverOf(receiver ?? null),
    replicas: replicasOf(replicas ?? null),
    synchronousNames: utf8FromBinary(names ?? ""),
    hasSchema: readsLoad === "t",
    load: null,
  };
}

function receiverOf(text: BinaryString | null): AnsweredReceiver | null {
  if (text === null) return null;
  const [status, timeline, fromHost, fromPort, heardAgeMs] = JSON.parse(utf8FromBinary(text)) as [
    string,
    number,
    string,
    number,
    number,
  ];
  return { status, timeline, fromHost, fromPort, heardAgeMs };
}

function replicasOf(text: BinaryString | null): AnsweredReplica[] {
  if (text === null) return [];
  const rows = JSON.parse(utf8FromBinary(text)) as [string, string, string, string | null, string | null][];
  return rows.map(([name, state, syncState, flush, replay]) => ({
    name,
    state,
    syncState,
    flushLsn: lsnOf(flush),
    replayLsn: lsnOf(replay),
  }));
}

/** Bytes of a page's header, and of that of a segment's first page: SizeOfXLogShortPHD and SizeOfXLogLongPHD of xlog_internal.h. */
const [SHORT_HEADER_BYTES, LONG_HEADER_BYTES] = [24n, 40n];

/**
 * Where the last record ends whose insertion left `insertLsn`. Where that is the end of a page the server says where the next one
 * begins, behind that page's header, which a standby's replay does not reach until there is more. No record ends between.
 */
export function endOfRecord(
  insertLsn: bigint,
  { segmentBytes, blockBytes }: { readonly segmentBytes: number; readonly blockBytes: number },
): bigint {
  const within = insertLsn % BigInt(blockBytes);
  const isFirst = insertLsn % BigInt(segmentBytes) === within;
  return within === (isFirst ? LONG_HEADER_BYTES : SHORT_HEADER_BYTES) ? insertLsn - within : insertLsn;
}
