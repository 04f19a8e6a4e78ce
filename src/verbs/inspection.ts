import { lsnOf } from "../topology/mod.ts";
import { ARBITER_NAME, MONITOR_NAME } from "./claim.ts";
import { HBA_MARK } from "./hba.ts";
import { literal, shellWord } from "./programs.ts";
import type { Rights } from "./arbiter_session.ts";
import { parseSyncNames, type SyncNames } from "./sync_names.ts";

/** What a node says of itself to the arbiter. Positions in the WAL are bytes from its beginning, times milliseconds. */
export interface Inspection {
  /** When it was asked, in clock milliseconds: before the statement was sent. */
  readonly askedMs: number;
  readonly recovering: boolean;
  readonly system: string;
  /** As `server_version_num`. */
  readonly version: number;
  /** Of a standby that of what it receives, or received last; null where it cannot be told. */
  readonly timeline: number | null;
  /** Of a primary what it has written, of a standby what it has received or replayed, whichever is more. */
  readonly lsn: bigint;
  /** Of a primary what it has flushed, of a standby {@link lsn}: what is received is flushed. */
  readonly flushLsn: bigint;
  /** Of a primary its {@link lsn}. */
  readonly replayLsn: bigint;
  /** The history of {@link timeline}: each earlier timeline and where it ended. Empty too where the role may not read files. */
  readonly forks: readonly (readonly [timeline: number, lsn: bigint])[];
  readonly receiver: Receiver | null;
  /** primary_conninfo is not empty. False too where the role may not see it. */
  readonly hasUpstream: boolean;
  /** Its replay is paused. */
  readonly isPaused: boolean;
  readonly applyDelayMs: number;
  /**
   * All that it has received is replayed, but for the beginning of a record whose end never came: its startup process waits for
   * more. True of a primary.
   */
  readonly isReplayIdle: boolean;
  /** pg_rewind can work on it, as far as settings go: wal_log_hints or checksums, and full_page_writes. */
  readonly canRewind: boolean;
  readonly isSuperuser: boolean;
  readonly canRunPrograms: boolean;
  readonly synchronousNames: string;
  /** {@link synchronousNames}, parsed. */
  readonly synchronous: SyncNames | null;
  readonly replicas: readonly Replica[];
  /** Client sessions with an open transaction, those of monitor and arbiter not counted. */
  readonly openTransactions: number;
  /** Client sessions, those of monitor and arbiter not counted. */
  readonly otherSessions: number;
  /** pg_hba.conf is the fence's, or sessions are read-only by what ALTER SYSTEM set. */
  readonly isFenced: boolean;
  readonly preparedTransactions: number;
  /** It is a primary, and would start again as a standby: a demotion that has not come to its restart. */
  readonly isSetToFollow: boolean;
  readonly dataDirectory: string | null;
  /** As `0700`: what it was when the server started; `unsafe` where {@link host} says that it would not start again. */
  readonly dataDirMode: string;
  /** The application_name by which its upstream knows it; null where primary_conninfo is empty, or the role may not see it. */
  readonly standbyName: string | null;
  /** What only a program on the host can see; null where it was not asked for, or cannot be had. */
  readonly host: HostState | null;
}

/** The WAL receiver of a standby. */
export interface Receiver {
  readonly status: string;
  readonly timeline: number;
  readonly fromHost: string;
  readonly fromPort: number;
  /** How long ago it heard of its sender last; null where it has not. */
  readonly heardAgeMs: number | null;
}

/** One who receives from a node. */
export interface Replica {
  /** Its application_name. */
  readonly name: string;
  readonly state: string;
  /** `sync`, `potential`, `quorum` or `async`. */
  readonly syncState: string;
  readonly flushLsn: bigint | null;
  readonly replayLsn: bigint | null;
}

/** What a program on a node's host sees. */
export interface HostState {
  /** Whether a server would start with the data directory's mode as it is now: 0700 or 0750. */
  readonly isModeSafe: boolean;
  readonly hasRewind: boolean;
}

/** A condition on pg_stat_activity: clients that are not pgplex's own monitor and arbiter. */
export const OTHERS =
  `backend_type = 'client backend' AND pid <> pg_backend_pid() AND NOT (usename = session_user
 AND application_name IN (${literal(ARBITER_NAME)}, ${literal(MONITOR_NAME)}))`;

/**
 * By what name a standby's upstream knows it, as an array of which the first element that is not null counts: of primary_conninfo a quoted
 * value, a bare one, a part of a URI, and what a WAL receiver says that is given none. Source: WalReceiverMain in walreceiver.c.
 */
