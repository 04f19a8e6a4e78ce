import {
  Arbiter,
  type ArbiterAction,
  type ArbiterEvent,
  type ClusterRecord,
  type Command,
  type CommandAnswer,
  type Coordination,
  Follower,
  type InstanceView,
  type Moment,
  type NodeCondition,
  settingsOf,
  type StoredRecord,
  type VerbResult,
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

/** So long behind a read of the record that has failed it is read again, in milliseconds. */
const READ_AGAIN_MS = 200;

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

/** Why clients are held whose instance has no permit. */
const NO_PERMIT = "this instance has no permit, as the store that the instances share does not answer it";

/** One cluster's part in the moves of its primary: its arbiter where this instance leads, else its follower; and what that decides, done. */
export class ClusterMoves {
  readonly name: string;
  readonly #parts: MovesParts;
  #config: OwnedCluster;
  #monitor: MonitorConfig;
  #arbiter: Arbiter | Follower | null = null;
  #store: Coordination | null = null;
  #endListening: () => void = () => {};
  /** What the monitor has found, by node. */
  readonly #heard = new Map<string, WatchedNode>();
  #views: readonly InstanceView[] = [];
  #runners = new Map<string, VerbRunner>();
  #stance: Stance = NO_STANCE;
  /** Whether transactions may begin on a primary. */
  #hasPermit = false;
  #timer: Timer | null = null;
  #drain: Drain | null = null;
  /** They are held as there is no permit, and nobody wants to know when none runs any more. */
  #isCutOff = false;
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
    if (this.#hasPermit || this.#stance.kind === "hold") return this.#stance;
    const { epoch, primary } = this.#stance;
    return { kind: "hold", epoch, primary, reason: NO_PERMIT };
  }

  /** What is settled; null before it is read, and where there is nothing. */
  get record(): ClusterRecord | null {
    return this.#arbiter?.record ?? null;
  }

  /** What there is to say of a node besides its role; null: nothing. */
  conditionOf(node: string): NodeCondition | null {
    return this.#arbiter?.conditionOf(node) ?? null;
  }

  /** Whether this instance decides: it leads. */
  get decides(): boolean {
    return this.#arbiter instanceof Arbiter;
  }

  /** Reads the record, and begins; where it cannot be read, tries again. */
  async start(): Promise<void> {
    const { store, log } = this.#parts;
    try {
      this.#store ??= this.#listenTo(await store());
      // Who begins to lead reads the record behind that.
      for (let leads = !this.#store.isLeading; leads !== this.#store.isLeading;) {
        leads = this.#store.isLeading;
        const stored = await this.#store.record(this.name);
        if (this.#stopped) return;
        if (leads === this.#store.isLeading) this.#takePart(stored);
      }
      this.#failure = null;
    } catch (thrown) {
      if (this.#stopped) return;
      const failure = thrown instanceof Error ? thrown.message : String(thrown);
      if (failure !== this.#failure) {
        log.error("the record of a cluster cannot be read", {
          cluster: this.name,
          error: failure,
        });
      }
      this.#failure = failure;
      return this.#beginLater();
    }
  }

  #listenTo(store: Coordination): Coordination {
    this.#endListening = store.listen(this.name, {
      standing: () => this.#standingChanged(),
      record: (stored) => {
        if (this.#arbiter instanceof Follower) this.#tell({ kind: "record", stored });
      },
      misunderstood: (why) =>
        this.#decide((part) => part instanceof Follower ? part.misunderstood(why, this.#now()) : []),
      instances: (ids) => this.#tell({ kind: "instances", ids }),
      acknowledged: (acknowledgement) => this.#tell({ kind: "acknowledged", ...acknowledgement }),
      views: (views) => {
        this.#views = views;
        this.#tell({ kind: "views", views });
      },
      command: (command, by) => this.#obey(command, by),
    });
    return store;
  }

  /** As the one that decides, or as one that follows, whichever this instance is now. */
  #takePart(stored: StoredRecord | null): void {
    const { instance } = this.#parts;
    const now = this.#now();
    const settings = settingsOf(this.#config, this.#monitor);
    this.#arbiter = this.#store!.isLeading
      ? new Arbiter({ settings, stored, instance, now })
      : new Follower({ stored, now });
    this.#permitChanged();
    this.#tell({ kind: "instances", ids: this.#store!.instances });
    this.#tell({ kind: "views", views: this.#views });
    for (const node of this.#heard.values()) this.#tell({ kind: "view", view: viewOf(node, now.nowMs) });
  }

  #standingChanged(): void {
    this.#permitChanged();
    const { isLeading } = this.#store!;
    if (isLeading && this.#arbiter instanceof Follower) void this.start();
    if (isLeading || !(this.#arbiter instanceof Arbiter)) return;
    this.#closeRunners();
    this.#takePart(this.#arbiter.stored);
    this.#answerAll("this instance does not lead any more: see SHOW FAILOVERS");
  }

  #permitChanged(): void {
    const hasPermit = this.#now().nowMs < this.#store!.permitUntilMs;
    if (hasPermit === this.#hasPermit) return;
    this.#hasPermit = hasPermit;
    this.#parts.changed(this.name);
    this.#enforcePermit();
  }

  /** Without a permit nobody goes on at the primary. */
  #enforcePermit(): void {
    const isCutOff = !this.#hasPermit && this.#stance.kind === "serve";
    if (this.#isCutOff === isCutOff) return;
    this.#endDrain();
    this.#isCutOff = isCutOff;
    if (!isCutOff) return;
    this.#drain = { epoch: this.#stance.epoch, cut: true, reason: NO_PERMIT };
    if (!this.#isDrained(this.#drain)) this.#lookAgain();
  }

  /** Decides nothing any more; what is on its way is left. `why`: what those hear who wait for an answer. */
  stop(why: string): void {
    this.#stopped = true;
    this.#endListening();
    this.#timer?.cancel();
    this.#endDrain();
    this.#closeRunners();
    this.#answerAll(why);
  }

  #closeRunners(): void {
    for (const runner of this.#runners.values()) runner.close();
    this.#runners.clear();
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
    this.#heard.set(node.name, node);
    this.#tell({ kind: "view", view: viewOf(node, this.#now().nowMs) });
    this.#publish();
  }

  /** How this instance sees the nodes, for the others. */
  #publish(): void {
    const healths = this.#config.nodes.flatMap(({ name }) => {
      const heard = this.#heard.get(name);
      return heard === undefined ? [] : [[name, heard.state.health] as const];
    });
    this.#store?.publish(this.name, new Map(healths));
  }

  /** An operator asks for something; resolves with the answer of whoever decides. */
  command(command: Command, by: string): Promise<CommandAnswer> {
    if (this.#store === null) return Promise.resolve({ ok: false, text: "the record is not read yet" });
    return this.#store.ask(this.name, command, by);
  }

  #obey(command: Command, by: string): Promise<CommandAnswer> {
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

  #decide(ask: (arbiter: Arbiter | Follower) => readonly ArbiterAction[]): void {
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
        return void this.#run(action);
      case "serve": {
        const { epoch, primary, timeline } = action;
        this.#endDrain();
        this.#stand({ kind: "serve", epoch, primary, timeline });
        return this.#enforcePermit();
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

  /** Only who leads sends verbs; of one that has led the end is nobody's concern. */
  async #run({ id, node, verb }: ArbiterAction & { readonly kind: "verb" }): Promise<void> {
    const arbiter = this.#arbiter;
    const result: VerbResult | undefined = this.#now().nowMs < this.#store!.permitUntilMs
      ? await this.#runnerOf(node)?.run(verb)
      : { ok: false, kind: "failed", reason: NO_PERMIT };
    if (result !== undefined && arbiter === this.#arbiter) this.#tell({ kind: "result", id, result });
  }

  async #write(record: ClusterRecord, revision: number): Promise<void> {
    const arbiter = this.#arbiter;
    const result = await this.#store!.swap(this.name, revision, record);
    if (arbiter !== this.#arbiter) return;
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
    const arbiter = this.#arbiter;
    try {
      const stored = await this.#store!.record(this.name);
      if (arbiter === this.#arbiter) this.#tell({ kind: "record", stored });
    } catch {
      if (arbiter !== this.#arbiter || this.#stopped) return;
      this.#parts.runtime.clock.after(READ_AGAIN_MS, () => {
        if (arbiter === this.#arbiter && !this.#stopped) void this.#read();
      });
    }
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
    const isDrained = this.#isDrained(drain);
    this.#acknowledge(drain, isDrained);
    if (!isDrained) this.#lookAgain();
  }

  #acknowledge({ epoch }: Drain, isDrained: boolean): void {
    if (this.#isCutOff) return;
    const { instance } = this.#parts;
    this.#store!.acknowledge(this.name, { epoch, isDrained });
    this.#tell({ kind: "acknowledged", instance, epoch, isDrained });
  }

  #lookAgain(): void {
    this.#drainTimer = this.#parts.runtime.clock.after(DRAIN_LOOK_MS, () => {
      const drain = this.#drain;
      if (drain === null || this.#stopped) return;
      if (!this.#isDrained(drain)) return this.#lookAgain();
      this.#acknowledge(drain, true);
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
    this.#isCutOff = false;
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
