import {
  Arbiter,
  type ArbiterAction,
  type ArbiterEvent,
  type ClusterRecord,
  type Command,
  type Coordination,
  type Moment,
  settingsOf,
} from "../arbiter/mod.ts";
import type { Runtime } from "../backend/mod.ts";
import type { MonitorConfig } from "../config/mod.ts";
import type { Timer } from "../kernel/mod.ts";
import type { WatchedNode } from "../monitor/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { sameNode } from "../topology/mod.ts";
import { viewOf } from "./node_view.ts";
import { NO_STANCE, type Stance } from "./stance.ts";
import { type OwnedCluster, VerbRunner } from "./verb_runner.ts";

/** How often it is looked whether the transactions on a primary have ended whose clients are held, in milliseconds. */
const DRAIN_LOOK_MS = 10;

/** So long behind a failure it begins anew, in milliseconds. */
const BEGIN_ANEW_MS = 1_000;

/** What executing moves needs of the process. */
export interface MovesParts {
  readonly runtime: Runtime;
  readonly log: Log;
  /** Where records are kept; opened when the first cluster begins. */
  readonly store: () => Promise<Coordination>;
  /** The id of this instance. */
  readonly instance: number;
  /** The stance of a cluster is another one. */
  readonly changed: (cluster: string) => void;
  /** The clients of a cluster are held. Whether no transaction runs at `node` any more. */
  readonly drain: (cluster: string, node: string, how: Drain) => boolean;
  /** They are not held any more, or anew. */
  readonly release: (cluster: string) => void;
}

/** How clients are held. */
export interface Drain {
  /** Of the move that holds them. */
  readonly epoch: number;
  /** Those that are in a transaction are cut, rather than waited for. */
  readonly cut: boolean;
  /** For people. */
  readonly reason: string;
}

/** An operator hears this of a command. */
export interface CommandAnswer {
  readonly ok: boolean;
  readonly text: string;
}

/** One cluster's arbiter, and what it decides, done. */
export class ClusterMoves {
  readonly name: string;
  readonly #parts: MovesParts;
  #config: OwnedCluster;
  #monitor: MonitorConfig;
  #arbiter: Arbiter | null = null;
  #store: Coordination | null = null;
  #runners = new Map<string, VerbRunner>();
  #stance: Stance = NO_STANCE;
  #timer: Timer | null = null;
  #drain: Drain | null = null;
  #drainTimer: Timer | null = null;
  #nextCommand = 1;
  /** The first one is being handled. */
  readonly #events: ArbiterEvent[] = [];
  readonly #answers = new Map<number, (answer: CommandAnswer) => void>();
  #stopped = false;
  /** The last reason why it could not begin, which is said once. */
  #failure: string | null = null;

  constructor(name: string, config: OwnedCluster, monitor: MonitorConfig, parts: MovesParts) {
    this.name = name;
    this.#parts = parts;
    this.#config = config;
    this.#monitor = monitor;
  }

  /** Where the clients may go. */
  get stance(): Stance {
    return this.#stance;
  }

  /** What is settled; null before it is read, and where there is nothing. */
  get record(): ClusterRecord | null {
    return this.#arbiter?.record ?? null;
  }

  /** Reads the record, and begins; where it cannot be read, tries again. */
  async start(): Promise<void> {
    const { store, log, instance } = this.#parts;
    try {
      this.#store = await store();
      const stored = await this.#store.record(this.name);
      if (this.#stopped) return;
      const settings = settingsOf(this.#config, this.#monitor);
      this.#arbiter = new Arbiter({ settings, stored, instance, now: this.#now() });
      this.#failure = null;
    } catch (thrown) {
      if (this.#stopped) return;
      const failure = thrown instanceof Error ? thrown.message : String(thrown);
      if (failure !== this.#failure) {
        log.error("the record of a cluster cannot be read, so its primary is not served", {
          cluster: this.name,
          error: failure,
        });
      }
      this.#failure = failure;
      return this.#beginLater();
    }
    this.#tell({ kind: "instances", ids: [instance] });
  }

  /** Decides nothing any more; what is on its way is left. `why`: what those hear who wait for an answer. */
  stop(why: string): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#endDrain();
    for (const runner of this.#runners.values()) runner.close();
    this.#runners.clear();
    this.#answerAll(why);
  }

  /** Another file is in force. */
  configure(config: OwnedCluster, monitor: MonitorConfig): void {
    for (const node of this.#config.nodes) {
      if (config.nodes.some((other) => sameNode(node, other))) continue;
      this.#runners.get(node.name)?.close();
      this.#runners.delete(node.name);
    }
    this.#config = config;
    this.#monitor = monitor;
    this.#decide((arbiter) => arbiter.configure(settingsOf(config, monitor), this.#now()));
  }

  /** The monitor has found something at a node. */
  heard(node: WatchedNode): void {
    this.#tell({ kind: "view", view: viewOf(node, this.#now().nowMs) });
  }

  /** An operator asks for something; resolves with the answer. */
  command(command: Command, by: string): Promise<CommandAnswer> {
    if (this.#arbiter === null) return Promise.resolve({ ok: false, text: "the record is not read yet" });
    const id = this.#nextCommand++;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#tell({ kind: "command", id, by, command });
    });
  }

  #now(): Moment {
    const { clock } = this.#parts.runtime;
    return { nowMs: clock.nowMs(), wallMs: clock.wallMs() };
  }

  /** One event behind the other: what an action brings at once comes behind all actions of its event. */
  #tell(event: ArbiterEvent): void {
    this.#events.push(event);
    if (this.#events.length === 1) this.#handleEvents();
  }

  #handleEvents(): void {
    for (; this.#events.length > 0; this.#events.shift()) {
      this.#decide((arbiter) => arbiter.input(this.#events[0]!, this.#now()));
    }
  }

