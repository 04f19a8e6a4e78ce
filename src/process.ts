import { KeyCache, mockKeyOf } from "./auth/mod.ts";
import { type Runtime, StatementStore } from "./backend/mod.ts";
import type { Coordination, InstanceInfo } from "./arbiter/mod.ts";
import {
  type Config,
  type ConfigDiff,
  formatProblem,
  formatProblems,
  listPaths,
  LiveConfig,
  type ParsedConfig,
  type Problem,
  type RefusedConfig,
} from "./config/mod.ts";
import { Console, type ReloadReport, type ShutdownMode } from "./console/mod.ts";
import { PgplexError, Ticker, toPgplexError } from "./kernel/mod.ts";
import { HttpEndpoint, type Meter } from "./http/mod.ts";
import { ListeningSockets, removeStaleSocket } from "./listener/mod.ts";
import { Monitor } from "./monitor/mod.ts";
import { Moves, Requests } from "./moves/mod.ts";
import { runSchemaCommand } from "./schema/mod.ts";
import {
  DisabledNodes,
  mergeTopology,
  NO_TOPOLOGY,
  type TopologyCluster,
  TopologyPublisher,
} from "./topology/mod.ts";
import { BufferPool, type Network } from "./transport/mod.ts";
import { StatsLine } from "./telemetry/mod.ts";
import { type DrainGoal, shuttingDown, Stopping, type StopSignal } from "./stopping.ts";
import { isLong, touches, Worker, type WorkerWorld } from "./worker.ts";

/** How often the log's period is looked at. */
const LOOK_EVERY_MS = 100;

/** What could not be opened is tried again behind this time, in milliseconds. */
const REOPEN_MS = 5_000;

/** What a running pgplex needs of the system. */
export interface ProcessWorld
  extends Omit<WorkerWorld, "mockKey" | "index" | "onServerTrouble" | "cancelPeers"> {
  /** pgplex's own version. */
  readonly version: string;
  /** Reads the configuration file as it is now. */
  readonly load: () => Promise<ParsedConfig | RefusedConfig>;
  /** Another configuration is in force: what lies outside of the process follows. */
  readonly configured: (config: Config) => void;
  /** Opens what keeps the records of clusters: what the instances share, or a file. @throws Error where that cannot be had */
  readonly openStore: (config: Config) => Promise<Coordination>;
  /** Of the host, for people. */
  readonly hostName: string;
  /** Says when a round of events begins. */
  readonly rounds: { onRound: (() => void) | null };
  /** What takes the metrics besides `/metrics`; null where nothing does. */
  readonly meter: Meter | null;
  /** The configuration file is refused, for these reasons. */
  readonly refused: (problems: readonly Problem[]) => void;
  /** SHUTDOWN was asked for in the console: the process ends in its own way. */
  readonly shutdown: (mode: ShutdownMode) => void;
}

/**
 * What there is once for each process: the configuration, listening sockets, the console, what is known of the nodes, the order of
 * start and stop. Clients and server connections are a {@link Worker}'s; there is one worker.
 */
export class Process {
  readonly #world: ProcessWorld;
  readonly #live: LiveConfig;
  readonly #topology: TopologyPublisher;
  readonly #monitor: Monitor;
  readonly #moves: Moves;
  readonly #requests: Requests;
  #store: Promise<Coordination> | null = null;
  /** The same once it is open. */
  #coordination: Coordination | null = null;
  readonly #startedMs: number;
  readonly #disabledNodes = new DisabledNodes();
  readonly #worker: Worker;
  readonly #console: Console;
  readonly #http: HttpEndpoint;
  readonly #sockets = new ListeningSockets();
  readonly #ticker: Ticker;
  /** The last reload that was asked for: they come one after the other, as the later file counts. */
  #reloading: Promise<unknown> = Promise.resolve();
  readonly #stopping: Stopping;
  #stopped = false;

