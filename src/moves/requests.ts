import type { Command, CommandAnswer } from "../arbiter/mod.ts";
import type { Runtime } from "../backend/mod.ts";
import type { Config } from "../config/mod.ts";
import { type Timer, toPgplexError } from "../kernel/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { type NodeAddress, primaryOf, sameNode, type TopologySnapshot } from "../topology/mod.ts";
import { attempt, NodeSession } from "../verbs/mod.ts";
import { commandOf, failoverModeOf, REQUEST_SQL, type SqlRequest } from "./sql_request.ts";

/** How long one statement may take, in milliseconds. */
const STATEMENT_MS = 5_000;

/** So long it is tried to write an answer down: the primary may be another one by then. */
const ANSWER_MS = 60_000;

/** What {@link Requests} asks of the process. */
export interface RequestsParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly config: () => Config;
  /** Where the primaries are. */
  readonly topology: () => TopologySnapshot;
  /** Whether no other instance sees to a cluster's requests. */
  readonly seesTo: (cluster: string) => boolean;
  readonly command: (cluster: string, command: Command, by: string) => Promise<CommandAnswer>;
  /** As the console's SET of a cluster's `failover`. @throws PgplexError where that is refused */
  readonly setFailover: (cluster: string, mode: string) => void;
}

/**
 * What people ask for by SQL in the schema `pgplex` on the primaries, taken and answered there: each `monitor.interval`, where the
 * monitor has found the schema. One at a time for each cluster.
 */
export class Requests {
  readonly #parts: RequestsParts;
  readonly #clusters = new Map<string, ClusterRequests>();
  #timer: Timer | null = null;

  constructor(parts: RequestsParts) {
    this.#parts = parts;
  }

  /** Begins to look. */
  start(): void {
    const { runtime: { clock }, config } = this.#parts;
    this.#timer = clock.after(config().monitor.interval, () => {
      this.#look();
      this.start();
    });
  }

  /** Looks no more; what runs is not answered. */
  stop(): void {
    this.#timer?.cancel();
    for (const cluster of this.#clusters.values()) cluster.close();
    this.#clusters.clear();
  }

  #look(): void {
    const { clusters } = this.#parts.config();
    for (const [name, cluster] of this.#clusters) {
      if (clusters.get(name)?.superuser) continue;
      cluster.close();
      this.#clusters.delete(name);
    }
    for (const [name, { superuser }] of clusters) {
      if (superuser === null) continue;
      const cluster = this.#clusters.get(name) ?? new ClusterRequests(name, this.#parts);
      this.#clusters.set(name, cluster);
      void cluster.look();
    }
  }
}

/** One cluster's. */
class ClusterRequests {
  readonly #name: string;
  readonly #parts: RequestsParts;
  #session: NodeSession | null = null;
  #isBusy = false;
  #isClosed = false;
  /** Why the last look failed, which is said once. */
  #failure: string | null = null;

  constructor(name: string, parts: RequestsParts) {
    this.#name = name;
    this.#parts = parts;
  }

  close(): void {
    this.#isClosed = true;
    this.#leave();
  }

  /** Takes the oldest request that waits, if there is one, and sees to it. Never rejects. */
  async look(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      const request = await this.#take();
      if (request !== null) await this.#serve(request);
    } catch (thrown) {
      this.#failed(String(thrown));
    } finally {
      this.#isBusy = false;
    }
  }

  async #take(): Promise<SqlRequest | null> {
    const session = this.#parts.seesTo(this.#name) ? this.#sessionAtPrimary() : null;
    if (session === null) return null;
    const taken = await attempt(async () => {
      const until = session.deadline(STATEMENT_MS);
      await session.run(REQUEST_SQL.forget, { until, acts: true });
      const [row] = await session.run(REQUEST_SQL.take, { until, acts: true });
      return { request: REQUEST_SQL.requestOf(row) };
    });
    if (!taken.ok) {
      this.#failed(taken.reason);
      return null;
    }
    this.#failure = null;
    return taken.request;
  }

  async #serve(request: SqlRequest): Promise<void> {
    const { log, setFailover, command } = this.#parts;
    const by = `${request.askedBy} by SQL`;
    log.info("a request by SQL", { cluster: this.#name, request: request.id, kind: request.kind, by });
    let answer: CommandAnswer;
    try {
      const mode = failoverModeOf(request);
      if (mode === null) answer = await command(this.#name, commandOf(request), by);
      else {
        setFailover(this.#name, mode);
        answer = { ok: true, text: `failover is ${mode}` };
      }
    } catch (thrown) {
      answer = { ok: false, text: toPgplexError(thrown).message };
    }
    await this.#answer(request, answer);
  }

  /** On whichever node is the primary by now. */
  async #answer({ id }: SqlRequest, { ok, text }: CommandAnswer): Promise<void> {
    const { runtime: { clock }, config, log } = this.#parts;
    const untilMs = clock.nowMs() + ANSWER_MS;
    while (!this.#isClosed && clock.nowMs() < untilMs) {
      const session = this.#sessionAtPrimary();
      const written = session === null ? null : await attempt(async () => {
        const until = session.deadline(STATEMENT_MS);
        await session.run(REQUEST_SQL.answer({ id, ok, text }), { until, acts: true });
        return {};
      });
      if (written?.ok) return;
      await new Promise<void>((resolve) => clock.after(config().monitor.interval, resolve));
    }
    log.warning("the answer to a request by SQL could not be written", { cluster: this.#name, request: id });
  }

  /** A session at the primary that is served, where it has the schema; null where there is none. */
  #sessionAtPrimary(): NodeSession | null {
    const { runtime, config, topology } = this.#parts;
    const cluster = topology().clusters.get(this.#name);
    const primary = cluster === undefined || cluster.phase !== "serving" ? null : primaryOf(cluster);
    if (primary === null || primary.health !== "up" || primary.facts?.hasSchema !== true || this.#isClosed) {
      this.#leave();
      return null;
    }
    if (this.#session !== null && !sameNode(this.#session.node, primary)) this.#leave();
    const address: NodeAddress = { name: primary.name, host: primary.host, port: primary.port };
    return this.#session ??= new NodeSession(address, {
      access: () => {
        const { clusters, monitor } = config();
        const { superuser, tls } = clusters.get(this.#name)!;
        return { superuser: superuser!, tls, connectTimeoutMs: monitor.connect_timeout };
      },
      runtime,
      name: "pgplex requests",
    });
  }

  #leave(): void {
    this.#session?.close();
    this.#session = null;
  }

  #failed(reason: string): void {
    if (this.#isClosed || reason === this.#failure) return;
    this.#failure = reason;
    this.#parts.log.warning("requests by SQL cannot be read", { cluster: this.#name, reason });
  }
}
