import {
  type Acknowledgement,
  Arbiter,
  type ArbiterAction,
  type ArbiterEvent,
  type ClusterRecord,
  type Command,
  type CommandAnswer,
  type Coordination,
  Follower,
  type InstanceView,
  isWitnessed,
  type Moment,
  newer,
  type NodeCondition,
  RULES,
  type SeenPosition,
  settingsOf,
  type StoredRecord,
  type VerbResult,
} from "../arbiter/mod.ts";
import type { MonitorConfig } from "../config/mod.ts";
import type { Timer } from "../kernel/mod.ts";
import type { WatchedNode } from "../monitor/mod.ts";
import { sameNode } from "../topology/mod.ts";
import { SeenPrimary, sightOf, viewOf } from "./node_view.ts";
import { ClientHold } from "./client_hold.ts";
import { LastEnd } from "./last_end.ts";
import type { MovesParts } from "./moves_parts.ts";
import { Permit } from "./permit.ts";
import { ReadFailures } from "./read_failures.ts";
import { RecordCalls } from "./record_calls.ts";
import { NO_STANCE, type Stance } from "./stance.ts";
import { type NodeRunner, NodeRunners, type OwnedCluster, VerbRunner } from "./verb_runner.ts";

/** So long behind a failure it begins anew, in milliseconds. */
const BEGIN_ANEW_MS = 1_000;

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
  readonly #seenPrimary = new SeenPrimary();
  /** Heard of others, while this instance decides too. */
  #newest: StoredRecord | null = null;
  /** Why the newest record is not understood; null where it is. */
  #misunderstood: string | null = null;
  #views: readonly InstanceView[] = [];
  readonly #acknowledgements = new Map<number, Acknowledgement>();
  readonly #runners: NodeRunners;
  #stance: Stance = NO_STANCE;
  /** The last primary that clients were let to; null: none was. */
  #served: string | null = null;
  readonly #permit: Permit;
  readonly #hold: ClientHold;
  #timer: Timer | null = null;
  #beginTimer: Timer | null = null;
  #attempts = 0;
  /** Of the present {@link #arbiter}. */
  #recordCalls: RecordCalls | null = null;
  readonly #ended = new LastEnd();
  #nextCommand = 1;
  /** The first one is being handled. */
  readonly #events: ArbiterEvent[] = [];
  readonly #answers = new Map<number, (answer: CommandAnswer) => void>();
  #stopped = false;
  /** The store has begun anew, and the part that is taken still goes by a revision of before. */
  #isAnew = false;
  readonly #readFailures = new ReadFailures((error) =>
    this.#parts.log.error("the record of a cluster cannot be read", { cluster: this.name, error })
  );

  constructor(name: string, config: OwnedCluster, monitor: MonitorConfig, parts: MovesParts) {
    this.name = name;
    this.#parts = parts;
    this.#config = config;
    this.#monitor = monitor;
    const { runtime, runtime: { clock }, instance, runnerOf } = parts;
    const setting = {
      runtime,
      instance,
      config: () => this.#config,
      connectTimeoutMs: () => this.#monitor.connect_timeout,
    };
    this.#runners = new NodeRunners(runnerOf ?? ((node) => new VerbRunner(node, setting)));
    this.#hold = new ClientHold({
      clock,
      drain: (how) => {
        const node = this.drainedNode;
        return node === null || parts.drain(name, node, how);
      },
      release: () => parts.release(name),
      acknowledged: ({ epoch, startedAtMs }, isDrained) => {
        const acknowledgement = { epoch, startedAtMs, isDrained, seen: this.#seen };
        this.#store!.acknowledge(name, acknowledgement);
        this.#tell({ kind: "acknowledged", instance: parts.instance, ...acknowledgement });
      },
    });
    this.#permit = new Permit({
      nowMs: () => clock.nowMs(),
      untilMs: () => this.permitUntilMs,
      isWitnessed: () => parts.failsafe() && this.#isWitnessed(),
      changed: () => {
        try {
          parts.changed(name);
        } finally {
          this.#enforcePermit();
        }
      },
      say: (level, text) => parts.log[level](text, { cluster: name }),
    });
  }

  /** Until when transactions may begin, or go on, in clock milliseconds. */
  get permitUntilMs(): number {
    return this.#store?.permitUntilMs(this.name) ?? -Infinity;
  }

  /** Where the clients may go. */
  get stance(): Stance {
    if (this.#permit.has || this.#stance.kind === "hold") return this.#stance;
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

  /** Reads the record, and begins; where it cannot be read, tries again. An earlier attempt ends: what it reads late may be old. */
  async start(): Promise<void> {
    this.#beginTimer?.cancel();
    const attempt = ++this.#attempts;
    const isOver = () => this.#stopped || attempt !== this.#attempts;
    try {
      const store = this.#store ?? await this.#parts.store();
      if (isOver()) return;
      if (this.#store === null) this.#listenTo(store);
      // Who begins to lead reads the record behind that.
      for (let leads = !store.isLeading; leads !== store.isLeading;) {
        leads = store.isLeading;
        const stored = await store.record(this.name);
        if (isOver()) return;
        if (leads !== store.isLeading) continue;
        this.#answerAll("the moves of the cluster begin anew with its record: see SHOW FAILOVERS");
        this.#takePart(stored);
      }
      this.#readFailures.over();
    } catch (thrown) {
      if (isOver()) return;
      this.#readFailures.failed(thrown);
      return this.#beginLater();
    }
  }

  #listenTo(store: Coordination): void {
    this.#store = store;
    this.#endListening = store.listen(this.name, {
      standing: () => this.#stopped || this.#standingChanged(),
      record: (stored) => {
        this.#newest = newer(this.#newest, stored);
        this.#misunderstood = null;
        if (this.#arbiter instanceof Follower && this.#isAnew) this.#takePart(stored);
        else if (this.#arbiter instanceof Follower) this.#tell({ kind: "record", stored });
        else this.#recordCalls?.catchUp();
      },
      lost: ({ isOld }) => {
        if (isOld) this.#forget();
        else if (this.#arbiter instanceof Arbiter) this.#recordCalls?.lookAgain();
      },
      storeBeganAnew: () => this.#storeBeganAnew(),
      misunderstood: (why) => {
        this.#misunderstood = why;
        this.#stayOut();
      },
      instances: (ids) => this.#tell({ kind: "instances", ids }),
      acknowledged: (acknowledgement) => {
        this.#acknowledgements.set(acknowledgement.instance, acknowledgement);
        this.#tell({ kind: "acknowledged", ...acknowledgement });
      },
      views: (views) => {
        this.#views = views;
        this.#tell({ kind: "views", views });
      },
      command: (command, by) => this.#obey(command, by),
    });
  }

  /** As the one that decides, or as one that follows, whichever this instance is now. */
  #takePart(stored: StoredRecord | null): void {
    const { instance, rules = RULES } = this.#parts;
    const now = this.#now();
    const settings = settingsOf(this.#config, this.#monitor);
    this.#isAnew = false;
    // Somebody has removed the record, where nothing is in the store: nobody else can write it again as it was.
    const removed = this.#newest === null ? null : { revision: 0, record: this.#newest.record };
    this.#arbiter = this.#store!.isLeading
      ? new Arbiter({
        settings,
        stored: stored ?? removed,
        instance,
        now,
        ...this.#ended.heard,
        rules,
      })
      // What it has heard meanwhile is not told again.
      : new Follower({ settings, stored: newer(stored, this.#newest), now });
    this.#recordCalls?.end();
    this.#recordCalls = this.#callsOf(this.#arbiter);
    this.#stayOut();
    this.#tell({ kind: "instances", ids: this.#store!.instancesOf(this.name) });
    this.#tell({ kind: "views", views: this.#views });
    for (const one of this.#acknowledgements.values()) this.#tell({ kind: "acknowledged", ...one });
    for (const node of this.#heard.values()) this.#tell({ kind: "view", view: viewOf(node, now.nowMs) });
    // Behind that, so that nobody is served by what was known before.
    this.#permit.look();
  }

  /** There is no record, and the one that was known may be an old one: nobody is served by it, and it is not written again. */
  #forget(): void {
    this.#newest = null;
    if (this.record === null) return;
    this.#runners.close();
    this.#takePart(null);
    this.#answerAll("the record of the cluster is lost: see SHOW CLUSTERS");
  }

  /** What is known goes on until the record is read, and is kept where there is none: by no revision that anything could be older than. */
  #storeBeganAnew(): void {
    const decided = this.#arbiter instanceof Arbiter ? this.#arbiter.stored : null;
    const known = newer(this.#newest, decided);
    this.#newest = known === null ? null : { revision: 0, record: known.record };
    this.#isAnew = true;
    void this.start();
  }

  #callsOf(arbiter: Arbiter | Follower): RecordCalls {
    return new RecordCalls({
      cluster: this.name,
      store: this.#store!,
      clock: this.#parts.runtime.clock,
      failures: this.#readFailures,
      tell: (event) => this.#tell(event),
      isBehind: () => arbiter instanceof Arbiter && newer(arbiter.stored, this.#newest) !== arbiter.stored,
    });
  }

  #stayOut(): void {
    const why = this.#misunderstood;
    if (why === null) return;
    this.#decide((part) => part instanceof Follower ? part.misunderstood(why, this.#now()) : []);
  }

  #standingChanged(): void {
    this.#permit.look();
    const { isLeading } = this.#store!;
    if (isLeading && this.#arbiter instanceof Follower) void this.start();
    if (isLeading || !(this.#arbiter instanceof Arbiter)) return;
    this.#runners.close();
    this.#takePart(this.#arbiter.stored);
    this.#answerAll("this instance does not lead any more: see SHOW FAILOVERS");
  }

  /** A round of events begins: what was asleep is not to send anything by an old word of the primary. */
  look(): void {
    this.#permit.lookAtWitness();
  }

  /** Whether the primary that is served shows that no other node was promoted. */
  #isWitnessed(): boolean {
    const { record } = this;
    if (record === null || this.#stance.kind !== "serve") return false;
    const { nowMs } = this.#now();
    const heard = this.#heard.get(record.primary);
    const others = this.#config.nodes.flatMap(({ name }) => name === record.primary ? [] : [name]);
    return isWitnessed(record, { view: heard === undefined ? null : viewOf(heard, nowMs), others, nowMs });
  }

  /** Without a permit nobody goes on at the primary, nor ends what it has begun. */
  #enforcePermit(): void {
    const { kind, epoch } = this.#stance;
    if (this.#permit.has) {
      if (this.#hold.isCutOff) this.#hold.end();
    } else if (kind === "hold") this.#hold.cut(NO_PERMIT);
    else if (!this.#hold.isCutOff) this.#hold.cutOff({ epoch, cut: true, reason: NO_PERMIT });
  }

  /** Decides nothing any more; what is on its way is left. `why`: what those hear who wait for an answer. The result ends that the others count on it. */
  leave(why: string): () => void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#beginTimer?.cancel();
    this.#hold.end();
    this.#runners.close();
    this.#answerAll(why);
    this.#endArbiter();
    return this.#endListening;
  }

  /** The same, at once. */
  stop(why: string): void {
    this.leave(why)();
  }

  /** Another file is in force. */
  configure(config: OwnedCluster, monitor: MonitorConfig): void {
    for (const node of this.#config.nodes) {
      if (!config.nodes.some((other) => sameNode(node, other))) this.#runners.drop(node.name);
    }
    this.#config = config;
    this.#monitor = monitor;
    this.#decide((arbiter) => arbiter.configure(settingsOf(config, monitor), this.#now()));
  }

  /** The monitor has found something at a node. */
  heard(node: WatchedNode): void {
    this.#heard.set(node.name, node);
    this.#tell({ kind: "view", view: viewOf(node, this.#now().nowMs) });
    this.#store?.publish(this.name, sightOf(this.record, this.#heard, this.#config.nodes, this.#seen));
    this.#permit.lookAtWitness();
  }

  /** The last position of the primary that this instance has heard of. */
  get #seen(): SeenPosition | null {
    return this.#seenPrimary.of(this.record, this.#heard);
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
      this.#ended.note(this.record, this.#now());
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
    this.#endArbiter();
    this.#answerAll("a defect has ended this attempt: see the log, and SHOW FAILOVERS");
    this.#beginLater();
  }

  #endArbiter(): void {
    this.#arbiter = null;
    this.#recordCalls?.end();
    this.#recordCalls = null;
  }

  #beginLater(): void {
    this.#beginTimer?.cancel();
    this.#beginTimer = this.#parts.runtime.clock.after(BEGIN_ANEW_MS, () => void this.start());
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
        return void this.#recordCalls!.write(action.record, action.revision);
      case "read":
        return this.#recordCalls!.read();
      case "verb":
        return void this.#run(action);
      case "serve": {
        const { epoch, primary, timeline } = action;
        this.#hold.end();
        this.#served = primary;
        this.#stand({ kind: "serve", epoch, primary, timeline });
        return this.#enforcePermit();
      }
      case "hold": {
        const { epoch, startedAtMs, cut, reason } = action;
        this.#stand({ kind: "hold", epoch, primary: this.#heldNode, reason });
        this.#hold.hold({ epoch, startedAtMs, cut, reason });
        return this.#enforcePermit();
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
    const result: VerbResult | undefined = this.#now().nowMs < this.permitUntilMs
      ? await this.#runnerOf(node)?.run(verb)
      : { ok: false, kind: "failed", reason: NO_PERMIT };
    if (result !== undefined && arbiter === this.#arbiter) this.#tell({ kind: "result", id, result });
  }

  #runnerOf(name: string): NodeRunner | null {
    const node = this.#config.nodes.find((node) => node.name === name);
    return node === undefined ? null : this.#runners.of(node);
  }

  #stand(stance: Stance): void {
    this.#stance = stance;
    this.#parts.changed(this.name);
  }

  /** The primary whose clients are held. */
  get #heldNode(): string | null {
    return this.record?.move?.from ?? this.record?.primary ?? null;
  }

  /** Where clients may have something: the record may be another one than that by which they were served, which was lost. */
  get drainedNode(): string | null {
    return this.#served ?? this.#heldNode;
  }

  #schedule(): void {
    if (this.#arbiter === null || this.#stopped) return;
    this.#timer?.cancel();
    const { clock } = this.#parts.runtime;
    const delayMs = Math.max(0, this.#arbiter.dueMs - clock.nowMs());
    this.#timer = clock.after(delayMs, () => this.#tell({ kind: "time" }));
  }
}
