import pg from "pg";
import { type Config, formatProblem, parseConfig } from "../../src/config/mod.ts";
import { type Clock, PgplexError, type Random, RoundClock } from "../../src/kernel/mod.ts";
import { Listener } from "../../src/listener/mod.ts";
import { mergeTopology, NO_TOPOLOGY, type NodeFacts, type TopologyNode } from "../../src/topology/mod.ts";
import { EpollNetwork, RuntimeNetwork } from "../../src/transport/mod.ts";
import { Worker } from "../../src/worker.ts";
import { type Connection, freePort, waitFor, WireClient } from "./mod.ts";
import { Replicas, type ReplicasOptions } from "./replicas.ts";

/** What a test says of a node in place of what {@link ReadPlay.sample} finds. */
export type NodeSaid = Partial<Omit<TopologyNode, "facts">> & { readonly facts?: Partial<NodeFacts> };

/** What {@link ReadPlay.start} starts. */
export interface ReadPlayOptions extends ReplicasOptions {
  /** The configuration's `balance`, `pool` and `routing.databases` as YAML in braces. */
  balance?: string;
  pool?: string;
  databases?: string;
}

const SAMPLE = `SELECT pg_is_in_recovery() AS recovers,
  (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END - '0/0')::text AS lsn,
  current_setting('server_version_num')::int AS version`;

/** When the primary was asked, and what it had written when it answered. */
interface PrimaryMark {
  readonly sentMs: number;
  readonly lsn: bigint;
}

/**
 * A primary with standbys, and a worker of pgplex in this process that serves them. What is known of the nodes is what the test
 * publishes: {@link sample} asks them as a monitor does.
 */
export class ReadPlay implements AsyncDisposable {
  readonly replicas: Replicas;
  readonly worker: Worker;
  readonly clock: Clock;
  readonly port: number;
  /** Errors that were logged. */
  readonly errors: string[] = [];
  readonly #options: ReadPlayOptions;
  #listener: Listener | null = null;
  readonly #clients: pg.Client[] = [];
  readonly #marks: PrimaryMark[] = [];
  readonly #said = new Map<string, NodeSaid>();
  /** The nodes as the file has them. */
  readonly #configured: readonly TopologyNode[];
  #sampling: Promise<void> | null = null;
  #monitoring: Promise<void> | null = null;
  #stop: (() => void) | null = null;

  static async start(options: ReadPlayOptions = {}): Promise<ReadPlay> {
    const replicas = await Replicas.start(options);
    const port = freePort();
    const play = new ReadPlay(replicas, port, options);
    try {
      await play.#open();
      return play;
    } catch (error) {
      await play[Symbol.asyncDispose]();
      throw error;
    }
  }

