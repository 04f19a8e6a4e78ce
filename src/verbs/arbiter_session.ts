import { credentialsOf, parseSecret } from "../auth/mod.ts";
import { login, runQuery, type Runtime, type ServerConnection, ServerRefusal } from "../backend/mod.ts";
import type { ClusterTls, SuperuserConfig } from "../config/mod.ts";
import { toPgplexError } from "../kernel/mod.ts";
import { binaryFromUtf8, type BinaryString, utf8FromBinary } from "../protocol/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";
import { ARBITER_NAME, type Claim, judgeOthers, markStatement, OTHERS_SQL, SYSTEM_SQL } from "./claim.ts";
import { troubleOf, VerbTrouble, withoutSecrets } from "./result.ts";

/** As whom, and how, the arbiter logs in to the nodes of a cluster. */
export interface ArbiterAccess {
  readonly superuser: SuperuserConfig;
  readonly tls: ClusterTls;
  readonly connectTimeoutMs: number;
}

/** What the role of a session may do, and where. */
export interface Rights {
  /** As `server_version_num`. */
  readonly version: number;
  readonly isSuperuser: boolean;
  /** Whether it may run programs on the host, by COPY. */
  readonly canRunPrograms: boolean;
}

/** How a statement of a verb is run. */
export interface RunOptions {
  readonly until: Deadline;
  /** It changes something: where its answer is lost it may have happened. */
  readonly acts: boolean;
}

/** Rows of text. */
export type Rows = readonly (readonly (string | null)[])[];

/** The time at which a verb gives up. */
export class Deadline {
  readonly #runtime: Runtime;
  readonly #untilMs: number;

  constructor(runtime: Runtime, timeoutMs: number) {
    this.#runtime = runtime;
    this.#untilMs = runtime.clock.nowMs() + timeoutMs;
  }

  get remainingMs(): number {
    return this.#untilMs - this.#runtime.clock.nowMs();
  }

  get over(): boolean {
    return this.remainingMs <= 0;
  }

  /** A pause between two looks, never beyond the deadline. */
  pause(ms: number): Promise<void> {
    const waitMs = Math.max(0, Math.min(ms, this.remainingMs));
    return new Promise((resolve) => this.#runtime.clock.after(waitMs, resolve));
  }
}

/** As the monitor's, and what a fenced node's settings would forbid. */
const STARTUP: readonly (readonly [string, BinaryString])[] = [
  ["client_encoding", "UTF8"],
  ["search_path", "pg_catalog"],
  ["statement_timeout", "0"],
  ["lock_timeout", "0"],
  ["idle_in_transaction_session_timeout", "0"],
  ["default_transaction_isolation", "read committed"],
  ["default_transaction_read_only", "off"],
  // The arbiter never waits for a standby, least of all where it repairs who is one.
  ["synchronous_commit", "local"],
  ["standard_conforming_strings", "on"],
  ["jit", "off"],
];

/**
 * What a superuser's session sets besides, where the server knows it: a password that ALTER SYSTEM puts into primary_conninfo must be
 * in no log and no statistics, and messages are read in one language.
 */
const QUIET: BinaryString = `SELECT set_config(v.name, v.setting, false) FROM (VALUES
 ('log_statement', 'none'), ('log_min_error_statement', 'panic'), ('log_duration', 'off'),
 ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1'), ('log_transaction_sample_rate', '0'),
 ('lc_messages', 'C'), ('pg_stat_statements.track', 'none'), ('auto_explain.log_min_duration', '-1'),
 ('idle_session_timeout', '0')) v (name, setting) JOIN pg_settings s ON s.name = v.name
WHERE current_setting('is_superuser') = 'on' OR s.context = 'user'`;

const RIGHTS: BinaryString = `SELECT current_setting('server_version_num'), current_setting('is_superuser'),
 pg_has_role('pg_execute_server_program', 'member')`;

/**
 * The arbiter's connection to one node: opened when a verb needs it, kept, and given up when a statement is not answered in time.
 * Statements of several verbs run one after the other.
 *
 * A session that has claimed its node ({@link claim}) claims it again whenever it has to connect anew, and does nothing there once a
 * later arbiter has it.
 */
export class ArbiterSession {
  readonly node: NodeAddress;
  readonly runtime: Runtime;
  readonly #access: () => ArbiterAccess;
  readonly #startup: ReadonlyMap<string, BinaryString>;
  #connection: ServerConnection | null = null;
  #rights: Rights | null = null;
  #claim: Claim | null = null;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    node: NodeAddress,
    { access, runtime, name = ARBITER_NAME }: {
      readonly access: () => ArbiterAccess;
      readonly runtime: Runtime;
      /** Its application_name. */
      readonly name?: string;
    },
  ) {
    this.#startup = new Map([["application_name", name], ...STARTUP]);
    this.node = node;
    this.runtime = runtime;
    this.#access = access;
  }