  private constructor(parsed: ParsedConfig, world: ProcessWorld) {
    const live = new LiveConfig(parsed);
    const { config } = live;
    const { log } = world;
    this.#world = world;
    this.#startedMs = world.clock.wallMs();
    this.#live = live;
    this.#ticker = new Ticker(world.clock, {
      failed: (error) => log.error("internal error", { error: String(error) }),
      isQuiet: () => isLong(live.config.log.stats_period),
    });
    let connections = 0;
    const runtime: Runtime = {
      ...world,
      keyCache: new KeyCache(),
      buffers: new BufferPool(),
      statements: new StatementStore(),
      nextId: () => ++connections,
    };
    this.#moves = new Moves(config, {
      runtime,
      log,
      failsafe: () => this.#live.config.coordination?.failsafe === "witness",
      store: () => this.#openStore(),
      instance: config.instance.id,
      changed: (cluster) => this.#movesChanged(cluster),
      drain: (cluster, node, how) => this.#worker.holdNode(cluster, node, how),
      release: (cluster) => this.#worker.releaseNode(cluster),
    });
    this.#monitor = new Monitor(config, {
      log,
      runtime,
      publish: (cluster) => this.#heard(cluster),
      heard: (cluster, node) => this.#moves.heard(cluster, node),
    });
    const merged = mergeTopology(NO_TOPOLOGY, config);
    this.#topology = new TopologyPublisher(this.#moves.over(this.#monitor.over(merged)));
    this.#requests = new Requests({
      runtime,
      log,
      config: () => live.config,
      topology: () => this.#topology.current,
      seesTo: (cluster) => this.#moves.seesTo(cluster),
      command: (cluster, command, by) => this.#moves.command(cluster, command, by),
      setFailover: (cluster, mode) => this.#apply(live.set(["clusters", cluster, "failover"], mode)),
    });
    const mockKey = mockKeyOf(
      config.listen.tls?.key_pem.reveal() ?? null,
      () => world.random.fill(new Uint8Array(32)),
    );
    const worker = new Worker(config, this.#topology.current, {
      ...world,
      mockKey,
      index: 0,
      onServerTrouble: (cluster) => this.#monitor.hint(cluster),
      cancelPeers: () => this.#instances().filter(({ isThere }) => isThere),
    });
    this.#topology.subscribe((snapshot) => worker.publish(snapshot));
    this.#worker = worker;
    this.#stopping = new Stopping({
      clock: world.clock,
      log,
      config: () => live.config,
      worker,
      sockets: this.#sockets,
      handOver: () => this.#handOver(),
      stop: () => this.stop(),
      stopped: () => this.#stopped,
    });
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
      disableNode: (cluster, node, disabled) => {
        this.#disabledNodes.set(cluster, node, disabled);
        this.#publishNodes();
        log.info(disabled ? "a node is taken out" : "a node is taken back in", { cluster, node });
      },
      moves: this.#moves,
      instances: () => this.#instances(),
      installSchema: (cluster) => this.#installSchema(cluster, runtime),
      shutdown: world.shutdown,
    });
    const { version, clock } = world;
    const instances = () => this.#instances();
    this.#http = new HttpEndpoint({ worker, console: this.#console, instances, version, log, clock });
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
  static async start(parsed: ParsedConfig, world: ProcessWorld): Promise<Process> {
    const process = new Process(parsed, world);
    process.#http.start(process.#live.config);
    await process.#sockets.start(process.#worker, world.network).catch((error) => {
      process.#http.stop();
      throw error;
    });
    if (process.#live.config.coordination !== null) process.#joinOthers();
    process.#moves.start();
    process.#monitor.start();
    if (world.meter !== null) process.#http.feed(world.meter);
    process.#requests.start();
    process.#worker.start(process.#console);
    process.#reportStats();
    return process;
  }

  /** How its sockets are served, for the log. */
  get ioMethod(): Network["ioMethod"] {
    return this.#world.network.ioMethod;
  }

  /** The addresses that clients can connect to, for the log. */
  get addresses(): string[] {
    const { address, port, unix_socket_dir: folder } = this.#live.config.listen;
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
    const { log } = this.#world;
    const loaded = await this.#world.load();
    if ("problems" in loaded) {
      this.#world.refused(loaded.problems);
      log.error("configuration refused, nothing changed");
      throw new PgplexError("config_invalid", "configuration refused, nothing changed", {
        detail: formatProblems(loaded.problems),
      });
    }
    const { dropped, ...diff } = this.#layOver(loaded);
    this.#apply(diff);
    const { live, restart } = diff;
    for (const warning of loaded.warnings) {
      log.warning("the configuration may mean something else", { problem: formatProblem(warning) });
    }
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
      this.#world.log.error(error.message, { reason: error.extra.detail, hint: error.extra.hint });
      throw error;
    }
  }

  /** Another configuration is in force: every part follows. */
  #apply(diff: ConfigDiff): void {
    const { effective, live } = diff;
    this.#world.configured(effective);
    this.#worker.apply(diff);
    if (touches(live, "clusters") || touches(live, "monitor")) {
      const { current } = this.#topology;
      this.#monitor.configure(effective, current.clusters);
      this.#coordination?.serve(effective.clusters.keys());
      this.#moves.configure(effective);
      this.#disabledNodes.configure(effective);
      this.#publishNodes();
    }
    if (touches(live, "http")) this.#http.configure(effective);
    this.#worker.applied();
  }

  async #installSchema(name: string, runtime: Runtime): Promise<readonly string[]> {
    const why = this.#moves.whyHeld(name);
    if (why !== null) {
      throw new PgplexError(
        "wrong_state",
        `the schema is not installed: clients of ${name} are held: ${why}`,
      );
    }
    const { clusters, monitor } = this.#live.config;
    const connectTimeoutMs = monitor.connect_timeout;
    const result = await runSchemaCommand("install", clusters.get(name)!, { runtime, connectTimeoutMs });
    const { log } = this.#world;
    if (result.ok) {
      log.info("the schema pgplex is installed", { cluster: name, done: result.lines.join("; ") });
      return result.lines;
    }
    log.warning("the schema pgplex is not installed", { cluster: name, reason: result.reason });
    const code = result.kind === "refused" || result.kind === "not possible"
      ? "wrong_state"
      : "server_unreachable";
    throw new PgplexError(code, `the schema is not installed: ${result.reason}`);
  }

  /** The file's nodes, with what is known of them, and without those that an operator has taken out. */
  #publishNodes(): void {
    const merged = mergeTopology(this.#topology.current, this.#live.config);
    this.#topology.publish(this.#disabledNodes.over(this.#moves.over(this.#monitor.over(merged))));
  }

  /** The arbiter of a cluster says something else of where its clients may go. */
  #movesChanged(cluster: string): void {
    const known = this.#monitor.clusterOf(cluster);
    if (known !== null) this.#heard(known);
  }

  /** Also where no cluster needs it: the instances know of each other. */
  #joinOthers(): void {
    const { clock, log } = this.#world;
    this.#world.rounds.onRound ??= () => {
      this.#coordination?.look();
      this.#moves.look();
    };
    this.#openStore().catch((thrown) => {
      log.error("what the instances share cannot be opened", { error: String(thrown) });
      clock.after(REOPEN_MS, () => this.#stopped || this.#joinOthers());
    });
  }

  /** Once: other settings of it need a restart. Where it fails it may be tried again. */
  #openStore(): Promise<Coordination> {
    this.#store ??= this.#world.openStore(this.#live.config).then(
      (store) => {
        store.serve(this.#live.config.clusters.keys());
        return this.#coordination = store;
      },
      (thrown) => {
        this.#store = null;
        throw thrown;
      },
    );
    return this.#store;
  }

  /** All instances that are known: this one alone where it shares nothing. */
  #instances(): readonly InstanceInfo[] {
    const { config: { instance: { id } } } = this.#live;
    const { version, hostName: name } = this.#world;
    const alone = { id, name, address: null, version, sinceMs: this.#startedMs };
    return this.#coordination?.members() ?? [{ ...alone, isLeading: true, isThere: true, leaseMs: null }];
  }

  /** Decides about no cluster any more: the process that takes over does. Clients that are left follow what the monitor finds. */
  async #giveUpStore(): Promise<void> {
    this.#requests.stop();
    this.#moves.stop();
    this.#publishNodes();
    const left = this.#coordination;
    this.#coordination = null;
    await left?.leave();
  }

  /** A cluster as the monitor has found it, as clients are to see it. */
  #seen(cluster: TopologyCluster): TopologyCluster {
    return this.#disabledNodes.overCluster(this.#moves.overCluster(cluster));
  }

  /** The monitor has heard of a cluster's nodes. */
  #heard(cluster: TopologyCluster): void {
    const { serial, clusters } = this.#topology.current;
    if (!clusters.has(cluster.name)) return;
    this.#topology.publish({
      serial: serial + 1,
      clusters: new Map(clusters).set(cluster.name, this.#seen(cluster)),
    });
  }

  /** See {@link Stopping.drain}. */
  drain(waitFor: DrainGoal): Promise<void> {
    return this.#stopping.drain(waitFor);
  }

  /** See {@link Stopping.by}. */
  stopBy(signal: StopSignal): Promise<void> {
    return this.#stopping.by(signal);
  }

  /** Another process has the new clients. */
  async #handOver(): Promise<void> {
    this.#http.stop();
    // What several instances share has room for both.
    if (this.#live.config.coordination === null) await this.#giveUpStore();
  }

  /** The console's PAUSE of all databases, as SIGUSR1 asks for it. The log says what became of it; never rejects. */
  async pause(): Promise<void> {
    const { log } = this.#world;
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
    const { log } = this.#world;
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
    this.#ticker.stop();
    this.#requests.stop();
    this.#monitor.stop();
    this.#moves.stop();
    this.#http.stop();
    this.#sockets.close();
    this.#console.end(shuttingDown());
    this.#worker.stop(shuttingDown());
    // What was just said reaches the sockets in the next turns.
    await this.#world.turn();
    await this.#world.turn();
    await this.#coordination?.leave();
  }

  #reportStats(): void {
    const { clock, log } = this.#world;
    const worker = this.#worker;
    const line = new StatsLine({
      log,
      nowMs: () => clock.nowMs(),
      periodMs: () => this.#live.config.log.stats_period,
      present: () => ({
        clients: worker.sessions.size,
        connections: this.#sockets.open,
        ...worker.present(),
      }),
      totals: () => {
        const { leases: transactions, queries, opened, lost, repliesCut: replies_cut } = worker.totals();
        return { transactions, queries, servers_opened: opened, servers_lost: lost, replies_cut };
      },
    });
    this.#ticker.every(LOOK_EVERY_MS, () => line.look());
  }
}
