import { credentialsOf, parseSecret } from "../auth/mod.ts";
import { type CommitNote, login, runQuery, type Runtime, type ServerConnection } from "../backend/mod.ts";
import type { Config } from "../config/mod.ts";
import type { Timer } from "../kernel/mod.ts";
import { lsnOf, primaryOf, type TopologyNode, type TopologyPublisher } from "../topology/mod.ts";
import {
  type CommitTraces,
  type CommitVerdict,
  decideCommit,
  forkIn,
  holdsMarker,
  WAL_WINDOW_BYTES,
} from "./commit_truth.ts";

/** How long it is asked at most. */
export const INQUIRY_MAX_MS = 30_000;

/** Between two questions: there is no primary yet, or the transaction still runs. */
const PAUSE_MS = 200;

/** How long a login, or an answer, may take. */
const STEP_MS = 3000;

const STARTUP: ReadonlyMap<string, string> = new Map([
  ["application_name", "pgplex commit guard"],
  ["client_encoding", "UTF8"],
  ["search_path", "pg_catalog"],
  ["statement_timeout", "0"],
  ["lock_timeout", "0"],
  ["default_transaction_isolation", "read committed"],
  ["jit", "off"],
]);

/** What an inquiry needs of its worker. */
export interface InquiryParts {
  readonly runtime: Runtime;
  readonly topology: TopologyPublisher;
  readonly config: () => Config;
}

/** SQLSTATEs of what does not change by waiting: not permitted, no such function. */
const LASTING: ReadonlySet<string> = new Set(["42501", "42883"]);

/** Finds out on a cluster's primary, as its `superuser`, what became of a transaction whose COMMIT was not answered. */
export class CommitInquiry {
  /** Resolves within the limit; never rejects. `unknown` where it cannot be found out. */
  readonly answer: Promise<CommitVerdict>;
  readonly #parts: InquiryParts;
  readonly #cluster: string;
  readonly #note: CommitNote;
  readonly #stopped = Promise.withResolvers<"unknown">();
  #over = false;
  #timer: Timer | null = null;
  #connection: ServerConnection | null = null;
  #node: TopologyNode | null = null;

  constructor(parts: InquiryParts, cluster: string, note: CommitNote, limitMs: number) {
    this.#parts = parts;
    this.#cluster = cluster;
    this.#note = note;
    const limit = parts.runtime.clock.after(limitMs, () => this.stop());
    const found = this.#run().catch((): CommitVerdict => "unknown");
    this.answer = Promise.race([found, this.#stopped.promise]).finally(() => {
      limit.cancel();
      this.stop();
    });
  }

