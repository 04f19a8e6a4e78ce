import {
  channelBindingHash,
  KeyCache,
  parseSecret,
  type Secret,
  SecretCache,
  UserDirectory,
} from "./auth/mod.ts";
import { type LoginParts, StatementStore } from "./backend/mod.ts";
import { type Config, diffConfig } from "./config/mod.ts";
import { type Clock, PgplexError, type Random } from "./kernel/mod.ts";
import { Listener, removeStaleSocket } from "./listener/mod.ts";
import { CancelKeys, ServerPools, type Session, type Worker } from "./session/mod.ts";
import { type Log, WorkerCounters } from "./telemetry/mod.ts";
import { snapshotFromConfig, TopologyPublisher } from "./topology/mod.ts";
import { BufferPool } from "./transport/mod.ts";

/** How often pools look at their timeouts. */
const POOL_TICK_MS = 100;

/** How often sessions are looked at for client_idle_timeout and query_timeout. */
const SESSION_TICK_MS = 1000;

/** Secrets that are derived from passwords ahead of their first use, in one turn: each costs milliseconds. */
const WARM_PER_TURN = 2;

/** One running pgplex: composition root, and the order of start and stop. */
export class App {
  readonly #worker: Worker;
  readonly #listeners: Listener[] = [];
  #stopped = false;
  #warming = false;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Before {@link start}: removes the socket that a killed pgplex left in the folder, if nobody answers there. */
  static async prepare({ listen }: Config): Promise<void> {
    if (listen.unix_socket_dir !== null) await removeStaleSocket(listen.unix_socket_dir, listen.port);
  }

  /**
   * Builds every part and starts to listen.
   *
   * @throws Error when an address cannot be listened on; nothing is left open then.
   */
  static start(
    config: Config,
    world: { clock: Clock; random: Random; log: Log; turn: () => Promise<void> },
  ): App {
    const { clock, random, log, turn } = world;
    const buffers = new BufferPool();
    const statements = new StatementStore();
    const keyCache = new KeyCache();
    const mockKey = random.fill(new Uint8Array(32));
    let serial = 0;
    const login: LoginParts = { clock, random, keyCache, buffers, statements, turn, nextId: () => ++serial };
    const app = new App({
      config,
      clock,
      random,
      log,
      buffers,
      statements,
      topology: new TopologyPublisher(snapshotFromConfig(config, 1)),
      pools: new ServerPools(config, login, log),
      cancelKeys: new CancelKeys(config.instance.id, 0, random),
      users: new UserDirectory(secretsOf(config)),
      secretCache: new SecretCache({ instanceKey: mockKey }),
      keyCache,
      mockKey,
      login,
      sessions: new Set<Session>(),
      counters: new WorkerCounters(),
      channelBinding: bindingOf(config),
      draining: false,
    });
    app.#listen();
    app.#tick(POOL_TICK_MS, () => app.#worker.pools.tick(clock.nowMs()));
    app.#tick(SESSION_TICK_MS, () => app.#checkTimeouts());
    app.#reportStats();
    void app.#warmSecrets();
    return app;
  }

  /** The addresses that clients can connect to, for the log. */
  get addresses(): string[] {
    const { address, port, unix_socket_dir: folder } = this.#worker.config.listen;
    return [
      ...address.map((host) => `${host}:${port}`),
      ...(folder === null ? [] : [`${folder}, port ${port}`]),
    ];
  }

  /** Puts another configuration in force, as far as that is possible without a restart; says what is not. */
  reload(next: Config): void {
    const worker = this.#worker;
    const { effective, live, restart } = diffConfig(worker.config, next);
    worker.config = effective;
    worker.users.replace(secretsOf(effective));
    worker.channelBinding = bindingOf(effective);
    worker.topology.publish(snapshotFromConfig(effective, worker.topology.current.serial + 1));
    worker.pools.configure(effective, worker.clock.nowMs());
    for (const session of worker.sessions) session.configurationChanged();
    void this.#warmSecrets();
    worker.log.info("configuration reloaded", { changed: live.join(", ") || "nothing" });
    if (restart.length > 0) {
      worker.log.warning("settings that take effect at the next start", { settings: restart.join(", ") });
    }
  }

