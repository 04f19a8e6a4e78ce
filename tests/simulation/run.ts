import { fraction, SeededRandom } from "../../src/kernel/mod.ts";
import { type ArbiterSettings, type Command, RULES, type Rules } from "../../src/arbiter/mod.ts";
import { INSTANCE_RULES, type InstanceRules } from "../../src/instances/rules.ts";
import { Agenda } from "./agenda.ts";
import type { Acknowledged } from "./clients.ts";
import { Faults } from "./faults.ts";
import { ModelInstance } from "./instance.ts";
import { Invariants } from "./invariants.ts";
import { ModelKeys } from "./model_keys.ts";
import { operate } from "./operator.ts";
import { FAULTS_MS, type Plan, planOf, type PlanOptions } from "./plan.ts";
import { Servers, Violation } from "./servers.ts";
import { ModelStore } from "./store.ts";

/** What came of a run. */
export interface RunResult {
  readonly seed: number;
  /** Null where every invariant held. */
  readonly broken: { readonly rule: string; readonly text: string; readonly atMs: number } | null;
  readonly events: number;
  readonly virtualMs: number;
  readonly moves: readonly string[];
  readonly acknowledged: number;
  readonly faults: number;
}

/** How a run differs from the plan of its seed. */
export interface RunOptions extends PlanOptions {
  readonly rules?: Rules | undefined;
  readonly instanceRules?: InstanceRules | undefined;
  /** Numbers of faults that are left out. */
  readonly without?: readonly number[];
  /** Takes each line of the story. */
  readonly tell?: (line: string) => void;
}

/** When all is mended the cluster has so long to serve again. */
const MEND_MS = 120_000;

/** So many turns of what waits for promises are more than any chain of them takes. */
const TURNS = 24;

/** Runs one seed. Throws only where the simulator itself is wrong. */
export async function run(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const { without = [], tell } = options;
  const drawn = planOf(seed, new SeededRandom(seed), options);
  const plan = { ...drawn, faults: drawn.faults.filter((_, at) => !without.includes(at)) };
  const world = new World(plan, options);
  let broken: RunResult["broken"] = null;
  try {
    await world.play();
  } catch (error) {
    const rule = error instanceof Violation ? error.rule : "crash";
    const text = error instanceof Violation
      ? error.message
      : error instanceof Error
      ? error.stack ?? error.message
      : String(error);
    broken = { rule, text, atMs: world.agenda.nowMs };
    tell?.(`${Math.round(world.agenda.nowMs)} ms: BROKEN ${text}`);
  }
  return {
    seed,
    broken,
    events: world.agenda.count,
    virtualMs: world.agenda.nowMs,
    moves: world.store.record?.history.map(({ kind, outcome }) => `${kind} ${outcome}`) ?? [],
    acknowledged: world.acknowledged.length,
    faults: plan.faults.length,
  };
}

/** The smallest list of faults, as numbers left out, by which a seed still breaks the same rule. */
export async function shrink(seed: number, rule: string, options: RunOptions = {}): Promise<number[]> {
  const { faults } = planOf(seed, new SeededRandom(seed), options);
  let without: number[] = [];
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (let at = 0; at < faults.length; at++) {
      if (without.includes(at)) continue;
      const fewer = [...without, at];
      if ((await run(seed, { ...options, without: fewer })).broken?.rule !== rule) continue;
      without = fewer;
      isSmaller = true;
    }
  }
  return without;
}

/** All that there is in one run. */
class World {
  readonly agenda = new Agenda();
  readonly servers: Servers;
  readonly store: ModelStore | ModelKeys;
  readonly instances: ModelInstance[] = [];
  readonly acknowledged: Acknowledged[] = [];
  readonly #plan: Plan;
  readonly #tell: (text: string) => void;
  readonly #random: SeededRandom;
  readonly #faults: Faults;
  #isTouched = false;
  readonly #invariants: Invariants;
  #commands = 0;

  constructor(
    plan: Plan,
    { rules = RULES, instanceRules = INSTANCE_RULES, tell }: RunOptions,
  ) {
    const { agenda } = this;
    this.#plan = plan;
    const random = new SeededRandom(plan.seed ^ 0x5eed);
    this.#random = random;
    this.#tell = tell === undefined
      ? () => {}
      : (text) => tell(`${agenda.nowMs.toFixed(0).padStart(7)} ms: ${text}`);
    const servers = new Servers({ agenda, random, plan, tell: this.#tell });
    this.servers = servers;
    const store = plan.instances === 1 ? new ModelStore() : new ModelKeys(agenda, servers);
    this.store = store;
    const { instances, acknowledged } = this;
    const invariants = new Invariants({ servers, store, instances, acknowledged });
    this.#invariants = invariants;
    const settings = settingsFor(plan);
    for (let number = 0; number < plan.instances; number++) {
      instances.push(
        new ModelInstance({
          number,
          servers,
          store,
          random,
          rules,
          instanceRules,
          settings,
          invariants,
          acknowledged,
          rate: plan.rates[number]!,
          ttlMs: plan.ttlsMs[number]!,
          clients: plan.instances === 1 ? 2 : 1,
          tell: plan.instances === 1 ? this.#tell : (text) => this.#tell(`[${number + 1}] ${text}`),
          touched: () => this.#isTouched = true,
        }),
      );
    }
    servers.onEnd = (node) => {
      for (const instance of instances) instance.lost(node);
    };
    this.#faults = new Faults({
      plan,
      servers,
      store,
      instances,
      invariants,
      random,
      tell: this.#tell,
      command: (command) => this.#command(command),
    });
    if (store instanceof ModelKeys) {
      store.onRecordBy = (incarnation) => invariants.writes(incarnation);
      store.onLeadTaken = (from) => invariants.leadTaken(from);
    }
    store.onRecordSent = (instance) => invariants.writesSoon(instance);
    store.onRecord = (before, record) => {
      if (record === null) return;
      const { epoch, phase, primary, move } = record;
      if (move?.step !== before?.move?.step || phase !== before?.phase) {
        const what = move === null ? "" : `, ${move.kind} at ${move.step}, candidate ${move.candidate}`;
        this.#tell(`record: epoch ${epoch} ${phase} ${primary}${what}`);
      }
      invariants.stored(before, record);
      this.#faults.recorded();
    };
  }