  /** Nobody waits any longer: it is unknown. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopped.resolve("unknown");
    this.#timer?.cancel();
    this.#hangUp();
  }

  async #run(): Promise<CommitVerdict> {
    const { clock } = this.#parts.runtime;
    while (!this.#over) {
      const verdict = await this.#ask();
      if (verdict !== "again") return verdict;
      if (this.#over) break;
      await new Promise<void>((resolve) => this.#timer = clock.after(PAUSE_MS, resolve));
    }
    return "unknown";
  }

  async #ask(): Promise<CommitVerdict | "again"> {
    const connection = await this.#connect();
    if (connection === null) return this.#superuser === null ? "unknown" : "again";
    const limit = this.#parts.runtime.clock.after(STEP_MS, () => this.#hangUp());
    try {
      const traces = await this.#look(connection);
      return traces === null ? "again" : decideCommit(this.#note, traces);
    } catch (thrown) {
      this.#hangUp();
      return LASTING.has((thrown as { sqlstate?: string }).sqlstate ?? "") ? "unknown" : "again";
    } finally {
      limit.cancel();
    }
  }

  get #superuser() {
    return this.#parts.config().clusters.get(this.#cluster)?.superuser ?? null;
  }

  async #connect(): Promise<ServerConnection | null> {
    const { topology, runtime, config } = this.#parts;
    const cluster = topology.current.clusters.get(this.#cluster);
    const superuser = this.#superuser;
    // While it is being moved what the old one says may not hold.
    const node = cluster === undefined || cluster.phase !== "serving" ? null : primaryOf(cluster);
    const tls = config().clusters.get(this.#cluster)?.tls;
    if (node === null || superuser === null || tls === undefined) return null;
    if (this.#connection !== null && !this.#connection.closed && this.#node?.name === node.name) {
      return this.#connection;
    }
    this.#hangUp();
    const { user, database, password } = superuser;
    const secret = password?.reveal() ?? null;
    const credentials = credentialsOf(secret === null ? null : parseSecret(secret));
    try {
      const endpoint = { host: node.host, port: node.port };
      const request = { endpoint, tls, user, database, credentials, params: STARTUP, base: "" };
      const connection = await login({ ...request, timeoutMs: STEP_MS }, runtime);
      this.#node = node;
      this.#connection = connection;
      void connection.start();
      if (!this.#over) return connection;
      this.#hangUp();
    } catch {
      // It is asked again.
    }
    return null;
  }

  #hangUp(): void {
    this.#connection?.close();
    this.#connection = null;
  }

  /** Null where the server is no primary, or has not written so far. @throws PgplexError */
  async #look(connection: ServerConnection): Promise<CommitTraces | null> {
    const { xid, lsn, timeline: noted, marker } = this.#note;
    const current = "pg_current_wal_insert_lsn()";
    const [standing] = await rowsOf(
      connection,
      `SELECT CASE WHEN NOT pg_is_in_recovery() THEN substr(pg_walfile_name(${current}), 1, 8) END`,
    );
    const timeline = parseInt(standing?.[0] ?? "", 16);
    if (Number.isNaN(timeline)) return null;
    if (timeline > noted) {
      const file = `pg_wal/${timeline.toString(16).toUpperCase().padStart(8, "0")}.history`;
      const [history] = await rowsOf(connection, `SELECT pg_read_file('${file}')`);
      const fork = forkIn(history?.[0] ?? "", noted);
      // Of a number that was not known there another transaction's status would come.
      if (fork === null || fork < lsnOf(lsn)!) return { timeline, fork, status: null, marked: false };
      return { timeline, fork, status: await statusOf(connection, xid!), marked: false };
    }
    const status = await statusOf(connection, xid!);
    if (status !== "committed" || timeline < noted) return { timeline, fork: null, status, marked: false };
    // Until it is written what lies there may be left over from before a crash.
    const [written] = await rowsOf(connection, `SELECT pg_current_wal_flush_lsn() >= '${lsn}'::pg_lsn`);
    if (written?.[0] !== "t") return null;
    const [wal] = await rowsOf(
      connection,
      `SELECT file_offset, encode(pg_read_binary_file('pg_wal/' || file_name, greatest(file_offset - ` +
        `${WAL_WINDOW_BYTES}, 0), least(file_offset, ${WAL_WINDOW_BYTES})), 'hex') ` +
        `FROM pg_walfile_name_offset('${lsn}'::pg_lsn)`,
    );
    const marked = holdsMarker(wal?.[1] ?? "", Number(wal?.[0]), marker);
    return { timeline, fork: null, status, marked };
  }
}

/** SQLSTATE invalid_parameter_value: the number is "in the future". */
const IN_FUTURE = "22023";

async function statusOf(connection: ServerConnection, xid: string): Promise<CommitTraces["status"]> {
  const { rows, error } = await runQuery(connection, `SELECT txid_status(${xid})`);
  if (error !== null && error.sqlstate !== IN_FUTURE) throw error;
  return error !== null ? "future" : (rows[0]?.[0] ?? null) as CommitTraces["status"];
}

async function rowsOf(connection: ServerConnection, sql: string) {
  const { rows, error } = await runQuery(connection, sql);
  if (error !== null) throw error;
  return rows;
}
