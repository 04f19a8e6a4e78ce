import { fraction, type Random } from "../../src/kernel/mod.ts";
import {
  afterOutcome,
  afterTime,
  type HealthState,
  lapsesAtMs,
  UNASKED,
} from "../../src/monitor/node_health.ts";
import {
  Arbiter,
  type ArbiterAction,
  type ArbiterEvent,
  type ArbiterSettings,
  type Command,
  type Rules,
  type Said,
  type Verb,
  type VerbResult,
} from "../../src/arbiter/mod.ts";
import type { Agenda } from "./agenda.ts";
import { Clients } from "./clients.ts";
import { Invariants } from "./invariants.ts";
import type { ModelNode } from "./model_node.ts";
import { PGPLEX, type Servers } from "./servers.ts";
import type { ModelStore } from "./store.ts";

const LIMITS = { failureTimeoutMs: 3_000, failureConfirmMs: 300 };
const QUERY_MS = 2_000;

interface Watched {
  state: HealthState;
  sinceMs: number;
  said: Said | null;
  isAsking: boolean;
  serial: number;
}

/** One pgplex with its driver: it may crash, and begin again. What its clients do goes on through it. */
export class ModelPgplex {
  readonly clients: Clients;
  readonly invariants: Invariants;
  settings: ArbiterSettings;
  /** The number of the present life. */
  life = 0;
  arbiter: Arbiter | null = null;
  /** Replies of verbs are lost. */
  losesReplies = false;
  /** Called with each record that is stored. */
  onRecord: () => void = () => {};
  readonly #agenda: Agenda;
  readonly #servers: Servers;
  readonly #store: ModelStore;
  readonly #random: Random;
  readonly #rules: Rules;
  readonly #tell: (text: string) => void;
  #watched = new Map<ModelNode, Watched>();
  #nextCommand = 1;
  #timerMs = Infinity;
  #epoch = 0;

  constructor({ agenda, servers, store, random, rules, settings, tell }: {
    readonly agenda: Agenda;
    readonly servers: Servers;
    readonly store: ModelStore;
    readonly random: Random;
    readonly rules: Rules;
    readonly settings: ArbiterSettings;
    readonly tell: (text: string) => void;
  }) {
    this.#agenda = agenda;
    this.#servers = servers;
    this.#store = store;
    this.#random = random;
    this.#rules = rules;
    this.settings = settings;
    this.#tell = tell;
    servers.onEnd = (node) => {
      const { life } = this;
      agenda.after(20, () => {
        const watched = this.#watched.get(node);
        if (watched !== undefined && life === this.life && servers.isOpen(PGPLEX, node.id)) {
          this.#ask(node, watched, life);
        }
      });
    };
    this.invariants = new Invariants({ agenda, servers, store });
    this.clients = new Clients({
      agenda,
      servers,
      count: 2,
      isReachable: (node) => {
        const health = this.#watched.get(node)?.state.health;
        return health === "up" || health === "suspect" || health === "unknown";
      },
      onSend: (permit) => this.invariants.sends(permit),
    });
  }

  get isRunning(): boolean {
    return this.arbiter !== null;
  }

