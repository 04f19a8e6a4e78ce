import { fraction, SeededRandom } from "../../src/kernel/mod.ts";
import { type ArbiterSettings, type Command, RULES, type Rules } from "../../src/arbiter/mod.ts";
import { Agenda } from "./agenda.ts";
import type { ModelNode } from "./model_node.ts";
import { ModelPgplex } from "./pgplex.ts";
import { type Fault, FAULTS_MS, type Plan, planOf, type Target } from "./plan.ts";
import { PGPLEX, Servers, Violation } from "./servers.ts";
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
export interface RunOptions {
  readonly rules?: Rules;
  /** Numbers of faults that are left out. */
  readonly without?: readonly number[];
  readonly plan?: Plan;
  /** Takes each line of the story. */
  readonly tell?: (line: string) => void;
}

/** When all is mended the cluster has so long to serve again. */
const MEND_MS = 120_000;

/** Runs one seed. Throws only where the simulator itself is wrong. */
export function run(
  seed: number,
  { rules = RULES, without = [], plan: given, tell }: RunOptions = {},
): RunResult {
  const drawn = given ?? planOf(seed, new SeededRandom(seed));
  const plan = { ...drawn, faults: drawn.faults.filter((_, at) => !without.includes(at)) };
  const world = new World(plan, rules, tell);
  let broken: RunResult["broken"] = null;
  try {
    world.play();
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
    acknowledged: world.pgplex.clients.acknowledged.length,
    faults: plan.faults.length,
  };
}

