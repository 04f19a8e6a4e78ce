import type { ClusterRecord, InstanceInfo, NodeCondition } from "../../arbiter/mod.ts";
import type { ServerConnection } from "../../backend/mod.ts";
import { LiveConfig, parseConfig, poolSettings } from "../../config/mod.ts";
import { VirtualClock } from "../../kernel/mod.ts";
import type { ReplicationClient } from "../../login/mod.ts";
import { SessionOptions } from "../../options/mod.ts";
import { databaseNameOf, type Destination, PoolControl, type ServerPool } from "../../servers/mod.ts";
import type { Session, SessionView } from "../../session/mod.ts";
import { NO_STATS, StatsPeriods, type StatsTotals } from "../../telemetry/mod.ts";
import { mergeTopology, NO_TOPOLOGY, TopologyPublisher } from "../../topology/mod.ts";
import type { ConnectedClient } from "./connected_client.ts";
import type { ConsoleParts } from "./parts.ts";

/** Two clusters, one alias, one administrator and one who may look. */
const FILE = `
auth: { users: { alice: { password: secret } } }
console: { admin_users: [admin], stats_users: [watcher] }
routing: { default_cluster: main, databases: { reports: { cluster: other, database: sales } } }
clusters:
  main: { nodes: [{ name: main-1, host: ten, port: 5433 }, { name: main-2, host: eleven }] }
  other: { nodes: [{ name: other-1, host: /run }] }
`;

/** A pool that knows its destination. */
export type FakePool = ServerPool & { readonly destination: Destination };

/** Parts of the console made by hand: a test puts in what its table is to show. */
export class FakeParts {
  readonly clock = new VirtualClock();
  readonly live: LiveConfig;
  readonly sessions = new Set<Session>();
  readonly replications = new Set<ReplicationClient>();
  readonly clients = new Set<ConnectedClient>();
  readonly destinations = new Map<string, Destination>();
  readonly pools: FakePool[] = [];
  readonly leaving = new Set<ServerPool>();
  readonly control = new PoolControl();
  readonly periods = new StatsPeriods(0);
  readonly totals = new Map<string, StatsTotals>();
  readonly listeners: Record<string, unknown>[] = [];
  readonly fingerprints: Record<string, unknown>[] = [];
  /** What was called, in words. */
  readonly calls: string[] = [];
  stopping = false;
  readonly parts: ConsoleParts;
  /** What is settled of clusters. */
  readonly records = new Map<string, ClusterRecord>();
  /** All instances that are known. */
  readonly instances: InstanceInfo[] = [
    {
      id: 1,
      name: "a",
      address: null,
      version: "1",
      isLeading: true,
      isThere: true,
      leaseMs: null,
      sinceMs: 0,
    },
  ];
  /** What is said of nodes besides their role, by CLUSTER.NODE. */
  readonly conditions = new Map<string, NodeCondition>();
  /** What commands that move a primary are answered with. */
  answer = { ok: true, text: "done" };

  constructor(file = FILE) {
    const parsed = parseConfig(file, { file: "pgplex.yaml" });
    if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
    this.live = new LiveConfig(parsed);
    const { calls, clock, control, listeners, live } = this;
    const nameOf = ({ key }: Pick<ServerPool, "key">) => databaseNameOf(live.config, key);
    const all = () => this.pools;
    const isStopping = () => this.stopping;
    const log = {
      info: (message: string, fields: Record<string, unknown>) =>
        calls.push(`info ${message} ${JSON.stringify(fields)}`),
      debug: (message: string, fields: Record<string, unknown>) =>
        calls.push(`debug ${message} ${JSON.stringify(fields)}`),
    };
    const worker = {
      get config() {
        return live.config;
      },
      get stopping() {
        return isStopping();
      },
      runtime: { clock, buffers: { lent: 3, free: 2 }, statements: { size: 4 } },
      log,
      counters: { loggingIn: 0, consoleCommands: 3 },
      sessions: this.sessions,
      replications: this.replications,
      topology: new TopologyPublisher(mergeTopology(NO_TOPOLOGY, live.config)),
      pools: {
        control,
        statistics: { periods: this.periods },
        all,
        destinations: () => this.destinations.values(),
        nameOf,
        of: (name: string | null) => all().filter((pool) => name === null || nameOf(pool) === name),
        isLeaving: (pool: ServerPool) => this.leaving.has(pool),
        applyControl: () => calls.push("applyControl"),
        totals: () => new Map(this.totals),
        fingerprints: () => this.fingerprints,
      },
      listeners: {
        all: () => listeners,
        closeUnused: (closes: (destination: Destination) => boolean) =>
          calls.push(`closeUnused ${[...this.destinations.values()].filter(closes).map(nameOf)}`),
      },
    };
    this.parts = {
      worker: worker as unknown as ConsoleParts["worker"],
      version: "1.2.3",
      clients: this.clients,
      live: this.live,
      reload: () => Promise.resolve({ live: [], restart: [] }),
      set: (segments, value) => {
        calls.push(`set ${segments.join(".")} ${JSON.stringify(value)}`);
        live.set(segments, value);
      },
      reset: (segments) => {
        calls.push(`reset ${segments.join(".")}`);
        return live.reset(segments).paths;
      },
      disableNode: (cluster, node, disabled) =>
        calls.push(`${disabled ? "disable" : "enable"} ${cluster} ${node}`),
      moves: {
        names: () => this.records.keys(),
        recordOf: (cluster) => this.records.get(cluster) ?? null,
        conditionOf: (cluster, node) => this.conditions.get(`${cluster}.${node}`) ?? null,
        command: (cluster, command, by) => {
          calls.push(`${command.kind} ${cluster} by ${by} ${JSON.stringify(command)}`);
          return Promise.resolve(this.answer);
        },
      },
      instances: () => this.instances,
      installSchema: (cluster) => {
        calls.push(`install ${cluster}`);
        return Promise.resolve(["n1: done"]);
      },
      shutdown: (mode) => calls.push(`shutdown ${mode}`),
    };
  }