  #decide(ask: (arbiter: Arbiter) => readonly ArbiterAction[]): void {
    if (this.#arbiter === null || this.#stopped) return;
    try {
      this.#perform(ask(this.#arbiter));
    } catch (thrown) {
      this.#beginAnew(thrown);
    }
  }

  /** A defect ends this life of the arbiter. The next one begins with the record, as behind a crash of pgplex. */
  #beginAnew(thrown: unknown): void {
    this.#parts.log.error("a defect in the arbiter of a cluster, which begins anew with its record", {
      cluster: this.name,
      error: thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown),
    });
    this.#arbiter = null;
    this.#answerAll("a defect has ended this attempt: see the log, and SHOW FAILOVERS");
    this.#beginLater();
  }

  #beginLater(): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.runtime.clock.after(BEGIN_ANEW_MS, () => void this.start());
  }

  #answerAll(text: string): void {
    for (const answer of this.#answers.values()) answer({ ok: false, text });
    this.#answers.clear();
  }

  #perform(actions: readonly ArbiterAction[]): void {
    for (const action of actions) this.#begin(action);
    this.#schedule();
  }

  #begin(action: ArbiterAction): void {
    switch (action.kind) {
      case "write":
        return void this.#write(action.record, action.revision);
      case "read":
        return void this.#read();
      case "verb":
        return void this.#runnerOf(action.node)?.run(action.verb)
          .then((result) => this.#tell({ kind: "result", id: action.id, result }));
      case "serve": {
        const { epoch, primary, timeline } = action;
        this.#endDrain();
        return this.#stand({ kind: "serve", epoch, primary, timeline });
      }
      case "hold": {
        const { epoch, cut, reason } = action;
        this.#stand({ kind: "hold", epoch, primary: this.#heldNode, reason });
        return this.#hold({ epoch, cut, reason });
      }
      case "report": {
        const { level, text, evidence } = action;
        const said = evidence.length === 0 ? {} : { evidence: evidence.join("; ") };
        return this.#parts.log[level](text, { cluster: this.name, ...said });
      }
      case "answer": {
        const { id, ok, text } = action;
        this.#answers.get(id)?.({ ok, text });
        this.#answers.delete(id);
        return;
      }
    }
  }

  async #write(record: ClusterRecord, revision: number): Promise<void> {
    const result = await this.#store!.swap(this.name, revision, record);
    switch (result.kind) {
      case "written":
        return this.#tell({ kind: "written", revision: result.revision });
      case "conflict":
        return this.#tell({ kind: "record", stored: result.stored });
      case "failed":
        return this.#tell({ kind: "write failed", reason: result.reason });
      case "unknown":
        return this.#tell({ kind: "write unknown", reason: result.reason });
    }
  }

  async #read(): Promise<void> {
    this.#tell({ kind: "record", stored: await this.#store!.record(this.name) });
  }

  #runnerOf(name: string): VerbRunner | null {
    const known = this.#runners.get(name);
    if (known !== undefined) return known;
    const node = this.#config.nodes.find((node) => node.name === name);
    if (node === undefined) return null;
    const runner = new VerbRunner(node, {
      runtime: this.#parts.runtime,
      instance: this.#parts.instance,
      config: () => this.#config,
      connectTimeoutMs: () => this.#monitor.connect_timeout,
    });
    this.#runners.set(name, runner);
    return runner;
  }

  #stand(stance: Stance): void {
    this.#stance = stance;
    this.#parts.changed(this.name);
  }

  /** No transaction begins any more; when none runs the arbiter hears that too. */
  #hold(drain: Drain): void {
    this.#endDrain();
    this.#drain = drain;
    const { instance } = this.#parts;
    const isDrained = this.#isDrained(drain);
    this.#tell({ kind: "acknowledged", instance, epoch: drain.epoch, isDrained });
    if (!isDrained) this.#lookAgain();
  }

  #lookAgain(): void {
    this.#drainTimer = this.#parts.runtime.clock.after(DRAIN_LOOK_MS, () => {
      const drain = this.#drain;
      if (drain === null || this.#stopped) return;
      if (!this.#isDrained(drain)) return this.#lookAgain();
      const { instance } = this.#parts;
      this.#tell({ kind: "acknowledged", instance, epoch: drain.epoch, isDrained: true });
    });
  }

  #isDrained(drain: Drain): boolean {
    const node = this.#heldNode;
    return node === null || this.#parts.drain(this.name, node, drain);
  }

  /** The primary whose clients are held. */
  get #heldNode(): string | null {
    const record = this.record;
    return record?.move?.from ?? record?.primary ?? null;
  }

  #endDrain(): void {
    if (this.#drain !== null) this.#parts.release(this.name);
    this.#drain = null;
    this.#drainTimer?.cancel();
    this.#drainTimer = null;
  }

  #schedule(): void {
    if (this.#arbiter === null || this.#stopped) return;
    this.#timer?.cancel();
    const { clock } = this.#parts.runtime;
    const delayMs = Math.max(0, this.#arbiter.dueMs - clock.nowMs());
    this.#timer = clock.after(delayMs, () => this.#tell({ kind: "time" }));
  }
}