const STANDBY_NAME = `(SELECT CASE WHEN c <> '' THEN jsonb_build_array(
  substring(c FROM '(?:^|\\s)application_name\\s*=\\s*''((?:[^''\\\\]|\\\\.)*)'''),
  substring(c FROM '(?:^|\\s)application_name\\s*=\\s*([^\\s'']\\S*)'),
  substring(c FROM '^postgres(?:ql)?://.*[?&]application_name=([^&]*)'),
  coalesce(nullif(current_setting('cluster_name'), ''), 'walreceiver')) END
  FROM (SELECT coalesce(current_setting('primary_conninfo', true), '') AS c) c)`;

/**
 * The statement of an inspection: one row with one JSON, on primary and standby, from PostgreSQL 12 to 18. Functions that only a
 * superuser may call are in it only where the role is one: a server checks that even where they are not reached.
 *
 * A standby's timeline is that of its receiver; one that receives nothing has the highest timeline of its WAL files. Files of the
 * history say nothing of it: a receiver fetches those of timelines that its server cannot follow.
 */
export function inspectionSql({ isSuperuser }: Pick<Rights, "isSuperuser">): string {
  const file = (name: string) => `pg_read_file(${name}, 0, 1000000, true)`;
  const ofSuperuser = isSuperuser
    ? `jsonb_build_object('history', CASE WHEN t.timeline > 1 THEN
   ${file("'pg_wal/' || lpad(upper(to_hex(t.timeline)), 8, '0') || '.history'")} END,
 'hba', left(${file("current_setting('hba_file')")}, ${HBA_MARK.length}),
 'readonly', EXISTS (SELECT FROM pg_file_settings WHERE name = 'default_transaction_read_only'
  AND setting = 'on' AND sourcefile LIKE '%/postgresql.auto.conf'),
 'signal', (pg_stat_file('standby.signal', true)).size IS NOT NULL,
 'name', ${STANDBY_NAME},
 'upstream', coalesce(current_setting('primary_conninfo', true), '') <> '')`
    : "'{}'::jsonb";
  return `SELECT jsonb_build_object('recovering', r.recovering,
 'system', (SELECT system_identifier::text FROM pg_control_system()),
 'version', current_setting('server_version_num')::int,
 'timeline', t.timeline,
 'lsn', CASE WHEN r.recovering THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
  ELSE pg_current_wal_lsn() END,
 'flush', CASE WHEN r.recovering THEN NULL ELSE pg_current_wal_flush_lsn() END,
 'replay', CASE WHEN r.recovering THEN pg_last_wal_replay_lsn() END,
 'receiver', CASE WHEN w.pid IS NOT NULL THEN jsonb_build_object('status', w.status, 'timeline', w.received_tli,
  'host', w.sender_host, 'port', w.sender_port,
  'age', 1000 * extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time)) END,
 'paused', CASE WHEN r.recovering THEN pg_is_wal_replay_paused() ELSE false END,
 'idle', NOT r.recovering OR EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'startup'
  AND wait_event IN ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream', 'RecoveryWalAll')),
 'delay', (SELECT setting::bigint FROM pg_settings WHERE name = 'recovery_min_apply_delay'),
 'rewind', current_setting('full_page_writes') = 'on'
  AND 'on' IN (current_setting('wal_log_hints'), current_setting('data_checksums')),
 'names', current_setting('synchronous_standby_names'),
 'replicas', (SELECT jsonb_agg(jsonb_build_array(application_name, state, sync_state, flush_lsn, replay_lsn)
  ORDER BY pid) FROM pg_stat_replication WHERE state IS NOT NULL),
 'transactions', (SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND ${OTHERS}),
 'others', (SELECT count(*) FROM pg_stat_activity WHERE ${OTHERS}),
 'mode', current_setting('data_directory_mode'),
 'prepared', (SELECT count(*) FROM pg_prepared_xacts),
 'directory', current_setting('data_directory', true)) || ${ofSuperuser}
FROM (SELECT pg_is_in_recovery() AS recovering) r LEFT JOIN pg_stat_wal_receiver w ON r.recovering,
LATERAL (SELECT CASE WHEN NOT r.recovering
 THEN ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int
 ELSE coalesce(w.received_tli, (SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir()
  WHERE name ~ '^[0-9A-F]{24}(\\.partial)?$')) END AS timeline) t`;
}

/** The JSON of {@link inspectionSql}. */
interface Told {
  readonly recovering: boolean;
  readonly system: string;
  readonly version: number;
  readonly timeline: number | null;
  readonly lsn: string | null;
  readonly flush: string | null;
  readonly replay: string | null;
  readonly receiver: {
    readonly status: string;
    readonly timeline: number;
    readonly host: string | null;
    readonly port: number | null;
    readonly age: number | null;
  } | null;
  readonly paused: boolean;
  readonly idle: boolean;
  readonly delay: number;
  readonly rewind: boolean;
  readonly names: string;
  readonly replicas: readonly [string, string, string, string | null, string | null][] | null;
  readonly transactions: number;
  readonly others: number;
  readonly prepared: number;
  readonly directory: string | null;
  readonly history?: string | null;
  readonly hba?: string | null;
  readonly readonly?: boolean;
  readonly upstream?: boolean;
  readonly signal?: boolean;
  readonly name?: readonly (string | null)[] | null;
  readonly mode: string;
}