  async play(): Promise<void> {
    const { agenda } = this;
    const { faults, ...rest } = this.#plan;
    this.#tell(JSON.stringify({ ...rest, faults: faults.length }));
    for (const instance of this.instances) {
      agenda.after(instance.number * this.servers.between(0, 3_000), () => instance.start());
    }
    for (const fault of faults) agenda.after(fault.atMs, () => this.#faults.begin(fault));
    await this.#until(FAULTS_MS + 15_000);
    this.#mend();
    const before = this.instances.map(({ clients }) => clients.answered);
    for (let nextMs = agenda.nowMs; nextMs < FAULTS_MS + 15_000 + MEND_MS; nextMs += 5_000) {
      await this.#until(nextMs + 5_000);
      if (this.#whyNotWell(before) === null) return;
      this.#operate();
    }
    throw new Violation("stuck", `${MEND_MS} ms after the last fault: ${this.#whyNotWell(before)}`);
  }

  async #until(untilMs: number): Promise<void> {
    const invariants = this.#invariants;
    while (this.agenda.step(untilMs)) {
      if (this.#isTouched) {
        this.#isTouched = false;
        for (let turn = 0; turn < TURNS; turn++) await null;
      }
      if (invariants.broken !== null) throw invariants.broken;
    }
  }

  /** What is not as it was before all faults; null where all is. */
  #whyNotWell(before: readonly number[]): string | null {
    const { record } = this.store;
    if (record === null) return "no record";
    const { phase, primary, move, rejoins, epoch } = record;
    if (phase !== "serving" || move !== null) return `${phase}, ${primary}, ${move?.step ?? "no move"}`;
    if (rejoins.some(({ state }) => state === "running")) return "a node is being made a standby";
    for (const { number, clients, record: known, asked } of this.instances) {
      const who = `instance ${number + 1}`;
      if (clients.answered <= before[number]! + 2) return `the clients of ${who} are not served`;
      if (known?.epoch !== epoch || known.primary !== primary) return `${who} has another record`;
      for (const [by, atMs] of asked) {
        if (this.agenda.nowMs - atMs > 60_000) return `${by} has asked ${who}, and waits`;
      }
    }
    return null;
  }

  #operate(): void {
    const isServed = this.instances.some(({ clients }) => clients.permit !== null);
    const command = operate(this.servers, this.store, isServed);
    if (command !== null) this.#command(command);
  }

  #command(command: Command): void {
    const { instances } = this;
    const where = instances[Math.floor(fraction(this.#random) * instances.length)]!;
    where.command(command, `operator ${++this.#commands}`);
  }

  #mend(): void {
    this.#tell("all is mended");
    this.#faults.isMended = true;
    const { store, servers } = this;
    servers.mendAll();
    if (store instanceof ModelKeys) {
      store.flaky.length =
        store.lateMs.length =
        store.straggling.length =
        store.onWrite.length =
          0;
      store.isFull = false;
      store.goOn();
    } else store.isBroken = false;
    servers.breaksRewinds = false;
    for (const node of servers.nodes) {
      servers.restore(node);
      node.isFull = false;
      node.setNames(this.#plan.synchronous, this.agenda.nowMs);
      node.isDenied = false;
      if (node.isPaused) node.disturb(this.agenda.nowMs);
      node.isPaused = false;
      servers.go(node);
      if (node.process === "dead" && node.rejoin.state !== "running") servers.start(node, 500);
    }
    for (const instance of this.instances) {
      instance.losesReplies = false;
      instance.wake();
      if (instance.id !== instance.number + 1) instance.end();
      instance.id = instance.number + 1;
      instance.configure(settingsFor(this.#plan));
      instance.start();
      instance.add();
    }
  }
}

function settingsFor(plan: Plan): ArbiterSettings {
  return {
    mode: plan.mode,
    nodes: Array.from({ length: plan.nodes }, (_, id) => ({
      name: `n${id + 1}`,
      host: `10.0.0.${id + 1}`,
      port: 5432,
      priority: plan.priorities[id]!,
      promote: !plan.excluded.includes(id),
    })),
    rejoin: plan.rejoin,
    fence: "sql",
    maxFailoverLagBytes: plan.maxLagBytes,
    syncWaitMs: 5_000,
    switchoverTimeoutMs: 30_000,
    promoteTimeoutMs: 60_000,
    failoverIntervalMs: 5_000,
    failureTimeoutMs: 3_000,
    primaryStartTimeoutMs: 30_000,
  };
}