  /** No new clients, no new transactions; resolves when the running ones have ended, or after `shutdown_timeout`. */
  async drain(): Promise<void> {
    const { clock, config, log, sessions } = this.#worker;
    this.#worker.draining = true;
    for (const listener of this.#listeners) listener.close();
    const deadlineMs = clock.nowMs() + config.shutdown_timeout;
    log.info("draining", { clients: sessions.size });
    for (;;) {
      for (const session of sessions) if (session.idle) session.end(shuttingDown());
      if (sessions.size === 0 || clock.nowMs() >= deadlineMs) break;
      await new Promise<void>((resolve) => clock.after(POOL_TICK_MS, resolve));
    }
    await this.stop();
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const { sessions, pools, login } = this.#worker;
    for (const listener of this.#listeners) listener.close();
    for (const session of sessions) session.end(shuttingDown());
    pools.close(shuttingDown());
    // What was just said reaches the sockets in the next turns.
    await login.turn();
    await login.turn();
  }

  #listen(): void {
    const worker = this.#worker;
    const { address, port, unix_socket_dir: folder } = worker.config.listen;
    try {
      for (const host of address) this.#listeners.push(Listener.tcp(worker, host, port));
      if (folder !== null) this.#listeners.push(Listener.unix(worker, folder, port));
    } catch (error) {
      for (const listener of this.#listeners) listener.close();
      throw error;
    }
    for (const listener of this.#listeners) void listener.run();
  }

  #tick(everyMs: number, work: () => void): void {
    const again = () => {
      if (this.#stopped) return;
      try {
        work();
      } catch (error) {
        this.#worker.log.error("internal error", { error: String(error) });
      }
      this.#worker.clock.after(everyMs, again);
    };
    this.#worker.clock.after(everyMs, again);
  }

  #checkTimeouts(): void {
    const nowMs = this.#worker.clock.nowMs();
    for (const session of this.#worker.sessions) session.checkTimeouts(nowMs);
  }

  #reportStats(): void {
    const { buffers, clock, log, pools, sessions, statements } = this.#worker;
    let before = this.#totals();
    const report = () => {
      if (this.#stopped) return;
      const periodMs = this.#worker.config.log.stats_period;
      if (periodMs > 0) {
        let [idle, leased, opening, waiting] = [0, 0, 0, 0];
        for (const { pool } of pools.all()) {
          idle += pool.idleCount;
          leased += pool.leasedCount;
          opening += pool.openingCount;
          waiting += pool.waitingCount;
        }
        const now = this.#totals();
        // What is there now, then what happened since the last line.
        log.info("stats", {
          clients: sessions.size,
          connections: this.#listeners.reduce((sum, { open }) => sum + open, 0),
          waiting,
          servers_active: leased,
          servers_idle: idle,
          servers_login: opening,
          buffers_lent: buffers.lent,
          statements: statements.size,
          transactions: now.leases - before.leases,
          queries: now.queries - before.queries,
          servers_opened: now.opened - before.opened,
          servers_lost: now.lost - before.lost,
        });
        before = now;
      }
      clock.after(periodMs || 60_000, report);
    };
    clock.after(this.#worker.config.log.stats_period || 60_000, report);
  }

  /** What all pools did since start. */
  #totals(): { leases: number; queries: number; opened: number; lost: number } {
    const totals = { leases: 0, queries: 0, opened: 0, lost: 0 };
    for (const { counters } of this.#worker.pools.all()) {
      totals.leases += counters.leases;
      totals.queries += counters.queries;
      totals.opened += counters.opened;
      totals.lost += counters.lost;
    }
    return totals;
  }

  async #warmSecrets(): Promise<void> {
    if (this.#warming) return;
    this.#warming = true;
    const { secretCache, users, login, config } = this.#worker;
    if (config.auth.type === "scram-sha-256") {
      while (!this.#stopped && secretCache.warm(users.entries(), WARM_PER_TURN) > 0) await login.turn();
    }
    this.#warming = false;
  }
}

function shuttingDown(): PgplexError {
  return new PgplexError("shutting_down", "terminating connection due to administrator command");
}

function bindingOf({ listen }: Config): Uint8Array | null {
  return listen.tls === null ? null : channelBindingHash(listen.tls.cert_pem);
}

function secretsOf({ auth }: Config): Map<string, Secret> {
  const secrets = new Map<string, Secret>();
  for (const [name, { password }] of auth.users) {
    if (password !== null) secrets.set(name, parseSecret(password.reveal()));
  }
  return secrets;
}
