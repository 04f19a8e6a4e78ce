import { fraction, type Random } from "../../src/kernel/mod.ts";
import type { ArbiterSettings, Command, Coordination, Rules } from "../../src/arbiter/mod.ts";
import type { MonitorConfig } from "../../src/config/mod.ts";
import type { InstanceRules } from "../../src/instances/rules.ts";
import { SharedCoordination } from "../../src/instances/shared_coordination.ts";
import { ClusterMoves } from "../../src/moves/cluster_moves.ts";
import { Leaving } from "../../src/moves/leaving.ts";
import type { OwnedCluster } from "../../src/moves/verb_runner.ts";
import { Alone } from "./alone.ts";
import { type Acknowledged, Clients } from "./clients.ts";
import type { Invariants } from "./invariants.ts";
import { ModelClock } from "./model_clock.ts";
import { CLUSTER, KeysOfInstance, type ModelKeys } from "./model_keys.ts";
import { ModelMonitor } from "./model_monitor.ts";
import { ModelRunner } from "./model_runner.ts";
import { placeOf, type Servers } from "./servers.ts";
import type { ModelStore } from "./store.ts";

/** What an instance is put into. */
export interface InstanceParts {
  /** From 0. */
  readonly number: number;
  readonly servers: Servers;
  /** Where records are: a file of its own, or keys that it shares with others. */
  readonly store: ModelStore | ModelKeys;
  readonly random: Random;
  readonly rules: Rules;
  readonly instanceRules: InstanceRules;
  readonly settings: ArbiterSettings;
  readonly invariants: Invariants;
  /** Of all instances. */
  readonly acknowledged: Acknowledged[];
  readonly rate: number;
  readonly ttlMs: number;
  readonly clients: number;
  readonly tell: (text: string) => void;
  /** Promises may have been settled: what waits for them is to run. */
  readonly touched: () => void;
}

interface Waits {
  readonly life: number | null;
  readonly kind: "timer" | "message";
  readonly run: () => void;
}

/**
 * One pgplex: the real coordination and the real moves, on a model of its store, its monitor, its sessions at the nodes and its clients.
 * It may crash and begin again, or be asleep for a while.
 */
export class ModelInstance {
  readonly number: number;
  readonly clients: Clients;
  readonly clock: ModelClock;
  settings: ArbiterSettings;
  /** By which the others know it, from its next life on. */
  id: number;
  /** The number of the present life. */
  life = 0;
  coordination: Coordination | null = null;
  /** Replies of verbs are lost. */
  losesReplies = false;
  /** It has written the record, and does not know yet what became of that. */
  awaitsRecord = false;
  /** Commands that were asked for, and not answered yet: when. */
  readonly asked = new Map<string, number>();
  readonly #parts: InstanceParts;
  #moves: ClusterMoves | null = null;
  #monitor: ModelMonitor | null = null;
  #leaving: Leaving | null = null;
  /** How often its file has come to have the cluster, or to lack it. */
  #service = 0;
  #isAsleep = false;
  #backlog: Waits[] = [];
  #ids = 0;