  /** A pool of a database and user at a node of a cluster, with these counts and no server connection. */
  addPool(
    { cluster = "main", database = "app", user = "alice", alias = null as string | null, node = 0 } = {},
    pool: Record<string, unknown> = {},
  ): FakePool {
    const destination = this.#destination({ cluster, database, user, alias, purpose: "clients" });
    const one = {
      key: destination.key,
      node: this.parts.worker.topology.current.clusters.get(cluster)!.nodes[node]!,
      destination,
      settings: destination.settings,
      logins: new Map<number, number>(),
      pool: {
        total: 0,
        idleCount: 0,
        leasedCount: 0,
        openingCount: 0,
        staleCount: 0,
        quiet: true,
        paused: false,
        idle: () => [],
        resources: () => [],
        mustEnd: () => false,
        recycle: () => this.calls.push(`recycle ${database}`),
        ...pool,
      },
    } as unknown as FakePool;
    this.pools.push(one);
    return one;
  }

  #destination(key: Destination["key"]): Destination {
    const name = JSON.stringify(key);
    let destination = this.destinations.get(name);
    if (destination !== undefined) return destination;
    destination = {
      key,
      settings: poolSettings(this.live.config, key),
      paused: false,
      waitedMs: () => 0,
      pools: () => this.pools.filter((pool) => pool.destination === destination),
    } as unknown as Destination;
    this.destinations.set(name, destination);
    return destination;
  }

  /** An idle session of a pool: what the console sees of it, which is the session as well. */
  addSession(id: number, { destination }: FakePool, over: Record<string, unknown> = {}): SessionView {
    const { facts, ...rest } = over;
    const one = {
      facts: {
        id,
        user: destination.key.user,
        database: destination.key.alias ?? destination.key.database,
        peer: { host: "client", port: 1000 + id, localHost: "local", localPort: 6432 },
        tls: null,
        applicationName: null,
        ...facts as Record<string, unknown>,
      },
      destination,
      poolSettings: destination.settings,
      options: new SessionOptions(),
      waiting: false,
      waitingSinceMs: 0,
      server: null,
      held: null,
      pins: [],
      pinned: null,
      cancelCount: 0,
      poolMode: "transaction",
      preparedCount: 0,
      preparedNames: { names: () => [], findName: () => null },
      sqlStatements: new Map(),
      channels: new Set(),
      settings: null,
      connectedMs: 0,
      requestMs: 0,
      sinceMs: 0,
      busy: false,
      writing: false,
      ending: false,
      end: (error: Error) => this.calls.push(`end session ${id}: ${error.message}`),
      ...rest,
    } as unknown as SessionView;
    this.sessions.add(Object.assign(one, { view: one }) as unknown as Session);
    return one;
  }

  /** A replication connection. */
  addReplication(id: number, { name = "app", user = "replicator", waits = false } = {}): void {
    this.replications.add({
      request: {
        id,
        name,
        user,
        clientUser: user,
        mode: "physical",
        peer: { host: "standby", port: 2000 },
        tls: null,
      },
      link: waits ? null : {
        node: { name: "main-1" },
        server: {
          endpoint: { host: "ten", port: 5433 },
          key: { pid: 700 },
          tls: "TLSv1.3",
          parameters: { values: new Map([["application_name", "walreceiver"]]) },
        },
      },
      connectedMs: 5,
      end: () => this.calls.push(`end replication ${id}`),
    } as unknown as ReplicationClient);
  }

  /** An idle client of the console. */
  addClient(id: number, over: Partial<ConnectedClient> = {}): void {
    this.clients.add({
      id,
      user: "admin",
      peer: { host: "desk", port: 3000 },
      tls: null,
      connectedMs: 0,
      requestMs: 0,
      command: null,
      applicationName: "psql",
      preparedStatements: 0,
      tag: "",
      end: (error) => void this.calls.push(`end client ${id}: ${error.message}`),
      ...over,
    });
  }

  /** What one database is said to have done. */
  count(database: string, stats: Partial<StatsTotals>): void {
    this.totals.set(database, { ...NO_STATS, ...stats });
  }
}

/** A server connection that owes nothing. */
export function fakeServer(id: number, over: Record<string, unknown> = {}): ServerConnection {
  return {
    id,
    openedMs: 0,
    tenancy: { usedMs: 0 },
    identity: {
      user: "alice",
      database: "app",
      endpoint: { host: "ten", port: 5433 },
      key: { pid: 500 + id },
      tls: null,
    },
    owed: { settled: true },
    txStatus: 0x49, // 'I'
    prepared: { size: 0, all: () => [] },
    sqlStatements: new Map(),
    settings: { values: new Map() },
    ...over,
  } as unknown as ServerConnection;
}