  /** The time `timeoutMs` from now. */
  deadline(timeoutMs: number): Deadline {
    return new Deadline(this.runtime, timeoutMs);
  }

  /** As whom it logs in. */
  get access(): ArbiterAccess {
    return this.#access();
  }

  /**
   * Runs one statement.
   *
   * @throws VerbTrouble `failed` where it was certainly not run, `unknown` where it acts and its answer is lost
   */
  run(sql: string, options: RunOptions): Promise<Rows> {
    return this.#inTurn(async () => {
      const connection = await this.#ready(options.until);
      return await this.#query(connection, sql, options);
    });
  }

  /** What its role may do. @throws VerbTrouble where it cannot connect */
  rights(until: Deadline): Promise<Rights> {
    return this.#inTurn(async () => {
      await this.#ready(until);
      return this.#rights!;
    });
  }

  /**
   * Makes this the one arbiter's session of the node: ends those of earlier ones, and waits until they are gone.
   *
   * @throws VerbTrouble `refused` where one of a later epoch has it
   */
  claim(claim: Claim, until: Deadline): Promise<{ ended: number }> {
    return this.#inTurn(async () => {
      // What was claimed before must not stand in the way of another instance's claim of the same epoch.
      this.#claim = null;
      const connection = await this.#ready(until);
      this.#claim = claim;
      return { ended: await this.#take(connection, claim, { until, isFirst: true }) };
    });
  }

  /** Closes the connection; the next statement opens another one. */
  reset(): void {
    this.#connection?.close();
    this.#connection = null;
  }

  /** No more statements. */
  close(): void {
    this.#closed = true;
    this.reset();
  }

  /** `text` with nothing secret in it. */
  clean(text: string): string {
    const secret = this.#access().superuser.password?.reveal() ?? "";
    return withoutSecrets(text, [secret]);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** A connection that is logged in, quiet, and has the node where this session claimed it. */
  async #ready(until: Deadline): Promise<ServerConnection> {
    const kept = this.#connection;
    if (kept !== null && !kept.closed) return kept;
    const connection = await this.#open(until);
    this.#connection = connection;
    try {
      await this.#query(connection, QUIET, { until, acts: false });
      const [row] = await this.#query(connection, RIGHTS, { until, acts: false });
      this.#rights = {
        version: Number(row?.[0]),
        isSuperuser: row?.[1] === "on",
        canRunPrograms: row?.[2] === "t",
      };
      if (this.#claim !== null) await this.#take(connection, this.#claim, { until, isFirst: false });
    } catch (thrown) {
      connection.close();
      throw thrown;
    }
    return connection;
  }

  async #open(until: Deadline): Promise<ServerConnection> {
    if (this.#closed) throw new VerbTrouble("failed", "the arbiter stops");
    if (until.over) throw new VerbTrouble("failed", "no time was left to connect");
    const { superuser: { user, database, password }, tls, connectTimeoutMs } = this.#access();
    const secret = password?.reveal() ?? null;
    try {
      const connection = await login({
        endpoint: this.node,
        tls,
        user,
        database,
        credentials: credentialsOf(secret === null ? null : parseSecret(secret)),
        params: this.#startup,
        base: "",
        timeoutMs: Math.max(1, Math.min(connectTimeoutMs, until.remainingMs)),
      }, this.runtime);
      void connection.start();
      if (this.#closed) connection.close();
      return connection;
    } catch (thrown) {
      const error = toPgplexError(thrown, "server_unreachable");
      const { sqlstate, log } = error.extra;
      const said = this.clean(`${error.message}${log === undefined ? "" : `: ${log}`}`);
      if (!(thrown instanceof ServerRefusal)) throw new VerbTrouble("failed", `cannot connect: ${said}`);
      const kind = thrown.transient ? "failed" : "refused";
      throw new VerbTrouble(kind, `cannot log in: ${said} (${sqlstate})`, { sqlstate: thrown.sqlstate });
    }
  }

  async #query(connection: ServerConnection, sql: string, { until, acts }: RunOptions): Promise<Rows> {
    if (until.over) throw new VerbTrouble("failed", "no time was left");
    const lost = acts ? "unknown" : "failed";
    const limitMs = until.remainingMs;
    let isLate = false;
    const timer = this.runtime.clock.after(limitMs, () => {
      isLate = true;
      connection.close();
    });
    try {
      const { rows, error } = await runQuery(connection, binaryFromUtf8(sql));
      if (error !== null) {
        const { failure, sqlstate } = troubleOf(error, { acts });
        throw new VerbTrouble(failure.kind, this.clean(failure.reason), { sqlstate });
      }
      return rows.map((row) => row.map((value) => value === null ? null : utf8FromBinary(value)));
    } catch (thrown) {
      if (thrown instanceof VerbTrouble) throw thrown;
      this.reset();
      if (isLate) throw new VerbTrouble(lost, `no answer within ${Math.round(limitMs)} ms`);
      const { message } = toPgplexError(thrown, "server_lost");
      throw new VerbTrouble(lost, this.clean(`the connection was lost: ${message}`));
    } finally {
      timer.cancel();
    }
  }

  /** Another data directory may be in the node's place, also since it was claimed first. */
  async #compareSystem(connection: ServerConnection, system: string, until: Deadline): Promise<void> {
    const [row] = await this.#query(connection, SYSTEM_SQL, { until, acts: false });
    if (row?.[0] === system) return;
    connection.close();
    throw new VerbTrouble("refused", `it belongs to another cluster: its system identifier is ${row?.[0]}`);
  }

  /** Ends earlier arbiters, puts up this one's mark, and waits until the others are gone. */
  async #take(
    connection: ServerConnection,
    claim: Claim,
    { until, isFirst }: { readonly until: Deadline; readonly isFirst: boolean },
  ): Promise<number> {
    if (claim.system !== undefined) await this.#compareSystem(connection, claim.system, until);
    await this.#query(connection, markStatement(claim), { until, acts: false });
    let ended = 0;
    for (let look = 0;; look++) {
      const rows = await this.#query(connection, OTHERS_SQL, { until, acts: false });
      const { refusal, pids } = judgeOthers(rows, { claim, isFirst });
      if (refusal !== null) {
        connection.close();
        throw new VerbTrouble("refused", refusal);
      }
      if (look === 0) ended = pids.length;
      if (pids.length === 0) return ended;
      if (until.remainingMs < 20) {
        throw new VerbTrouble("failed", `an earlier arbiter's session does not end: pid ${pids[0]}`);
      }
      const end = `SELECT pg_terminate_backend(pid) FROM unnest(ARRAY[${pids.join(", ")}]) pid`;
      await this.#query(connection, end, { until, acts: true });
      await until.pause(20);
    }
  }
}