  #configOf({ balance = "{}", pool = "{}", databases = "{}" }: ReadPlayOptions): Config {
    const nodes = JSON.stringify(this.replicas.config);
    const parsed = parseConfig(
      `
listen: { address: 127.0.0.1, port: ${this.port} }
auth: { type: trust }
clusters: { main: { nodes: ${nodes}, superuser: null, tls: { mode: disable } } }
routing: { default_cluster: main, databases: ${databases} }
balance: ${balance}
pool: ${pool}
`,
      { file: "pgplex.yaml" },
    );
    if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
    return parsed.config;
  }

  /** Puts another `balance` in force. */
  balance(balance: string): void {
    const effective = this.#configOf({ ...this.#options, balance });
    this.worker.apply({ effective, live: ["balance"], restart: [] });
  }

  private constructor(replicas: Replicas, port: number, options: ReadPlayOptions) {
    this.#options = options;
    this.replicas = replicas;
    this.port = port;
    const config = this.#configOf(options);
    const clock = new RoundClock(systemClock());
    const say = (message: string, fields?: unknown) =>
      void this.errors.push(`${message} ${JSON.stringify(fields)}`);
    this.clock = clock;
    const topology = mergeTopology(NO_TOPOLOGY, config);
    this.#configured = topology.clusters.get("main")!.nodes;
    this.worker = new Worker(config, topology, {
      clock,
      random: RANDOM,
      network: EpollNetwork.open(clock) ?? new RuntimeNetwork(),
      log: { debug() {}, info() {}, warning() {}, error: say },
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      mockKey: new Uint8Array(32),
      index: 0,
      cancelPeers: () => [],
      onServerTrouble() {},
    });
  }

  async #open(): Promise<void> {
    this.#listener = await Listener.tcp(this.worker, this.worker.runtime.network, "127.0.0.1");
    void this.#listener.run();
    this.worker.start({
      opens: () => false,
      clientsOf: () => 0,
      admit: () => Promise.reject(new Error("no console")) as never,
    });
    await this.sample();
  }

  /** How drivers and psql reach `database`. */
  connection(database = "postgres"): Connection {
    return { host: "127.0.0.1", port: this.port, user: "postgres", password: "", database };
  }

  /** A client that is logged in. `intent` goes with its connection string. */
  async client(
    { intent, database = "postgres", user = "postgres", params = {} }: {
      intent?: "read" | "write";
      database?: string;
      user?: string;
      params?: Record<string, string>;
    } = {},
  ): Promise<WireClient> {
    const given: Record<string, string> = intent === undefined
      ? params
      : { ...params, options: `${params["options"] ?? ""} -c pgplex.intent=${intent}`.trim() };
    return await WireClient.connect({ host: "127.0.0.1", port: this.port }, {
      user,
      database,
      params: given,
    });
  }

  /** The name of the node at this port. */
  nodeAt(port: string | null): string {
    const index = this.replicas.nodes.findIndex((node) => String(node.port) === port);
    return this.replicas.names[index] ?? `nobody at ${port}`;
  }

  /** What the next samples say of a node, whatever it answers; null: what it answers. */
  async says(name: string, said: NodeSaid | null): Promise<void> {
    if (said === null) this.#said.delete(name);
    else this.#said.set(name, said);
    await this.sample();
  }

  /** Asks all nodes, and publishes what they say. */
  async sample(): Promise<void> {
    while (this.#sampling !== null) await this.#sampling;
    this.#sampling = this.#sample().finally(() => this.#sampling = null);
    await this.#sampling;
  }

  /** Samples without end, each so many milliseconds behind the last, until {@link rests}. */
  monitor(everyMs: number): void {
    let stopped = false;
    let wake = () => {};
    this.#stop = () => {
      stopped = true;
      wake();
    };
    this.#monitoring = (async () => {
      while (!stopped) {
        await this.sample();
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, everyMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    })();
  }

  /** Ends {@link monitor}. */
  async rests(): Promise<void> {
    this.#stop?.();
    this.#stop = null;
    await this.#monitoring;
    this.#monitoring = null;
  }

  async #sample(): Promise<void> {
    const { nodes, names } = this.replicas;
    const { current } = this.worker.topology;
    const cluster = current.clusters.get("main")!;
    const [first, ...others] = nodes.map((_, index) => index);
    const said = [await this.#ask(first!), ...await Promise.all(others.map((index) => this.#ask(index)))];
    const primaryLsn = said.find(({ role }) => role === "primary")?.facts?.lsn ?? 0n;
    const known = said.map((node, index): TopologyNode => {
      const before = this.#configured.find(({ name }) => name === names[index])!;
      const facts = node.facts === null ? null : {
        ...node.facts,
        lagBytes: node.role === "standby" ? Number(primaryLsn - node.facts.replayLsn) : null,
      };
      const forced = this.#said.get(names[index]!) ?? {};
      return {
        ...before,
        ...node,
        ...forced,
        facts: facts === null ? null : { ...facts, ...forced.facts },
      };
    });
    const next = new Map(current.clusters).set("main", { ...cluster, nodes: known });
    this.worker.publish({ serial: current.serial + 1, clusters: next });
  }

  async #ask(index: number): Promise<Pick<TopologyNode, "role" | "health" | "facts">> {
    const client = await this.#client(index);
    const sentMs = this.clock.nowMs();
    const { rows: [row] } = await client.query(SAMPLE);
    const lsn = BigInt(row.lsn);
    if (!row.recovers) {
      this.#marks.push({ sentMs, lsn });
      if (this.#marks.length > 10_000) this.#marks.shift();
    }
    const replayed = this.#marks.findLast((mark) => mark.lsn <= lsn);
    const facts: NodeFacts = {
      atMs: sentMs,
      latencyMs: 1,
      version: row.version,
      system: "1",
      timeline: null,
      lsn,
      replayLsn: lsn,
      streaming: row.recovers,
      freshMs: row.recovers ? replayed?.sentMs ?? -Infinity : Infinity,
      lagBytes: null,
      slotsUsed: 0,
      slotsMax: 100,
      hasSchema: false,
      load: null,
    };
    return { role: row.recovers ? "standby" : "primary", health: "up", facts };
  }

  async #client(index: number): Promise<pg.Client> {
    const known = this.#clients[index];
    if (known !== undefined) return known;
    const client = new pg.Client({ connectionString: this.replicas.nodes[index]!.url() });
    client.on("error", () => {});
    await client.connect();
    return this.#clients[index] = client;
  }

  /** Waits until both standbys are known to have replayed what the primary has written by now. */
  async caughtUp(): Promise<void> {
    const nowMs = this.clock.exactMs();
    await waitFor(async () => {
      await this.sample();
      const { nodes } = this.worker.topology.current.clusters.get("main")!;
      return nodes.every(({ role, facts }) => role !== "standby" || facts!.freshMs > nowMs);
    }, { what: "standbys to catch up" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rests();
    this.#listener?.close();
    this.worker.stop(new PgplexError("shutting_down", "the test is over"));
    for (const client of this.#clients) await client?.end();
    await this.replicas[Symbol.asyncDispose]();
    const internal = this.errors.filter((error) => error.includes("internal"));
    if (internal.length > 0) throw new Error(internal.join("\n"));
  }
}

const RANDOM: Random = {
  u32: () => crypto.getRandomValues(new Uint32Array(1))[0]!,
  fill: (bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>),
};

function systemClock(): Clock {
  return {
    nowMs: () => performance.now(),
    exactMs: () => performance.now(),
    wallMs: () => Date.now(),
    after: (delayMs, fire) => {
      const id = setTimeout(fire, Math.min(delayMs, 2 ** 31 - 1));
      return { cancel: () => clearTimeout(id) };
    },
  };
}