  /** Begins a life, with what the store has. */
  start(): void {
    if (this.arbiter !== null) return;
    this.life++;
    this.#timerMs = Infinity;
    this.#watched = new Map(this.#servers.nodes.map((node) => [
      node,
      { state: UNASKED, sinceMs: this.#agenda.nowMs, said: null, isAsking: false, serial: 0 },
    ]));
    const stored = this.#store.read();
    this.#tell(
      `pgplex starts: ${
        stored === null ? "no record" : `epoch ${stored.record.epoch}, ${stored.record.phase}`
      }`,
    );
    this.invariants.begins(this.life);
    this.arbiter = new Arbiter({
      settings: this.settings,
      stored,
      instance: 1,
      now: this.#now,
      rules: this.#rules,
    });
    for (const node of this.#servers.nodes) this.#beat(node, this.life);
    this.#input({ kind: "time" });
  }

  /** Dies, in whatever it was doing. */
  crash(): void {
    if (this.arbiter === null) return;
    this.#tell("pgplex crashes");
    this.life++;
    this.arbiter = null;
    this.invariants.begins(this.life);
    this.clients.hold(true, () => {});
  }

  command(command: Command): void {
    if (this.arbiter === null) return;
    this.#tell(`an operator says ${JSON.stringify(command)}`);
    this.#input({ kind: "command", id: this.#nextCommand++, by: "operator", command });
  }

  configure(settings: ArbiterSettings): void {
    this.settings = settings;
    if (this.arbiter !== null) this.#act(this.arbiter.configure(settings, this.#now));
  }

  get #now() {
    return { nowMs: this.#agenda.nowMs, wallMs: this.#agenda.nowMs };
  }

  #input(event: ArbiterEvent): void {
    if (this.arbiter === null) return;
    this.#act(this.arbiter.input(event, this.#now));
    if (this.arbiter === null) return;
    const { dueMs } = this.arbiter;
    if (this.#timerMs <= dueMs) return;
    this.#timerMs = dueMs;
    const { life } = this;
    this.#agenda.after(dueMs - this.#agenda.nowMs, () => {
      if (life !== this.life || this.#timerMs !== dueMs) return;
      this.#timerMs = Infinity;
      this.#input({ kind: "time" });
    });
  }

  #later(delayMs: number, run: () => void): void {
    const { life } = this;
    this.#agenda.after(delayMs, () => {
      if (life === this.life) run();
    });
  }

  #act(actions: readonly ArbiterAction[]): void {
    for (const action of actions) {
      if (this.arbiter === null) return;
      this.#actOne(action);
    }
  }

  #actOne(action: ArbiterAction): void {
    switch (action.kind) {
      case "write":
        return this.#write(action);
      case "read":
        return this.#later(this.#servers.between(1, 5), () => {
          this.#input({ kind: "record", stored: this.#store.read() });
        });
      case "verb":
        return this.#verb(action);
      case "serve": {
        const node = this.#servers.nodes.find(({ name }) => name === action.primary)!;
        this.#tell(`clients go to ${action.primary} (epoch ${action.epoch}, timeline ${action.timeline})`);
        this.invariants.serves(node, action, this.clients.acknowledged);
        return this.clients.serve({ node, epoch: action.epoch, timeline: action.timeline });
      }
      case "hold": {
        this.#tell(`clients are held (epoch ${action.epoch}${action.cut ? ", cut" : ""}): ${action.reason}`);
        this.#epoch = action.epoch;
        if (action.cut) this.invariants.cuts(this.clients.running);
        let isTold = false;
        const say = (isDrained: boolean) =>
          this.#later(this.#servers.between(0.1, 5), () => {
            this.#input({ kind: "acknowledged", instance: 1, epoch: action.epoch, isDrained });
          });
        this.clients.hold(action.cut, () => {
          isTold = true;
          say(true);
        });
        if (!isTold) say(false);
        return;
      }
      case "report":
        return this.#tell(
          `${action.level}: ${action.text}${
            action.evidence.length > 0 ? ` [${action.evidence.join("; ")}]` : ""
          }`,
        );
      case "answer":
        return this.#tell(`the operator hears: ${action.ok ? "done" : "refused"}: ${action.text}`);
    }
  }

  #write({ record, revision }: ArbiterAction & { kind: "write" }): void {
    const swap = () => {
      const before = this.#store.record;
      const written = this.#store.swap(revision, record);
      if (written !== null) {
        const { epoch, phase, primary, move } = record;
        if (move?.step !== before?.move?.step || phase !== before?.phase) {
          this.#tell(
            `record: epoch ${epoch} ${phase} ${primary}${
              move === null ? "" : `, ${move.kind} at ${move.step}, candidate ${move.candidate}`
            }`,
          );
        }
        this.invariants.stored(before, record);
      }
      return written;
    };
    if (this.#store.isBroken) {
      const draw = fraction(this.#random);
      if (draw < 0.3) return this.#later(5, () => this.#input({ kind: "write failed", reason: "no space" }));
      if (draw < 0.7) {
        // It may be stored, also behind a crash.
        const delayMs = this.#servers.between(1, 30);
        if (draw < 0.5) this.#agenda.after(delayMs, () => void (swap() !== null && this.onRecord()));
        return this.#later(delayMs + 10, () => this.#input({ kind: "write unknown", reason: "no answer" }));
      }
    }
    const { life } = this;
    this.#agenda.after(this.#servers.between(1, 15), () => {
      const written = swap();
      if (written !== null) this.onRecord();
      if (life !== this.life) return;
      if (written === null) this.#input({ kind: "record", stored: this.#store.read() });
      else this.#input({ kind: "written", revision: written });
    });
  }

  #verb({ id, node: name, verb, deadlineMs }: ArbiterAction & { kind: "verb" }): void {
    const node = this.#servers.nodes.find((one) => one.name === name)!;
    const { life } = this;
    const askedMs = this.#agenda.nowMs;
    if (verb.kind !== "inspect") this.#tell(`  ${verb.kind} at ${name}`);
    let isEnded = false;
    const end = (result: VerbResult) => {
      if (isEnded || life !== this.life) return;
      isEnded = true;
      this.#input({ kind: "result", id, result });
    };
    this.#agenda.after(
      deadlineMs - askedMs,
      () => end({ ok: false, kind: "unknown", reason: "no answer in time" }),
    );
    const reply = (result: VerbResult, delayMs = 0) => {
      this.#agenda.after(delayMs + this.#servers.latencyMs(PGPLEX, node.id), () => {
        const isLost = this.losesReplies && fraction(this.#random) < 0.4;
        if (!isLost && this.#servers.isOpen(PGPLEX, node.id) && node.process !== "stopped") end(result);
      });
    };
    this.#agenda.after(this.#servers.latencyMs(PGPLEX, node.id), () => {
      if (!this.#servers.isOpen(PGPLEX, node.id)) return;
      const isThere = this.#servers.at(node, (isLate) => {
        if (!node.isServing(this.#agenda.nowMs)) {
          return reply({ ok: false, kind: "failed", reason: "57P03 the database system is starting up" });
        }
        if (verb.kind !== "takeOver" && verb.kind !== "inspect" && life < node.life) return;
        this.#execute(node, verb, { life, isLate, askedMs, reply });
      });
      if (!isThere) reply({ ok: false, kind: "failed", reason: "connection refused" });
    });
  }

  #execute(node: ModelNode, verb: Verb, { life, isLate, askedMs, reply }: {
    readonly life: number;
    readonly isLate: boolean;
    readonly askedMs: number;
    readonly reply: (result: VerbResult, delayMs?: number) => void;
  }): void {
    const servers = this.#servers;
    const { nowMs } = this.#agenda;
    const upstreamOf = ({ name }: { readonly name: string }) =>
      servers.nodes.find((one) => one.name === name)!;
    this.invariants.executes(node, verb, { life, isLate, askedMs });
    switch (verb.kind) {
      case "takeOver":
        node.life = Math.max(node.life, life);
        return reply({ ok: true });
      case "inspect":
        return reply({ ok: true, inspected: node.inspected(askedMs, nowMs) });
      case "freeze":
        if (!node.isStandby) return reply({ ok: false, kind: "refused", reason: "it is no standby" });
        return this.#agenda.after(servers.between(10, 30), () => {
          if (!node.isStandby || node.process !== "running") return;
          node.upstream = null;
          servers.disconnect(node);
          const [lsn, replayLsn] = [BigInt(node.lsn), BigInt(node.replayLsn)];
          reply({
            ok: true,
            frozen: {
              lsn,
              replayLsn,
              timeline: node.timeline,
              isReplayed: lsn === replayLsn,
              xidWatermark: "1",
            },
          });
        });
      case "repoint":
        if (!node.isStandby) return reply({ ok: false, kind: "refused", reason: "it is no standby" });
        node.upstream = upstreamOf(verb.upstream);
        servers.disconnect(node);
        this.#agenda.after(servers.between(20, 60), () => servers.connect(node));
        return reply({ ok: true }, 30);
      case "promote": {
        if (!node.isStandby) {
          return reply({ ok: false, kind: "refused", reason: "55000 recovery is not in progress" });
        }
        servers.beginPromotion(node);
        const look = () => {
          if (node.process === "dead") {
            return reply({ ok: false, kind: "unknown", reason: "the connection broke" });
          }
          if (!node.isStandby) return reply({ ok: true, timeline: node.timeline });
          this.#agenda.after(50, look);
        };
        return look();
      }
      case "fence":
        node.isFenced = true;
        return reply({ ok: true }, 40);
      case "unfence":
        node.isFenced = false;
        return reply({ ok: true });
      case "endSessions":
        return reply({ ok: true, count: node.openTransactions });
      case "checkpoint":
        if (!node.isStandby) node.append(-1);
        node.checkpointTimeline = node.timeline;
        servers.ship(node);
        return reply({ ok: true }, 20);
      case "demote":
        reply({ ok: true });
        return this.#agenda.after(30, () => {
          if (node.process === "running") servers.demote(node, upstreamOf(verb.upstream));
        });
      case "rejoin":
        reply({ ok: true });
        return this.#agenda.after(30, () => {
          if (node.process === "running") {
            servers.rejoin(node, { upstream: upstreamOf(verb.upstream), mode: verb.mode });
          }
        });
      case "rejoinState":
        return reply({ ok: true, ...node.rejoin });
      case "witness": {
        if (!node.options.canRunPrograms) {
          return reply({ ok: false, kind: "not possible", reason: "no right to run programs" });
        }
        const of = upstreamOf(verb.of);
        // One that is starting rejects connections: it is there.
        const isUp = servers.isOpen(node.id, of.id) && of.process === "running";
        const isRefused = servers.isOpen(node.id, of.id) && of.process === "dead";
        return reply({ ok: true, sees: isUp ? "up" : "down" }, isUp || isRefused ? 10 : 2_000);
      }
      case "synchronousNames":
      case "recordEpoch":
        return reply({ ok: true });
    }
  }

  /** The monitor's loop of one node. */
  #beat(node: ModelNode, life: number): void {
    if (life !== this.life) return;
    const watched = this.#watched.get(node)!;
    this.#ask(node, watched, life);
    const record = this.arbiter?.record ?? null;
    const primary = this.#servers.nodes.find(({ name }) => name === record?.primary);
    const isUrgent = record === null || record.phase === "moving" || primary === undefined ||
      this.#watched.get(primary)?.state.health !== "up" || watched.state.health === "suspect";
    const jitter = this.#servers.between(0, 20);
    this.#agenda.after((isUrgent ? 150 : 1_000) + jitter, () => this.#beat(node, life));
  }

  #ask(node: ModelNode, watched: Watched, life: number): void {
    if (watched.isAsking) return;
    watched.isAsking = true;
    const askedMs = this.#agenda.nowMs;
    const serial = ++watched.serial;
    const heard = (outcome: Parameters<typeof afterOutcome>[1] | "time", said: Said | null) => {
      if (life !== this.life || (outcome !== "time" && watched.serial !== serial)) return;
      const nowMs = this.#agenda.nowMs;
      const before = watched.state;
      if (outcome === "time") watched.state = afterTime(before, { nowMs, ...LIMITS });
      else {
        watched.serial++;
        watched.isAsking = false;
        watched.state = afterOutcome(before, outcome, { askedMs, nowMs, ...LIMITS });
      }
      if (watched.state === before) return;
      if (watched.state.health !== before.health) {
        watched.sinceMs = nowMs;
        this.#tell(`  ${node.name} is ${watched.state.health}`);
      }
      if (said !== null) watched.said = said;
      const dueMs = lapsesAtMs(watched.state, LIMITS);
      if (dueMs < Infinity && watched.state.health !== before.health) {
        this.#agenda.after(dueMs - nowMs, () => heard("time", null));
      }
      this.#view(node, watched);
    };
    const isOpen = () => this.#servers.isOpen(PGPLEX, node.id);
    this.#agenda.after(QUERY_MS, () => heard({ kind: "silent", reason: "no answer" }, null));
    this.#agenda.after(this.#servers.latencyMs(PGPLEX, node.id), () => {
      if (!isOpen() || node.process === "stopped") return;
      const nowMs = this.#agenda.nowMs;
      const said = node.said(askedMs, nowMs);
      const outcome = node.process === "dead"
        ? { kind: "refused", reason: "connection refused" } as const
        : !node.isServing(nowMs)
        ? { kind: "starting", reason: "57P03" } as const
        : node.isDenied
        ? { kind: "denied", reason: "53300", lasting: false } as const
        : { kind: "answered", answer: null as never } as const;
      this.#agenda.after(this.#servers.latencyMs(PGPLEX, node.id), () => {
        if (isOpen()) heard(outcome, outcome.kind === "answered" ? said : null);
      });
    });
  }

  #view(node: ModelNode, { state, sinceMs, said }: Watched): void {
    if (said !== null && state.health === "up") this.invariants.sampled(node, said);
    this.#input({
      kind: "view",
      view: {
        node: node.name,
        health: state.health,
        sinceMs,
        silentMs: state.silentMs,
        isRefused: state.refusedMs !== null && state.health === "down",
        said,
      },
    });
  }

  /** The epoch of the last hold. */
  get heldEpoch(): number {
    return this.#epoch;
  }
}
