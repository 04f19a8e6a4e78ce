import {
  channelBindingHash,
  KeyCache,
  parseSecret,
  type Secret,
  SecretCache,
  UserDirectory,
} from "./auth/mod.ts";
import { type Runtime, StatementStore } from "./backend/mod.ts";
import type { Config, ConfigDiff } from "./config/mod.ts";
import { type Clock, PgplexError, type Random, Ticker } from "./kernel/mod.ts";
import { UnreadLeases } from "./lease/mod.ts";
import { Listeners } from "./listen/mod.ts";
import {
  AccessRules,
  type CancelPeer,
  CancelRelay,
  type ConsoleDoor,
  keptPools,
  LoginDeadlines,
  type LoginParts,
  type ReplicationClient,
  SecretWarming,
} from "./login/mod.ts";
import { goneReason, NodeDrain, nodeGoneReason, ServerPools } from "./servers/mod.ts";
import { CancelKeys, ClientLog, type Session } from "./session/mod.ts";
import { type Log, RareWarnings, WorkerCounters } from "./telemetry/mod.ts";
import {
  type NodeChange,
  nodeChanges,
  routesDiffer,
  sameNode,
  TopologyPublisher,
  type TopologySnapshot,
} from "./topology/mod.ts";
import { BufferPool, type Network } from "./transport/mod.ts";

/** How often pools, logins and listeners look at their timeouts. */
const POOL_TICK_MS = 100;

/** How often sessions are looked at for client_idle_timeout and query_timeout. */
const SESSION_TICK_MS = 1000;

/** Statistics periods of so many milliseconds and more may be looked at each second; shorter ones would become longer by that. */
const LONG_PERIOD_MS = 10_000;

/** What a worker needs of its process. */
export interface WorkerWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly log: Log;
  /** Resolves when the event loop has looked at its sockets once more. */
  readonly turn: () => Promise<void>;
  /** The same in all workers of an instance: makes the secrets of users that do not exist. */
  readonly mockKey: Uint8Array;
  /** Among the workers of the process, from 0: part of the cancel keys. */
  readonly index: number;
  /**
   * A node gives reason to ask it how it is: a connection to it was lost or could not be had, or says that it has another role
   * now. Cheap, may be called at any time and as often as it happens.
   */
  readonly onServerTrouble: (cluster: string, node: string) => void;
  /** The instances that are there, to which cancel requests may be passed on. */
  readonly cancelPeers: () => readonly CancelPeer[];
}

/** How clients are held: see {@link Worker.holdNode}. */
export interface HowToHold {
  readonly epoch: number;
  readonly cut: boolean;
  readonly reason: string;
}

/** What a worker has done and has at the moment, for the statistics line of the log. */
export interface WorkerTotals {
  readonly leases: number;
  readonly queries: number;
  readonly opened: number;
  readonly lost: number;
  readonly repliesCut: number;
}

/**
 * What there is once for each worker: clients and their sessions, pools and their server connections, shared listeners, buffers,
 * caches. It shares nothing that changes with another worker: what holds for all comes from the process by {@link apply} and
 * {@link publish}.
 */