/** The answer to {@link inspectionSql} as an {@link Inspection}. @throws Error of what is none */
export function parseInspection(
  text: string,
  { isSuperuser, canRunPrograms, askedMs }: Pick<Rights, "isSuperuser" | "canRunPrograms"> & {
    readonly askedMs: number;
  },
): Inspection {
  const told = JSON.parse(text) as Told;
  const lsn = lsnOf(told.lsn) ?? 0n;
  const { receiver, names } = told;
  return {
    askedMs,
    recovering: told.recovering,
    system: told.system,
    version: told.version,
    timeline: told.timeline,
    lsn,
    flushLsn: lsnOf(told.flush) ?? lsn,
    replayLsn: told.recovering ? lsnOf(told.replay) ?? 0n : lsn,
    forks: parseHistory(told.history ?? ""),
    receiver: receiver === null ? null : {
      status: receiver.status,
      timeline: receiver.timeline,
      fromHost: receiver.host ?? "",
      fromPort: receiver.port ?? 0,
      heardAgeMs: receiver.age,
    },
    hasUpstream: told.upstream ?? false,
    isPaused: told.paused,
    applyDelayMs: told.delay,
    isReplayIdle: told.idle,
    canRewind: told.rewind,
    isSuperuser,
    canRunPrograms,
    synchronousNames: names,
    synchronous: parseSyncNames(names),
    replicas: (told.replicas ?? []).map(([name, state, syncState, flush, replay]) => ({
      name,
      state,
      syncState,
      flushLsn: lsnOf(flush),
      replayLsn: lsnOf(replay),
    })),
    openTransactions: told.transactions,
    otherSessions: told.others,
    isFenced: told.hba === HBA_MARK || (told.readonly ?? false),
    preparedTransactions: told.prepared,
    isSetToFollow: !told.recovering && (told.signal ?? false),
    dataDirectory: told.directory,
    dataDirMode: told.mode,
    standbyName: standbyNameOf(told.name ?? []),
    host: null,
  };
}

function standbyNameOf([quoted = null, bare = null, ofUri = null, other = null]: NonNullable<Told["name"]>) {
  const given = quoted ?? bare;
  if (given !== null) return given.replaceAll(/\\([\s\S])/g, "$1");
  if (ofUri === null) return other;
  try {
    return decodeURIComponent(ofUri);
  } catch {
    return ofUri;
  }
}

/** A timeline's history file: each earlier timeline, and where it ended. Source: readTimeLineHistory in timeline.c. */
export function parseHistory(text: string): (readonly [number, bigint])[] {
  return text.split("\n").flatMap((line) => {
    const [, timeline, position] = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line) ?? [];
    const lsn = lsnOf(position ?? null);
    return timeline === undefined || lsn === null ? [] : [[Number(timeline), lsn] as const];
  });
}

/** The exit code of {@link hostLookCommand} where all is well is 0; else this, and the bits below. */
const HOST_LOOK_BASE = 64;
const [MODE_UNSAFE, REWIND_MISSING] = [1, 2];

/**
 * A command of a POSIX shell that looks at a data directory's mode, and for pg_rewind beside the server. A mode may have changed since
 * the server started, which then does not start again; what the server says of it is what it was.
 */
export function hostLookCommand(dataDirectory: string, binDirectory: string): string {
  return `r=${HOST_LOOK_BASE}; case $(ls -ld ${
    shellWord(dataDirectory)
  }) in drwx------*|drwxr-x---*) ;; *) r=$((r+` +
    `${MODE_UNSAFE}));; esac; [ -x ${
      shellWord(`${binDirectory}/pg_rewind`)
    } ] || r=$((r+${REWIND_MISSING})); ` +
    `[ $r = ${HOST_LOOK_BASE} ] || exit $r`;
}

/** What the exit code of {@link hostLookCommand} says; null where it is of something else. */
export function hostStateOf(exitCode: number): HostState | null {
  const bits = exitCode === 0 ? 0 : exitCode - HOST_LOOK_BASE;
  if (bits < 0 || bits > (MODE_UNSAFE | REWIND_MISSING)) return null;
  return { isModeSafe: (bits & MODE_UNSAFE) === 0, hasRewind: (bits & REWIND_MISSING) === 0 };
}