/** The smallest list of faults, as numbers left out, by which a seed still breaks the same rule. */
export function shrink(seed: number, rule: string, rules: Rules = RULES): number[] {
  const { faults } = planOf(seed, new SeededRandom(seed));
  let without: number[] = [];
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (let at = 0; at < faults.length; at++) {
      if (without.includes(at)) continue;
      const fewer = [...without, at];
      if (run(seed, { rules, without: fewer }).broken?.rule !== rule) continue;
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
  readonly store = new ModelStore();
  readonly pgplex: ModelPgplex;
  readonly #plan: Plan;
  readonly #tell: (text: string) => void;
  readonly #random: SeededRandom;
  #isMended = false;
  #onStep: (() => void)[] = [];
  #lastStep = "";

  constructor(plan: Plan, rules: Rules, tell: ((line: string) => void) | undefined) {
    this.#plan = plan;
    const random = new SeededRandom(plan.seed ^ 0x5eed);
    this.#random = random;
    this.#tell = tell === undefined
      ? () => {}
      : (text) => tell(`${this.agenda.nowMs.toFixed(0).padStart(7)} ms: ${text}`);
    this.servers = new Servers({ agenda: this.agenda, random, plan, tell: this.#tell });
    this.pgplex = new ModelPgplex({
      agenda: this.agenda,
      servers: this.servers,
      store: this.store,
      random,
      rules,
      settings: settingsFor(plan),
      tell: this.#tell,
    });
    this.pgplex.onRecord = () => this.#recorded();
  }

  play(): void {
    const { agenda } = this;
    const { faults, ...rest } = this.#plan;
    this.#tell(JSON.stringify({ ...rest, faults: faults.length }));
    this.pgplex.start();
    for (const fault of faults) agenda.after(fault.atMs, () => this.#fault(fault));
    while (agenda.step(FAULTS_MS + 15_000));
    this.#mend();
    const before = this.pgplex.clients.acknowledged.length;
    const endMs = agenda.nowMs + MEND_MS;
    let nextMs = agenda.nowMs + 5_000;
    for (;;) {
      if (!agenda.step(nextMs)) {
        if (nextMs >= endMs) break;
        nextMs += 5_000;
        if (this.#isWell(before)) return;
        this.#operate();
      }
    }
    const { record } = this.store;
    const why = record === null
      ? "no record"
      : `${record.phase}, ${record.primary}, ${record.move?.step ?? "no move"}`;
    throw new Violation("stuck", `not served ${MEND_MS} ms after the last fault: ${why}`);
  }

  #isWell(before: number): boolean {
    const { record } = this.store;
    return record !== null && record.phase === "serving" && record.move === null &&
      !record.rejoins.some(({ state }) => state === "running") &&
      this.pgplex.clients.acknowledged.length > before + 2;
  }

  /** What a person does who finds that it does not go on. */
  #operate(): void {
    const { record } = this.store;
    const { nodes, plan } = this.servers;
    if (record === null) {
      const [newest] = nodes.filter((node) => node.options.system === "111").toSorted((a, b) =>
        b.timeline - a.timeline || Number(a.isStandby) - Number(b.isStandby) || b.lsn - a.lsn
      );
      if (newest !== undefined) {
        return this.pgplex.command({ kind: "failover", to: newest.name, isForced: false });
      }
      return;
    }
    for (const node of nodes) {
      if (node.process === "dead" && node.rejoin.state !== "running") this.servers.start(node, 500);
    }
    const served = this.pgplex.clients.permit;
    if (record.phase === "serving" && served !== null) {
      const mustType = plan.rejoin === "manual" || !plan.canRunPrograms;
      const primary = nodes.find(({ name }) => name === record.primary)!;
      const twin = nodes.find((node) =>
        node !== primary && node.process === "running" && node.options.system === "111" &&
        node.receiver === null &&
        node.rejoin.state !== "running" && node.timeline === primary.timeline && !node.fits(primary)
      );
      if (twin !== undefined && !primary.isStandby) {
        this.#tell(`a person makes ${twin.name} anew from a base backup`);
        return this.servers.baseBackup(twin, primary);
      }
      const broken = nodes.find((node) =>
        node !== primary && node.options.system === "111" && node.receiver === null
      );
      if (
        mustType && broken !== undefined && broken.process === "running" &&
        broken.rejoin.state !== "running" && !primary.isStandby
      ) {
        this.#tell(`a person rewinds ${broken.name}`);
        primary.checkpointTimeline = primary.timeline;
        return this.servers.rejoin(broken, { upstream: primary, mode: "rewind" });
      }
      const lost = nodes.find((node) =>
        node.name !== record.primary &&
        record.rejoins.some((one) => one.node === node.name && one.state === "failed")
      );
      const stale = nodes.find((node) =>
        node.name !== record.primary && node.options.system === "111" && !node.isStandby
      );
      const node = lost ?? (plan.rejoin === "manual" ? stale : undefined) ??
        nodes.find((one) =>
          one.name !== record.primary && one.isStandby && one.options.system === "111" &&
          one.receiver === null
        );
      if (node !== undefined) this.pgplex.command({ kind: "rejoin", node: node.name });
      return;
    }
    const isDue = this.agenda.nowMs > FAULTS_MS + 60_000;
    this.pgplex.command({ kind: "failover", to: null, isForced: isDue });
  }

  #mend(): void {
    this.#tell("all is mended");
    this.#isMended = true;
    this.servers.mendAll();
    this.store.isBroken = false;
    this.pgplex.losesReplies = false;
    for (const node of this.servers.nodes) {
      node.isDenied = false;
      node.isPaused = false;
      this.servers.go(node);
      if (node.process === "dead" && node.rejoin.state !== "running") this.servers.start(node, 500);
    }
    this.pgplex.configure(settingsFor(this.#plan));
    this.pgplex.start();
  }

  #recorded(): void {
    const { record } = this.store;
    const step = `${record?.epoch}/${record?.move?.step ?? record?.phase}`;
    if (step === this.#lastStep) return;
    this.#lastStep = step;
    const waiting = this.#onStep;
    this.#onStep = [];
    for (const look of waiting) look();
  }

  /** Calls `run` when a move comes to a step, some time in it. */
  #atStep(step: string, run: () => void): void {
    const look = () => {
      if (this.#isMended) return;
      if (this.store.record?.move?.step !== step) {
        this.#onStep.push(look);
        return;
      }
      this.agenda.after(this.servers.between(0, 250), run);
    };
    this.#onStep.push(look);
  }

  #node(target: Target): ModelNode | null {
    const { nodes } = this.servers;
    if (target === "pgplex") return null;
    if (typeof target === "number") return nodes[target]!;
    const primary = nodes.find(({ name }) => name === this.store.record?.primary) ?? nodes[0]!;
    if (target === "primary") return primary;
    const others = nodes.filter((node) => node !== primary);
    return others[Math.floor(fraction(this.#random) * others.length)]!;
  }

  #fault(fault: Fault): void {
    const { servers, agenda, pgplex, store } = this;
    const { kind } = fault;
    if (!["switchover", "failover", "rejoin"].includes(kind)) this.#tell(`FAULT ${JSON.stringify(fault)}`);
    switch (fault.kind) {
      case "kill": {
        const node = this.#node(fault.node)!;
        this.#kill(node, fault);
        return;
      }
      case "stop": {
        const node = this.#node(fault.node)!;
        servers.stop(node);
        return agenda.after(fault.forMs, () => servers.go(node));
      }
      case "cut": {
        const [a, b] = [this.#node(fault.a), this.#node(fault.b)].map((node) => node?.id ?? PGPLEX) as [
          number,
          number,
        ];
        if (a === b) return;
        servers.cut(a, b);
        return agenda.after(fault.forMs, () => this.#isMended || servers.mend(a, b));
      }
      case "slow": {
        const [a, b] = [this.#node(fault.a), this.#node(fault.b)].map((node) => node?.id ?? PGPLEX) as [
          number,
          number,
        ];
        if (a === b) return;
        servers.slow(a, b, fault.byMs);
        return agenda.after(fault.forMs, () => servers.slow(a, b, 0));
      }
      case "deny": {
        const node = this.#node(fault.node)!;
        node.isDenied = true;
        return agenda.after(fault.forMs, () => node.isDenied = false);
      }
      case "lag": {
        const node = this.#node(fault.node)!;
        node.isPaused = true;
        return agenda.after(fault.forMs, () => {
          node.isPaused = false;
          node.disturbedMs = agenda.nowMs;
        });
      }
      case "crash": {
        const crash = () => {
          pgplex.crash();
          if (fault.loses) {
            this.#tell("the record is lost");
            if (fraction(this.#random) < 0.5) store.lose();
            else store.damage();
            pgplex.invariants.forgets();
          }
          agenda.after(fault.backMs, () => pgplex.start());
        };
        return fault.step === null ? crash() : this.#atStep(fault.step, crash);
      }
      case "crowd": {
        const node = this.#node("primary")!;
        node.isDenied = true;
        const others = servers.nodes.filter((other) => other !== node);
        for (const other of others) servers.cut(node.id, other.id);
        return agenda.after(fault.forMs, () => {
          node.isDenied = false;
          for (const other of others) if (!this.#isMended) servers.mend(node.id, other.id);
        });
      }
      case "blackout": {
        const node = this.#node("primary")!;
        pgplex.crash();
        store.lose();
        pgplex.invariants.forgets();
        servers.cut(node.id, PGPLEX);
        agenda.after(200, () => pgplex.start());
        return agenda.after(fault.forMs, () => this.#isMended || servers.mend(node.id, PGPLEX));
      }
      case "store":
        store.isBroken = true;
        pgplex.invariants.disturbedMs = agenda.nowMs + fault.forMs;
        return agenda.after(fault.forMs, () => store.isBroken = false);
      case "replies":
        pgplex.losesReplies = true;
        pgplex.invariants.disturbedMs = agenda.nowMs + fault.forMs;
        return agenda.after(fault.forMs, () => pgplex.losesReplies = false);
      case "at step":
        return this.#atStep(fault.step, () => this.#inStep(fault));
      case "mode":
        pgplex.configure({ ...pgplex.settings, mode: fault.mode });
        return agenda.after(fault.forMs, () => pgplex.configure(settingsFor(this.#plan)));
      case "second hand": {
        const node = servers.nodes[fault.node]!;
        if (!node.isServing(agenda.nowMs) || !node.isStandby || node.options.system !== "111") return;
        pgplex.invariants.mayLose = true;
        node.disturbedMs = agenda.nowMs;
        node.isPromotedByHand = true;
        return servers.beginPromotion(node);
      }
      case "switchover":
        return pgplex.command(
          { kind, to: nameOf(fault.to), withinMs: 5_000, isForced: fault.isForced } as Command,
        );
      case "failover":
        return pgplex.command({ kind: "failover", to: nameOf(fault.to), isForced: false });
      case "rejoin":
        return pgplex.command({ kind: "rejoin", node: nameOf(fault.node)! });
    }
  }

  #kill(
    node: ModelNode,
    { backMs, zombie, startMs }: {
      readonly backMs: number;
      readonly zombie: boolean;
      readonly startMs: number;
    },
  ): void {
    this.servers.kill(node, { zombie });
    const isBack = this.#plan.supervised || fraction(this.#random) < 0.5;
    if (!isBack) return;
    this.agenda.after(Math.max(backMs, zombie ? 2_000 : 0), () => this.servers.start(node, startMs));
  }

  #inStep({ what, forMs }: Fault & { readonly kind: "at step" }): void {
    const { record } = this.store;
    const move = record?.move ?? null;
    if (move === null) return;
    this.#tell(`FAULT in step ${move.step}: ${what}`);
    const { servers, agenda } = this;
    const find = (name: string | null) =>
      servers.nodes.find((node) => node.name === name) ?? this.#node("standby")!;
    const [from, candidate] = [find(move.from), find(move.candidate)];
    switch (what) {
      case "kill candidate":
        return this.#kill(candidate, { backMs: forMs, zombie: false, startMs: 500 });
      case "stop candidate":
        servers.stop(candidate);
        return agenda.after(forMs, () => servers.go(candidate));
      case "return primary":
        servers.go(from);
        servers.start(from, 100);
        return;
      case "kill primary":
        return this.#kill(from, { backMs: forMs, zombie: true, startMs: 500 });
      case "cut candidate":
        servers.cut(candidate.id, PGPLEX);
        return agenda.after(forMs, () => this.#isMended || servers.mend(candidate.id, PGPLEX));
    }
  }
}

function nameOf(node: number | null): string | null {
  return node === null ? null : `n${node + 1}`;
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