export class Worker implements LoginParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly warnings: RareWarnings;
  readonly unread: UnreadLeases;
  readonly topology: TopologyPublisher;
  readonly pools: ServerPools;
  readonly listeners: Listeners;
  readonly cancelKeys: CancelKeys;
  readonly users: UserDirectory;
  readonly secretCache: SecretCache;
  readonly mockKey: Uint8Array;
  readonly onServerTrouble: WorkerWorld["onServerTrouble"];
  readonly cancelRelay: CancelRelay;
  /** Whatever a client may want begins with a login. */
  readonly logins = new LoginDeadlines(() => this.#ticker.wake());
  readonly sessions = new Set<Session>();
  readonly replications = new Set<ReplicationClient>();
  readonly counters = new WorkerCounters();
  readonly clientLog: ClientLog;
  readonly #warming: SecretWarming;
  readonly #ticker: Ticker;
  #config: Config;
  #accessRules: AccessRules;
  #channelBinding: Uint8Array | null;
  #console: ConsoleDoor | null = null;
  #stopping = false;
  #draining = false;
  /** Of clusters whose clients are, or were, held. */
  readonly #drains = new Map<string, { readonly epoch: number; readonly of: NodeDrain }>();

  constructor(config: Config, topology: TopologySnapshot, world: WorkerWorld) {
    const { clock, random, network, log, turn, mockKey, index, onServerTrouble, cancelPeers: peers } = world;
    let serial = 0;
    this.runtime = {
      clock,
      random,
      network,
      keyCache: new KeyCache(),
      buffers: new BufferPool(),
      statements: new StatementStore(),
      turn,
      nextId: () => ++serial,
    };
    this.log = log;
    this.mockKey = mockKey;
    this.onServerTrouble = onServerTrouble;
    this.cancelRelay = new CancelRelay({ instance: config.instance.id, clock, network, peers });
    this.#config = config;
    this.#accessRules = new AccessRules(config.auth);
    this.#channelBinding = bindingOf(config);
    this.clientLog = new ClientLog(log, () => this.#config.log);
    this.warnings = new RareWarnings(log, () => clock.nowMs());
    this.unread = new UnreadLeases(clock);
    this.topology = new TopologyPublisher(topology);
    this.pools = new ServerPools(config, this);
    this.listeners = new Listeners(config, this.runtime, this.pools, log);
    this.cancelKeys = new CancelKeys(config.instance.id, index, random);
    this.users = new UserDirectory(secretsOf(config));
    this.secretCache = new SecretCache({ instanceKey: mockKey });
    this.#warming = new SecretWarming(this.users, this.secretCache, this.runtime);
    this.#ticker = new Ticker(clock, {
      failed: (error) => log.error("internal error", { error: String(error) }),
      isQuiet: () => this.#isQuiet,
    });
    this.topology.subscribe((now, before) => {
      // What is known of the nodes is looked up at each lease; only where leases go elsewhere somebody has to move.
      if (!routesDiffer(before, now)) return;
      this.pools.topologyChanged(clock.nowMs());
      this.listeners.topologyChanged();
      const { lost, back } = nodeChanges(before, now);
      for (const change of lost) this.#nodeLost(change);
      for (const change of back) this.pools.nodeBack(change);
    });
  }

  get config(): Config {
    return this.#config;
  }

  get accessRules(): AccessRules {
    return this.#accessRules;
  }

  get channelBinding(): Uint8Array | null {
    return this.#channelBinding;
  }

  get console(): ConsoleDoor | null {
    return this.#console;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Begins to look at what time does. `console` is where clients of the management database go. */
  start(console: ConsoleDoor): void {
    const { clock } = this.runtime;
    this.#console = console;
    this.#ticker.every(POOL_TICK_MS, () => this.pools.tick(clock.nowMs()));
    this.#ticker.every(POOL_TICK_MS, () => this.logins.tick(clock.nowMs()));
    this.#ticker.every(POOL_TICK_MS, () => this.listeners.tick(clock.nowMs()));
    this.#ticker.every(SESSION_TICK_MS, () => this.#checkSessions(clock.nowMs()));
    this.pools.keep(keptPools(this));
    this.#warm();
  }

  /** Another configuration is in force: every part follows. Nodes come by {@link publish}, behind it. */
  apply({ effective, live }: ConfigDiff): void {
    this.#config = effective;
    if (touches(live, "auth")) {
      this.users.replace(secretsOf(effective));
      this.#accessRules = new AccessRules(effective.auth);
    }
    if (touches(live, "listen")) this.#channelBinding = bindingOf(effective);
    this.pools.configure(effective, this.runtime.clock.nowMs());
    this.listeners.configure(effective);
  }

  /** What is known of the nodes has changed. */
  publish(snapshot: TopologySnapshot): void {
    this.topology.publish(snapshot);
  }

  /** Behind {@link apply} and {@link publish}: clients for whom there is no place any more are sent away. */
  applied(): void {
    for (const session of this.sessions) session.configurationChanged();
    for (const replication of this.replications) {
      const { request, link } = replication;
      const gone = goneReason(this.#config, request) ??
        (link === null ? null : nodeGoneReason(this.#config, request.cluster, link.node));
      if (gone !== null) replication.end();
    }
    this.pools.keep(keptPools(this));
    this.#ticker.wake();
    this.#warm();
  }

  /** The process is about to end; whoever is on the way may still come in. */
  willStop(): void {
    this.#stopping = true;
  }

  /** No new transactions: whoever logs in from here on is told that pgplex stops, but for the console. */
  drain(): void {
    this.#draining = true;
  }

  /**
   * Ends sessions at the end of what they run, and those that wait for what an operator holds back. Where `servers` are waited
   * for: all that wait for a server connection, and none that has one for its life.
   */
  endAtRest(error: PgplexError, { servers }: { servers: boolean }): void {
    for (const session of this.sessions) {
      if (session.waiting && (servers || session.destination.paused)) session.end(error);
      else if (!servers || !session.ownsServer) session.endAtRest(error);
    }
  }

  /** Ends everything at once; what was said reaches the sockets in the next turns. */
  stop(error: PgplexError): void {
    this.#ticker.stop();
    this.#warming.stop();
    for (const session of this.sessions) session.end(error);
    this.listeners.close(error);
    this.pools.close(error);
  }

  /** Nobody goes on at a node; a replication connection ends, as it is one server's for its life. */
  #nodeLost(change: NodeChange): void {
    this.pools.nodeLost(change, new PgplexError("node_lost", change.reason));
    for (const replication of this.replications) {
      const { request: { cluster }, link } = replication;
      if (cluster === change.cluster && link !== null && sameNode(link.node, change.node)) replication.end();
    }
  }

  /**
   * The clients of a cluster are held since `epoch` began. Takes what they have at `node` from them.
   *
   * @returns whether nothing runs there any more
   */
  holdNode(cluster: string, node: string, { epoch, cut, reason }: HowToHold): boolean {
    const nowMs = this.runtime.clock.nowMs();
    let drain = this.#drains.get(cluster);
    if (drain === undefined || drain.epoch !== epoch) {
      const pools = [...this.pools.all()].filter(({ key, node: at }) =>
        key.cluster === cluster && at.name === node
      );
      drain = { epoch, of: new NodeDrain(pools, nowMs) };
      this.#drains.set(cluster, drain);
    }
    return drain.of.look(nowMs, new PgplexError("node_lost", reason), cut);
  }

  /** They are not held any more: whoever still has something at the node keeps it. */
  releaseNode(cluster: string): void {
    this.#drains.get(cluster)?.of.end();
    this.#drains.delete(cluster);
  }

  /** What all pools did since start. */
  totals(): WorkerTotals {
    const totals = { ...this.pools.statistics.gone, repliesCut: this.counters.repliesCut };
    for (const { counters } of this.pools.destinations()) {
      totals.leases += counters.leases;
      totals.queries += counters.queries;
      totals.opened += counters.opened;
      totals.lost += counters.lost;
    }
    return totals;
  }

  /** What there is at the moment. */
  present(): Record<string, number> {
    let [idle, leased, opening, waiting] = [0, 0, 0, 0];
    for (const destination of this.pools.destinations()) {
      waiting += destination.waitingCount;
      for (const { pool } of destination.pools()) {
        idle += pool.idleCount;
        leased += pool.leasedCount;
        opening += pool.openingCount;
      }
    }
    return {
      waiting,
      servers_active: leased,
      servers_idle: idle,
      servers_login: opening,
      buffers_lent: this.runtime.buffers.lent,
      statements: this.runtime.statements.size,
    };
  }

  /** No client is there: nobody waits, and what is idle for too long may end a moment later. */
  get #isQuiet(): boolean {
    const { sessions, replications, counters } = this;
    return sessions.size === 0 && replications.size === 0 && counters.loggingIn === 0 &&
      !this.pools.filling &&
      isLong(this.#config.log.stats_period);
  }

  #checkSessions(nowMs: number): void {
    for (const session of this.sessions) session.checkTimeouts(nowMs);
    this.pools.forgetUnused(new Set([...this.sessions].map(({ destination }) => destination)), nowMs);
  }

  #warm(): void {
    if (["scram-sha-256", "hba"].includes(this.#config.auth.type)) void this.#warming.begin();
  }
}

/** Whether a statistics period is as long as it should be where its end is looked at each second. 0: there is none. */
export function isLong(periodMs: number): boolean {
  return periodMs === 0 || periodMs >= LONG_PERIOD_MS;
}

/** Whether any of these paths of settings lies in the section. */
export function touches(paths: readonly string[], section: string): boolean {
  return paths.some((path) => path.split(/[.[]/)[0] === section);
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
