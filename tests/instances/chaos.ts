import { type Place, waitFor } from "../harness/mod.ts";
import { shown } from "../harness/console_shown.ts";
import { Network } from "../harness/netns.ts";
import { type Actor, ACTORS, type Fault, leavesMajority, Remains, type Roles, textOf } from "./faults.ts";
import { JudgedWriter, pause, Timelines } from "./judged_writer.ts";
import { Party } from "./party.ts";

/** How long writes may stand still behind a fault. */
export const WRITES_WITHIN_MS = 10_000;

/** How long the cluster may take to be whole again behind the end of all faults. */
const WHOLE_WITHIN_MS = 90_000;

/** Programs with pg_rewind, without which an old primary cannot come back. */
export const BIN = "/usr/lib/postgresql/15/bin";

type Places = Readonly<Record<keyof typeof ACTORS, readonly Place[]>>;

/** What a round has shown. */
export interface Round {
  readonly text: string;
  /** The longest time without an acknowledged write by instance that had what it needs, in milliseconds. */
  readonly pausesMs: ReadonlyMap<Actor, number>;
  readonly wholeMs: number;
  /** Whether writes had to go on: a majority of each kind was left. */
  readonly isJudged: boolean;
}

/** Three instances, three members of etcd, three nodes, each on its own in a network, and clients that write through all instances. */
export class Chaos implements AsyncDisposable {
  readonly party: Party;
  readonly timelines = new Timelines();
  readonly #network: Network;
  readonly #places: Places;
  readonly #writers: ReadonlyMap<Actor, readonly JudgedWriter[]>;
  /** The faults that last now, those whose ends have not been awaited too. */
  readonly #active = new Set<Fault>();
  /** Since when an instance has all that it needs; missing: it has not. */
  readonly #servesSinceMs = new Map<Actor, number>();
  #pausesMs = new Map<Actor, number>();
  #rounds = 0;