  constructor(parts: InstanceParts) {
    const { number, servers, invariants, random, rate } = parts;
    this.#parts = parts;
    this.number = number;
    this.id = number + 1;
    this.settings = parts.settings;
    this.clock = new ModelClock(servers.agenda, {
      rate,
      zeroMs: Math.round(fraction(random) * 1e6),
      entry: () => {
        const { life } = this;
        return (run) => this.#enter({ life, kind: "timer", run });
      },
    });
    this.clients = new Clients({
      servers,
      place: placeOf(number),
      count: parts.clients,
      acknowledged: parts.acknowledged,
      enter: (run) => this.#enter({ life: null, kind: "message", run }),
      isReachable: (node) => ["up", "suspect", "unknown"].includes(this.#monitor?.healthOf(node) ?? "down"),
      onSend: (permit) => invariants.sends(number, permit),
      onAnswer: (permit) => invariants.answers(number, permit),
      isUnsure: (node) => invariants.isUnsure(node),
    });
  }

  get isRunning(): boolean {
    return this.coordination !== null;
  }

  /** Whether its file has the cluster. */
  get serves(): boolean {
    return this.#moves !== null;
  }

  /** Whether it is there, and not asleep. */
  get isAwake(): boolean {
    return this.isRunning && !this.#isAsleep;
  }

  get incarnation(): string {
    return `i${this.number + 1}.${this.life}`;
  }

  get record() {
    return this.#moves?.record ?? null;
  }

  /** Whether it may send something to a primary, by its own clock. */
  get hasPermit(): boolean {
    return this.coordination !== null && this.clock.nowMs() < this.coordination.permitUntilMs(CLUSTER);
  }

  /** Begins a life, with what the store has. */
  start(): void {
    if (this.isRunning) return;
    this.life++;
    const { life, number } = this;
    const { invariants } = this.#parts;
    this.#tell(`pgplex starts: ${this.incarnation}`);
    invariants.begins(number);
    const enter = (run: () => void) => this.#enter({ life, kind: "message", run });
    const coordination = this.#coordinate(enter);
    const listen = coordination.listen.bind(coordination);
    coordination.listen = (cluster, listener) =>
      listen(cluster, {
        ...listener,
        standing: () => {
          if (coordination.isLeading) invariants.leads(number);
          listener.standing();
        },
        command: (command, by) => {
          invariants.performs(by);
          return listener.command(command, by);
        },
      });
    this.#watchRecord(coordination);
    this.coordination = coordination;
    if (coordination instanceof SharedCoordination) coordination.start();
    this.#take();
  }

  #watchRecord(coordination: Coordination): void {
    const { life } = this;
    const swap = coordination.swap.bind(coordination);
    const read = coordination.record.bind(coordination);
    const knows = (): void => {
      if (life === this.life) this.awaitsRecord = false;
    };
    this.awaitsRecord = false;
    coordination.swap = async (...told) => {
      this.awaitsRecord = true;
      const result = await swap(...told);
      if (result.kind !== "unknown") knows();
      return result;
    };
    coordination.record = async (cluster) => {
      const stored = await read(cluster);
      knows();
      return stored;
    };
  }

