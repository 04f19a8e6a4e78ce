import { credentialsOf, parseSecret } from "../auth/mod.ts";
import { login, runQuery, runTask, type Runtime, type ServerConnection } from "../backend/mod.ts";
import type { ClusterTls, MonitorConfig, SuperuserConfig } from "../config/mod.ts";
import { toPgplexError } from "../kernel/mod.ts";
import {
  type BinaryString,
  encodeBind,
  encodeExecute,
  encodeParse,
  encodeQuery,
  encodeSync,
} from "../protocol/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";
import { type Outcome, outcomeOfError, outcomeOfLogin, reasonOf } from "./outcome.ts";
import { answerOf, LOAD_SQL, type NodeAnswer, SAMPLE_SQL } from "./sample.ts";

/** As whom, and how, the nodes of a cluster are asked. */
export interface NodeAccess {
  readonly superuser: SuperuserConfig;
  readonly tls: ClusterTls;
  readonly monitor: MonitorConfig;
}

/** The name of the prepared statement. */
const STATEMENT: BinaryString = "pgplex_monitor";

/**
 * What a login brings along. A role or a database may have settings that would end the connection, or that a standby refuses, as
 * `default_transaction_isolation = serializable` is; functions are found in the catalogue alone.
 */
const STARTUP: ReadonlyMap<string, BinaryString> = new Map([
  ["application_name", "pgplex monitor"],
  ["client_encoding", "UTF8"],
  ["search_path", "pg_catalog"],
  ["statement_timeout", "0"],
  ["lock_timeout", "0"],
  ["default_transaction_isolation", "read committed"],
  ["jit", "off"],
]);

/** A deadline that is noticed so much too late says that pgplex itself stood still; the answer may lie there unread. */
const STALL_MS = 1000;

/** Servers before 14 do not know it. */
const NO_IDLE_TIMEOUT: BinaryString =
  "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'";

/** The monitor's connection to one node: opened when it is needed, kept, and given up when it does not answer in time. */
export class NodeLink {
  readonly #node: NodeAddress;
  readonly #access: () => NodeAccess;
  readonly #runtime: Runtime;
  readonly #lost: () => void;
  readonly #asking = [encodeBind(STATEMENT, []), encodeExecute(), encodeSync()];
  #connection: ServerConnection | null = null;
  #closed = false;

  /** `access` is asked at each login; `lost` hears when a connection ends between two questions. */
  constructor(
    node: NodeAddress,
    { access, runtime, lost }: {
      readonly access: () => NodeAccess;
      readonly runtime: Runtime;
      readonly lost: () => void;
    },
  ) {
    this.#node = node;
    this.#access = access;
    this.#runtime = runtime;
    this.#lost = lost;
  }

  /** Asks the node how it is. Ends within the deadlines of the configuration, whatever the server does. Never rejects. */
  async ask(): Promise<Outcome> {
    const kept = this.#connection;
    if (kept !== null && !kept.closed) {
      const outcome = await this.#sample(kept, false);
      // It was lost before it was asked, or as it was asked: that says nothing yet, another login does.
      if (outcome !== "lost") return outcome;
    }
    const opened = await this.#open();
    if ("kind" in opened) return opened;
    const outcome = await this.#sample(opened, true);
    return outcome === "lost" ? { kind: "silent", reason: "the server closed the connection" } : outcome;
  }

  /** The next question opens another connection. */
  reset(): void {
    this.#connection?.close();
    this.#connection = null;
  }

  /** No more questions. */
  close(): void {
    this.#closed = true;
    this.reset();
  }

  async #open(): Promise<ServerConnection | Outcome> {
    const { superuser: { user, database, password }, tls, monitor } = this.#access();
    const secret = password?.reveal() ?? null;
    try {
      const connection = await login({
        endpoint: this.#node,
        tls,
        user,
        database,
        credentials: credentialsOf(secret === null ? null : parseSecret(secret)),
        params: STARTUP,
        base: "",
        timeoutMs: Math.min(monitor.connect_timeout, monitor.failure_timeout),
      }, this.#runtime);
      this.#connection = connection;
      connection.onIdleEnd(() => this.#connection === connection && this.#lost());
      void connection.start();
      if (this.#closed) connection.close();
      return connection;
    } catch (thrown) {
      return outcomeOfLogin(thrown);
    }
  }

  /** `lost`: the connection has ended by itself. */
  async #sample(connection: ServerConnection, isNew: boolean): Promise<Outcome | "lost"> {
    const { clock } = this.#runtime;
    const { monitor: { query_timeout: queryMs, failure_timeout: failureMs } } = this.#access();
    const limitMs = Math.min(queryMs, failureMs);
    // Not the exact time: what sessions note is the time of the round of events, and the two are compared.
    const sentMs = clock.nowMs();
    let isLate = false;
    const isOver = () => {
      isLate = true;
      connection.close();
    };
    let timer = clock.after(limitMs, () => {
      if (clock.nowMs() - sentMs - limitMs < STALL_MS) isOver();
      else timer = clock.after(limitMs, isOver);
    });
    const asking = this.#asking;
    const preparing = [encodeQuery(NO_IDLE_TIMEOUT), encodeParse(STATEMENT, SAMPLE_SQL)];
    try {
      const { rows, error } = await runTask(
        connection,
        isNew ? [...preparing, ...asking] : asking,
        isNew ? 2 : 1,
      );
      if (error !== null) {
        this.reset();
        return outcomeOfError(error);
      }
      const answer = answerOf(rows.at(-1), { sentMs, latencyMs: clock.nowMs() - sentMs });
      if (answer !== null) return { kind: "answered", answer: await this.#withLoad(connection, answer) };
      return { kind: "denied", reason: "it gives an answer that makes no sense", lasting: true };
    } catch (thrown) {
      this.reset();
      if (isLate) return { kind: "silent", reason: `no answer within ${limitMs} ms` };
      const error = toPgplexError(thrown, "server_lost");
      if (error.code === "server_protocol") {
        return { kind: "denied", reason: reasonOf(error), lasting: true };
      }
      return "lost";
    } finally {
      timer.cancel();
    }
  }

  /** How busy the host is, where the schema tells it. Without it the answer is one all the same. */
  async #withLoad(connection: ServerConnection, answer: NodeAnswer): Promise<NodeAnswer> {
    if (!answer.hasSchema) return answer;
    const { rows, error } = await runQuery(connection, LOAD_SQL);
    const load = error === null ? Number(rows[0]?.[0] ?? NaN) : NaN;
    return Number.isFinite(load) ? { ...answer, load } : answer;
  }
}
