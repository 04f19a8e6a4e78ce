import {
  channelBindingHash,
  KeyCache,
  mockKeyOf,
  parseSecret,
  type Secret,
  SecretCache,
  UserDirectory,
} from "./auth/mod.ts";
import { type Runtime, StatementStore } from "./backend/mod.ts";
import {
  type Config,
  type ConfigDiff,
  formatProblems,
  listPaths,
  LiveConfig,
  type ParsedConfig,
  type Problem,
  type RefusedConfig,
} from "./config/mod.ts";
import { Console, type ReloadReport, type ShutdownMode } from "./console/mod.ts";
import { type Clock, PgplexError, type Random, toPgplexError } from "./kernel/mod.ts";
import { Listener, removeStaleSocket } from "./listener/mod.ts";
import { CancelKeys, type Session } from "./session/mod.ts";
import { goneReason, nodeGoneReason, ServerPools } from "./servers/mod.ts";
import { Listeners } from "./listen/mod.ts";
import { LoginDeadlines } from "./login/mod.ts";
import type { Worker } from "./worker.ts";
import { type Log, RareWarnings, WorkerCounters } from "./telemetry/mod.ts";
import { mergeTopology, NO_TOPOLOGY, TopologyPublisher } from "./topology/mod.ts";
import { BufferPool, type Network } from "./transport/mod.ts";

/** How often pools look at their timeouts. */
const POOL_TICK_MS = 100;

/** How often sessions are looked at for client_idle_timeout and query_timeout. */
const SESSION_TICK_MS = 1000;

/** Secrets that are derived from passwords ahead of their first use, in one turn: each costs milliseconds. */
const WARM_PER_TURN = 2;

/** What a running pgplex needs of its process. */
export interface AppWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly log: Log;
  /** Resolves when the event loop has looked at its sockets once more. */
  readonly turn: () => Promise<void>;
  /** pgplex's own version. */
  readonly version: string;
  /** Reads the configuration file as it is now. */
  readonly load: () => Promise<ParsedConfig | RefusedConfig>;
  /** Another configuration is in force: what lies outside of the app follows. */
  readonly configured: (config: Config) => void;
  /** The configuration file is refused, for these reasons. */
  readonly refused: (problems: readonly Problem[]) => void;
  /** SHUTDOWN was asked for in the console: the process ends in its own way. */
  readonly shutdown: (mode: ShutdownMode) => void;
}

/** One running pgplex: composition root, and the order of start and stop. */
export class App {
  readonly #worker: Worker;
  readonly #world: AppWorld;
  readonly #live: LiveConfig;
  readonly #console: Console;
  readonly #listeners: Listener[] = [];
  /** The last reload that was asked for: they come one after the other, as the later file counts. */
  #reloading: Promise<unknown> = Promise.resolve();
  #drained: Promise<void> | null = null;
  /** When a drain stops to wait for running transactions, in clock milliseconds; Infinity while it waits for clients. */
  #drainUntilMs = Infinity;
  #stopped = false;
  #warming = false;