  private constructor(network: Network, party: Party, places: Places) {
    this.#network = network;
    this.party = party;
    this.#places = places;
    const { timelines } = this;
    const all = ACTORS.instance.flatMap((instance, at) => [0, 1].map((kind) => ({ instance, at, kind })));
    const writers = all.map(({ instance, at, kind }, first) => {
      const target = () => party.instances[at]?.pgplex ?? null;
      const inTransaction = kind === 1;
      return {
        instance,
        writer: new JudgedWriter(target, { timelines, inTransaction, first, step: all.length }),
      };
    });
    this.#writers = new Map(
      ACTORS.instance.map((
        instance,
      ) => [instance, writers.filter((one) => one.instance === instance).map(({ writer }) => writer)]),
    );
  }

  static async start(): Promise<Chaos> {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await Network.create());
    const places = {
      instance: await network.places(3),
      member: await network.places(3),
      node: await network.places(3),
    };
    const party = stack.use(
      await Party.start({
        major: 15,
        binDir: BIN,
        synchronous: "ANY 1 (n1, n2, n3)",
        cluster: { rejoin: "sql" },
        config: { log: { level: "info" } },
        places: { instances: places.instance, members: places.member, nodes: places.node },
      }),
    );
    const chaos = new Chaos(network, party, places);
    stack.move();
    return chaos;
  }

  /** Does some harm, mends it, and waits until all is whole. */
  async round(harm: (roles: Roles) => Fault[]): Promise<Round> {
    const roles = await this.#roles();
    const faults = harm(roles);
    const text = `${++this.#rounds} (primary ${roles.primary}, leader ${roles.leader}): ${
      faults.map(textOf).join("; ")
    }`;
    this.#pausesMs = new Map();
    this.#servesSinceMs.clear();
    let isWatching = true;
    const watching = (async () => {
      for (; isWatching; await pause(20)) this.#watch(roles);
    })();
    const beganMs = performance.now();
    try {
      await Promise.all(faults.map((fault) => this.#play(fault)));
      const mendedMs = performance.now();
      await this.#whole();
      const wholeMs = performance.now() - mendedMs;
      await this.#checkRows([await this.#primaryIndex()]);
      return { text, pausesMs: this.#pausesMs, wholeMs, isJudged: leavesMajority(faults, roles) };
    } catch (thrown) {
      const pauses = [...this.#pausesMs].map(([actor, ms]) => `${actor}: ${Math.round(ms)} ms`).join(", ");
      throw new Error(
        `round ${text}, ${Math.round(performance.now() - beganMs)} ms behind its begin: ${
          (thrown as Error).message
        }\npauses: ${pauses}`,
        { cause: thrown },
      );
    } finally {
      isWatching = false;
      await watching;
    }
  }

  /** Stops the writers, and looks whether each node has what was acknowledged. */
  async judge(): Promise<void> {
    const primary = await this.#primaryIndex();
    await this.#stopWriters();
    const { replicas } = this.party;
    for (let at = 0; at < replicas.nodes.length; at++) {
      if (at !== primary) await replicas.caughtUp(at, primary);
    }
    await this.#checkRows([0, 1, 2]);
  }

  /** How many writes were acknowledged, and what failed how often. */
  get summary(): string {
    const writers = [...this.#writers.values()].flat();
    const failed = new Map<string, number>();
    for (const writer of writers) {
      for (const [what, count] of writer.failed) failed.set(what, (failed.get(what) ?? 0) + count);
    }
    const count = writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    return `${count} rows on ${this.timelines.newest} timelines; failed: ${
      [...failed].map(([what, count]) => `${what} ${count} times`).join(", ") || "none"
    }`;
  }

  /** What all instances have logged, also those that were killed, and the nodes. */
  async logs(): Promise<ReadonlyMap<string, string>> {
    const { party } = this;
    const logs = new Map<string, string>();
    for (const at of [0, 1, 2]) {
      const before = party.logs.filter(({ id }) => id === at + 1).map(({ log }) => log);
      logs.set(`instance ${at}`, [...before, party.instances[at]?.pgplex.log ?? ""].join("-- again --\n"));
      logs.set(`node ${at}`, await party.replicas.nodes[at]!.log());
      logs.set(`member ${at}`, party.etcd.members[at]!.log);
    }
    return logs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stopWriters();
    await this.party[Symbol.asyncDispose]();
    await this.#network[Symbol.asyncDispose]();
  }

  async #stopWriters(): Promise<void> {
    await Promise.all([...this.#writers.values()].flat().map((writer) => writer.stop()));
  }

  async #roles(): Promise<Roles> {
    const leader = await this.party.leader();
    return { leader: ACTORS.instance[leader - 1]!, primary: ACTORS.node[await this.#primaryIndex()]! };
  }

  async #primaryIndex(): Promise<number> {
    const { primary } = await this.party.there[0]!.cluster();
    return this.party.replicas.names.indexOf(primary!);
  }

  async #play(fault: Fault): Promise<void> {
    await pause(fault.afterMs);
    this.#active.add(fault);
    this.#servesSinceMs.clear();
    await this.#begin(fault);
    await pause(fault.lastsMs);
    await this.#end(fault);
    this.#active.delete(fault);
  }

  async #begin({ what, actor, others, how }: Fault): Promise<void> {
    const [kind, at] = partsOf(actor);
    if (what === "cut") {
      await Promise.all(
        others.map((other) => this.#network.cut(this.#placeOf(actor), this.#placeOf(other), how)),
      );
      return;
    }
    const { instances, replicas, etcd } = this.party;
    if (kind === "instance") {
      if (what === "stop") instances[at]!.pgplex.signal("SIGSTOP");
      else await this.party.kill(at + 1, what === "kill" ? "SIGKILL" : "SIGTERM");
    } else if (kind === "member") {
      if (what === "stop") etcd.members[at]!.signal("SIGSTOP");
      else await etcd.members[at]!.stop(what === "kill" ? "SIGKILL" : "SIGTERM");
    } else {
      const node = replicas.nodes[at]!;
      await node.adopt();
      if (what === "restart") await node.stop();
      else await node.kill(what === "stop" ? "SIGSTOP" : "SIGKILL");
    }
  }

  async #end({ what, actor, others }: Fault): Promise<void> {
    const [kind, at] = partsOf(actor);
    if (what === "cut") {
      await Promise.all(
        others.map((other) => this.#network.mend(this.#placeOf(actor), this.#placeOf(other))),
      );
      return;
    }
    const { instances, replicas, etcd } = this.party;
    if (what === "stop") {
      if (kind === "instance") instances[at]!.pgplex.signal("SIGCONT");
      else if (kind === "member") etcd.members[at]!.signal("SIGCONT");
      else await replicas.nodes[at]!.kill("SIGCONT");
    } else if (kind === "instance") await this.party.join(at + 1);
    else if (kind === "member") await etcd.members[at]!.start();
    else await this.#startNode(at);
  }

  /** As a supervisor does: pgplex may stop it at any time to make a standby of it. */
  async #startNode(at: number): Promise<void> {
    const node = this.party.replicas.nodes[at]!;
    await node.start().catch(async (thrown) => {
      await waitFor(() => node.adopt(), { what: `n${at + 1} to start (${thrown})`, deadlineMs: 60_000 });
    });
  }

  #placeOf(actor: Actor): Place {
    const [kind, at] = partsOf(actor);
    return this.#places[kind][at]!;
  }

  /** Looks how long instances that have all they need have not written. */
  #watch(roles: Roles): void {
    const nowMs = performance.now();
    const remains = new Remains([...this.#active]);
    const writers = [...this.#writers.values()].flat();
    const { lastHost } = writers.reduce((last, writer) => writer.lastMs > last.lastMs ? writer : last);
    const found = this.#places.node.findIndex(({ host }) => host === lastHost);
    const last = ACTORS.node[found] ?? roles.primary;
    // While the last primary is gone its successor may be any of the others.
    const isGone = !ACTORS.instance.some((one) => remains.reach(one, last));
    for (const [instance, own] of this.#writers) {
      const needed = isGone ? ACTORS.node.filter((node) => node !== last && remains.isUp(node)) : [last];
      if (!needed.every((node) => remains.serves(instance, node))) {
        this.#servesSinceMs.delete(instance);
        continue;
      }
      const sinceMs = this.#servesSinceMs.get(instance) ?? nowMs;
      this.#servesSinceMs.set(instance, sinceMs);
      const lastMs = Math.max(sinceMs, ...own.map(({ lastMs }) => lastMs));
      this.#pausesMs.set(instance, Math.max(this.#pausesMs.get(instance) ?? 0, nowMs - lastMs));
    }
  }

  /** Waits until all instances serve, and both standbys of the primary stream. */
  async #whole(): Promise<void> {
    let last = "";
    const isWhole = async () => {
      const { party } = this;
      const states = await Promise.all(party.there.map(async (one) => {
        const rows = await shown(one.console, "SHOW INSTANCES");
        const { phase, primary } = await one.cluster();
        return `${phase} ${primary}, ${await one.state()}, ${
          rows.filter(({ leader }) => leader === "t").length
        } leads`;
      }));
      last = states.join("; ");
      const [state] = states;
      const standbys = state!.split("standby up").length - 1;
      if (states.length < 3 || !states.every((one) => one === state)) return false;
      if (!/^serving/.test(state!) || standbys !== 2 || !state!.endsWith(" 1 leads")) return false;
      const [row] = await party.replicas.nodes[await this.#primaryIndex()]!.sql(
        "SELECT count(*)::int AS n FROM pg_stat_replication WHERE state = 'streaming'",
      );
      last += `; ${row!["n"]} stream`;
      return row!["n"] === 2;
    };
    await waitFor(isWhole, { what: "all to be whole again", deadlineMs: WHOLE_WITHIN_MS, everyMs: 100 })
      .catch((thrown) => {
        throw new Error(`${thrown.message}; it is ${last}`);
      });
  }

  /** Each acknowledged row is there, and none twice. */
  async #checkRows(nodes: readonly number[]): Promise<void> {
    const acknowledged = [...this.#writers.values()].flat().flatMap((writer) => writer.acknowledged);
    for (const at of nodes) {
      const [row] = await this.party.replicas.nodes[at]!.sql("SELECT array_agg(n) AS there FROM w");
      const there = row!["there"] as number[];
      const set = new Set(there);
      const lost = acknowledged.filter((n) => !set.has(n));
      if (lost.length > 0) {
        throw new Error(`LOST on n${at + 1}: ${lost.length} rows, ${lost.slice(0, 20).join()}`);
      }
      if (set.size < there.length) throw new Error(`TWICE on n${at + 1}: ${there.length - set.size} rows`);
    }
    if (this.timelines.violations.length > 0) {
      throw new Error(`TWO TIMELINES: ${this.timelines.violations.slice(0, 20).join("; ")}`);
    }
  }
}

function partsOf(actor: Actor): [kind: keyof typeof ACTORS, at: number] {
  const [kind, at] = actor.split(" ") as [keyof typeof ACTORS, string];
  return [kind, Number(at)];
}