  /** Its file has the cluster: from its start on, or from a reload. */
  #take(): void {
    const { life, number, coordination } = this;
    const { servers, invariants, random, rules } = this.#parts;
    const enter = (run: () => void) => this.#enter({ life, kind: "message", run });
    const service = ++this.#service;
    const [config, monitorConfig] = configOf(this.settings);
    const moves = new ClusterMoves(CLUSTER, config, monitorConfig, {
      runtime: { clock: this.clock } as never,
      log: this.#log(),
      store: () => Promise.resolve(coordination!),
      instance: this.id,
      changed: () => service === this.#service && this.#changed(),
      drain: (_cluster, node, { cut, reason }) => {
        if (!cut) return this.clients.runningAt(node) === 0;
        if (!reason.includes("permit")) invariants.cuts(this.clients.runningAt(node));
        this.clients.cut(node);
        return true;
      },
      release: () => {},
      failsafe: () => servers.plan.isFailsafe,
      rules,
      runnerOf: ({ name }) =>
        new ModelRunner(servers.nodes.find((node) => node.name === name)!, {
          instance: number,
          life,
          clock: this.clock,
          servers,
          invariants,
          enter,
          isLost: () => this.losesReplies && fraction(random) < 0.4,
          tell: (text) => this.#tell(text),
        }),
    });
    this.#moves = moves;
    this.#monitor = new ModelMonitor({
      instance: number,
      clock: this.clock,
      servers,
      enter,
      record: () => moves.record,
      heard: (node, watched) => {
        if (watched.answer !== null && watched.state.health === "up") {
          invariants.sampled(number, node, watched.answer);
        }
        moves.heard(watched);
      },
      tell: (text) => this.#tell(text),
    });
    void moves.start();
    this.#monitor.start();
    this.#parts.touched();
  }

  /** A reload removes the cluster from its file: what its clients have begun goes on to its end. */
  drop(): void {
    const moves = this.#moves;
    if (moves === null || !this.isAwake || this.#leaving !== null) return;
    this.#tell("the file does not have the cluster any more");
    const { clients, clock } = this;
    this.#service++;
    this.#moves = null;
    this.#monitor?.end();
    this.#monitor = null;
    this.asked.clear();
    this.#parts.invariants.disturbs(this.number);
    this.#parts.invariants.drops(this.number);
    clients.hold();
    const endListening = moves.leave("the cluster was removed");
    this.#leaving = new Leaving({
      clock,
      epoch: 0,
      permitUntilMs: () => moves.permitUntilMs,
      drain: ({ cut }) => {
        if (cut) clients.cut();
        return clients.running === 0;
      },
      ended: () => {
        this.#tell("nothing of the cluster runs any more");
        this.#leaving = null;
        endListening();
      },
    });
    this.#leaving.look();
    this.#parts.touched();
  }

  /** A reload puts it there again. */
  add(): void {
    if (!this.isAwake || this.serves) return;
    this.#tell("the file has the cluster again");
    this.#parts.invariants.disturbs(this.number);
    this.#take();
  }

  /** Dies, in whatever it was doing; or leaves, and says so to the others. */
  end({ leaves = false } = {}): void {
    const { coordination } = this;
    if (coordination === null) return;
    this.#tell(leaves ? "pgplex is stopped" : "pgplex crashes");
    if (leaves && this.isAwake) {
      this.#moves?.stop("pgplex stops");
      // What it says last is on its way when its process ends.
      void coordination.leave();
    }
    this.life++;
    this.#isAsleep = false;
    this.coordination = null;
    this.#service++;
    this.#leaving = null;
    this.#moves = null;
    this.#monitor?.end();
    this.#monitor = null;
    this.asked.clear();
    this.#hangUp();
    this.#parts.invariants.begins(this.number);
    this.clients.hold();
    this.clients.cut();
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const { life, run } of backlog) if (life === null) run();
  }

  /** The connections of a process that is gone end, where that can be told. */
  #hangUp(): void {
    const { servers, number } = this.#parts;
    const place = placeOf(number);
    for (const node of servers.nodes) {
      const open = [...node.sessions].filter(({ instance }) => instance === number);
      const end = (): void => {
        if (!servers.isOpen(place, node.id)) return servers.agenda.after(1_000, end);
        servers.at(node, () => {
          for (const session of open) node.sessions.delete(session);
        });
      };
      if (open.length > 0) servers.agenda.after(servers.latencyMs(place, node.id), end);
    }
  }

  /** Nothing runs until {@link wake}. */
  sleep(): void {
    if (!this.isRunning || this.#isAsleep) return;
    this.#tell("pgplex is stopped by SIGSTOP");
    this.#isAsleep = true;
  }

  /** Goes on, with all that has come meanwhile, and all timers that are due: in which order nobody knows. */
  wake(): void {
    if (!this.#isAsleep) return;
    this.#tell("pgplex goes on");
    this.#isAsleep = false;
    this.#parts.invariants.disturbs(this.number);
    const { random } = this.#parts;
    const queues = (["timer", "message"] as const).map((kind) =>
      this.#backlog.filter((one) => one.kind === kind)
    );
    this.#backlog = [];
    for (;;) {
      const open = queues.filter((queue) => queue.length > 0);
      if (open.length === 0) return;
      const next = open[Math.floor(fraction(random) * open.length)]!.shift()!;
      this.#enter(next);
    }
  }

  /** An operator says something here. */
  command(command: Command, by: string): void {
    if (!this.isAwake || !this.serves) return;
    this.#tell(`${by} says ${JSON.stringify(command)}`);
    this.asked.set(by, this.#parts.servers.agenda.nowMs);
    const { life } = this;
    void this.#moves!.command(command, by).then(({ ok, text }) => {
      if (life !== this.life) return;
      this.asked.delete(by);
      this.#tell(`${by} hears: ${ok ? "done" : "refused"}: ${text}`);
    });
    this.#parts.touched();
  }

  configure(settings: ArbiterSettings): void {
    this.settings = settings;
    this.#moves?.configure(...configOf(settings));
    this.#parts.touched();
  }

  /** Connections to a node have ended. */
  lost(node: Parameters<ModelMonitor["lost"]>[0]): void {
    this.#monitor?.lost(node);
  }

  /** A round of events begins: first of all it is looked whether the permit has ended meanwhile. */
  #enter(waits: Waits): void {
    const { life, run } = waits;
    if (life !== null && life !== this.life) return;
    if (this.#isAsleep) {
      this.#backlog.push(waits);
      return;
    }
    this.coordination?.look();
    this.#moves?.look();
    this.#leaving?.look();
    run();
    this.#parts.touched();
  }

  #changed(): void {
    const stance = this.#moves?.stance;
    if (stance === undefined) return;
    const { clients } = this;
    const { invariants, servers } = this.#parts;
    if (stance.kind === "hold") {
      if (clients.permit !== null) this.#tell(`clients are held: ${stance.reason}`);
      invariants.holds(this.number, stance.epoch);
      return clients.hold();
    }
    const { epoch, primary, timeline } = stance;
    const { permit } = clients;
    if (permit?.node.name === primary && permit.epoch === epoch && permit.timeline === timeline) return;
    const node = servers.nodes.find(({ name }) => name === primary)!;
    this.#tell(`clients go to ${primary} (epoch ${epoch}, timeline ${timeline})`);
    invariants.serves(this.number, node, { epoch, timeline });
    clients.serve({ node, epoch, timeline });
  }

  #coordinate(enter: (run: () => void) => void): Coordination {
    const { number, servers, store, ttlMs, instanceRules } = this.#parts;
    if (!("entries" in store)) return new Alone(store, { servers, enter });
    const { life, incarnation } = this;
    const keys = new KeysOfInstance(store, {
      number,
      incarnation,
      enter,
      after: (delayMs, fire) => this.clock.after(delayMs, fire),
    });
    const { id } = this;
    return new SharedCoordination({
      store: keys,
      clock: this.clock,
      log: this.#log(),
      self: { id, incarnation, name: `host${id}`, address: null, version: "1", sinceMs: 0 },
      ttlMs,
      newId: () => `${number + 1}.${life}.${++this.#ids}`,
      rules: instanceRules,
    });
  }

  #log() {
    const say = (level: string) => (text: string, fields: Readonly<Record<string, unknown>> = {}) => {
      const { evidence, error } = fields;
      if (typeof error === "string" && text.startsWith("a defect")) this.#parts.invariants.crashed(error);
      this.#tell(`${level}: ${text}${evidence === undefined ? "" : ` [${evidence}]`}`);
    };
    return { debug: say("debug"), info: say("info"), warning: say("warning"), error: say("error") } as const;
  }

  #tell(text: string): void {
    this.#parts.tell(text);
  }
}

/** The settings as a file has them, as far as they are looked at. */
function configOf(settings: ArbiterSettings): [OwnedCluster, MonitorConfig] {
  const cluster = {
    failover: settings.mode,
    nodes: settings.nodes,
    rejoin: settings.rejoin,
    fence: settings.fence,
    max_failover_lag: settings.maxFailoverLagBytes,
    sync_wait: settings.syncWaitMs,
    switchover_timeout: settings.switchoverTimeoutMs,
    promote_timeout: settings.promoteTimeoutMs,
    failover_interval: settings.failoverIntervalMs,
  };
  const monitor = {
    failure_timeout: settings.failureTimeoutMs,
    primary_start_timeout: settings.primaryStartTimeoutMs,
  };
  return [cluster as unknown as OwnedCluster, monitor as unknown as MonitorConfig];
}