  private constructor(world: AppWorld, live: LiveConfig, worker: Worker) {
    this.#world = world;
    this.#live = live;
    this.#worker = worker;
    this.#console = new Console({
      worker,
      version: world.version,
      live,
      reload: () => this.reload(),
      set: (segments, value) => this.#apply(live.set(segments, value)),
      reset: (segments) => {
        const { paths, ...diff } = live.reset(segments);
        this.#apply(diff);
        return paths;
      },
      shutdown: world.shutdown,
    });
    worker.console = this.#console;
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
  static async start(parsed: ParsedConfig, world: AppWorld): Promise<App> {
    const live = new LiveConfig(parsed);
    const { config } = live;
    const { clock, random, network, log, turn } = world;
    const buffers = new BufferPool();
    const statements = new StatementStore();
    const keyCache = new KeyCache();
    const mockKey = mockKeyOf(
      config.listen.tls?.key_pem.reveal() ?? null,
      () => random.fill(new Uint8Array(32)),
    );
    let serial = 0;
    const runtime: Runtime = {
      clock,
      random,
      network,
      keyCache,
      buffers,
      statements,
      turn,
      nextId: () => ++serial,
    };
    const topology = new TopologyPublisher(mergeTopology(NO_TOPOLOGY, config));
    const pools = new ServerPools(config, { runtime, log, topology });
    const listeners = new Listeners(config, runtime, pools, log);
    const app = new App(world, live, {
      config,
      log,
      warnings: new RareWarnings(log, () => clock.nowMs()),
      topology,
      pools,
      listeners,
      cancelKeys: new CancelKeys(config.instance.id, 0, random),
      users: new UserDirectory(secretsOf(config)),
      secretCache: new SecretCache({ instanceKey: mockKey }),
      mockKey,
      runtime,
      logins: new LoginDeadlines(),
      sessions: new Set<Session>(),
      replications: new Set(),
      counters: new WorkerCounters(),
      channelBinding: bindingOf(config),
      console: null,
      draining: false,
    });
    topology.subscribe(() => {
      pools.topologyChanged(clock.nowMs());
      listeners.topologyChanged();
    });
    await app.#listen();
    app.#tick(POOL_TICK_MS, () => app.#worker.pools.tick(clock.nowMs()));
    app.#tick(POOL_TICK_MS, () => app.#worker.logins.tick(clock.nowMs()));
    app.#tick(POOL_TICK_MS, () => app.#worker.listeners.tick(clock.nowMs()));
    app.#tick(SESSION_TICK_MS, () => app.#checkTimeouts());
    app.#reportStats();
    void app.#warmSecrets();
    return app;
  }

  /** How its sockets are served, for the log. */
  get ioMethod(): Network["ioMethod"] {
    return this.#world.network.ioMethod;
  }

  /** The addresses that clients can connect to, for the log. */
  get addresses(): string[] {
    const { address, port, unix_socket_dir: folder } = this.#worker.config.listen;
    return [
      ...address.map((host) => `${host}:${port}`),
      ...(folder === null ? [] : [`${folder}, port ${port}`]),
    ];
  }

  /**
   * Reads the configuration file again and puts it in force, as far as that is possible without a restart. SIGHUP and the
   * console's RELOAD both come here.
   *
   * @throws PgplexError `config_invalid`, with every problem as its detail: nothing has changed then
   */
  reload(): Promise<ReloadReport> {
    const done = this.#reloading.then(() => this.#reload());
    this.#reloading = done.catch(() => {});
    return done;
  }

  async #reload(): Promise<ReloadReport> {
    const loaded = await this.#world.load();
    if ("problems" in loaded) {
      this.#world.refused(loaded.problems);
      this.#worker.log.error("configuration refused, nothing changed");
      throw new PgplexError("config_invalid", "configuration refused, nothing changed", {
        detail: formatProblems(loaded.problems),
      });
    }
    const { log } = this.#worker;
    const { dropped, ...diff } = this.#layOver(loaded);
    this.#apply(diff);
    const { live, restart } = diff;
    if (dropped.length > 0) {
      log.warning("SETs of what is gone are forgotten", { settings: listPaths(dropped) });
    }
    if (restart.length > 0) {
      log.warning("settings that take effect at the next start", { settings: listPaths(restart) });
    }
    log.info("configuration reloaded", { changed: listPaths(live) || "nothing" });
    return { live, restart };
  }

  #layOver(loaded: ParsedConfig): ReturnType<LiveConfig["reload"]> {
    try {
      return this.#live.reload(loaded);
    } catch (thrown) {
      const error = toPgplexError(thrown);
      this.#worker.log.error(error.message, { reason: error.extra.detail, hint: error.extra.hint });
      throw error;
    }
  }

  /** Another configuration is in force: every part follows. */
  #apply({ effective, live }: ConfigDiff): void {
    const worker = this.#worker;
    const touches = (section: string) => live.some((path) => path.split(/[.[]/)[0] === section);
    this.#world.configured(effective);
    worker.config = effective;
    if (touches("auth")) worker.users.replace(secretsOf(effective));
    if (touches("listen")) worker.channelBinding = bindingOf(effective);
    worker.pools.configure(effective, worker.runtime.clock.nowMs());
    worker.listeners.configure(effective);
    if (touches("clusters")) worker.topology.publish(mergeTopology(worker.topology.current, effective));
    for (const session of worker.sessions) session.configurationChanged();
    for (const replication of worker.replications) {
      const { request } = replication;
      const gone = goneReason(effective, request) ?? nodeGoneReason(effective, request.cluster, request.node);
      if (gone !== null) replication.end();
    }
    void this.#warmSecrets();
  }

  /**
   * No new clients. Waiting for servers: no new transactions either; resolves when the running ones have ended, or after
   * `shutdown_timeout`. Waiting for clients: resolves when all have left by themselves, however long that takes, unless it is
   * called again to wait for servers only.
   */
  drain(waitFor: "servers" | "clients"): Promise<void> {
    const { config, log, sessions, runtime: { clock } } = this.#worker;
    const begins = waitFor === "servers" ? this.#drainUntilMs === Infinity : this.#drained === null;
    if (begins) log.info("draining", { clients: sessions.size, wait_for: waitFor });
    if (begins && waitFor === "servers") this.#drainUntilMs = clock.nowMs() + config.shutdown_timeout;
    return this.#drained ??= this.#drain();
  }

  async #drain(): Promise<void> {
    const { sessions, runtime: { clock } } = this.#worker;
    this.#worker.draining = true;
    for (const listener of this.#listeners) listener.close();
    while (!this.#stopped) {
      if (this.#drainUntilMs < Infinity) {
        for (const session of sessions) {
          if (session.endable || (session.waiting && session.destination.paused)) session.end(shuttingDown());
        }
      }
      if (sessions.size === 0 || clock.nowMs() >= this.#drainUntilMs) break;
      await new Promise<void>((resolve) => clock.after(POOL_TICK_MS, resolve));
    }
    await this.stop();
  }

  /** The console's PAUSE of all databases, as SIGUSR1 asks for it. The log says what became of it; never rejects. */
  async pause(): Promise<void> {
    const { log } = this.#worker;
    log.info("pausing all databases");
    try {
      await this.#console.pause();
      log.info("all databases are paused");
    } catch (error) {
      log.warning("PAUSE has not ended well", { error: toPgplexError(error).message });
    }
  }

  /** The console's RESUME of all databases, as SIGUSR2 asks for it. The log says what became of it; never throws. */
  resume(): void {
    const { log } = this.#worker;
    try {
      this.#console.resume();
      log.info("resuming all databases");
    } catch (error) {
      const { message, extra: { hint } } = toPgplexError(error);
      log.warning("RESUME is refused", { error: message, hint });
    }
  }

  /** Ends everything at once. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const { sessions, pools, listeners, runtime } = this.#worker;
    for (const listener of this.#listeners) listener.close();
    for (const session of sessions) session.end(shuttingDown());
    this.#console.end(shuttingDown());
    listeners.close(shuttingDown());
    pools.close(shuttingDown());
    // What was just said reaches the sockets in the next turns.
    await runtime.turn();
    await runtime.turn();
  }

  async #listen(): Promise<void> {
    const worker = this.#worker;
    const { network } = this.#world;
    const { address, port, unix_socket_dir: folder } = worker.config.listen;
    try {
      for (const host of address) {
        this.#listeners.push(await Listener.tcp(worker, network, host, port));
      }
      if (folder !== null) this.#listeners.push(Listener.unix(worker, network, folder, port));
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
      this.#worker.runtime.clock.after(everyMs, again);
    };
    this.#worker.runtime.clock.after(everyMs, again);
  }

  #checkTimeouts(): void {
    const nowMs = this.#worker.runtime.clock.nowMs();
    const { sessions, pools } = this.#worker;
    for (const session of sessions) session.checkTimeouts(nowMs);
    pools.forgetUnused(new Set([...sessions].map(({ destination }) => destination)), nowMs);
  }

  #reportStats(): void {
    const { log, pools, sessions, runtime: { buffers, clock, statements } } = this.#worker;
    let before = this.#totals();
    let writtenMs = clock.nowMs();
    // Looked at often, so that another period holds at once.
    this.#tick(POOL_TICK_MS, () => {
      const { stats_period: periodMs } = this.#worker.config.log;
      if (periodMs > 0 && clock.nowMs() - writtenMs >= periodMs) {
        writtenMs = clock.nowMs();
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
    });
  }

  /** What all pools did since start. */
  #totals(): { leases: number; queries: number; opened: number; lost: number } {
    const { pools } = this.#worker;
    const totals = { ...pools.statistics.gone };
    for (const { counters } of pools.destinations()) {
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
    const { secretCache, users, runtime, config } = this.#worker;
    if (config.auth.type === "scram-sha-256") {
      while (!this.#stopped && secretCache.warm(users.entries(), WARM_PER_TURN) > 0) await runtime.turn();
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
