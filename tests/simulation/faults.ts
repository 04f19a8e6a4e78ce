import { fraction, type Random } from "../../src/kernel/mod.ts";
import type { Command, MoveStep } from "../../src/arbiter/mod.ts";
import { clusterKey, instanceKey, LEADER, recordKey } from "../../src/instances/values.ts";
import type { ModelInstance } from "./instance.ts";
import type { Invariants } from "./invariants.ts";
import { CLUSTER, ModelKeys } from "./model_keys.ts";
import type { ModelNode } from "./model_node.ts";
import type { Fault, Plan, Target, Who } from "./plan.ts";
import { placeOf, type Servers, STORE } from "./servers.ts";
import type { ModelStore } from "./store.ts";
import { beginUpkeep, type UpkeepFault } from "./upkeep.ts";

/** Where things go wrong. */
export interface Stage {
  readonly plan: Plan;
  readonly servers: Servers;
  readonly store: ModelStore | ModelKeys;
  readonly instances: readonly ModelInstance[];
  readonly invariants: Invariants;
  readonly random: Random;
  readonly tell: (text: string) => void;
  /** An operator says something somewhere. */
  readonly command: (command: Command) => void;
}

/** Makes the faults of a plan happen, until all is mended. */
export class Faults {
  readonly #stage: Stage;
  isMended = false;
  #onStep: (() => void)[] = [];
  #lastStep = "";

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Another record is stored. */
  recorded(): void {
    const { record } = this.#stage.store;
    const step = `${record?.epoch}/${record?.move?.step ?? record?.phase}`;
    if (step === this.#lastStep) return;
    this.#lastStep = step;
    const waiting = this.#onStep;
    this.#onStep = [];
    for (const look of waiting) look();
  }

  /** Calls `run` when a move comes to a step, some time in it; at once where there is none. */
  #atStep(step: MoveStep | null, run: () => void): void {
    if (step === null) return run();
    const { store, servers } = this.#stage;
    const look = () => {
      if (this.isMended) return;
      if (store.record?.move?.step !== step) {
        this.#onStep.push(look);
        return;
      }
      servers.agenda.after(servers.between(0, 250), () => this.isMended || run());
    };
    this.#onStep.push(look);
  }

  /** When the entry of an instance was removed by hand, by its id. */
  readonly #removedMs = new Map<number, number>();

  #node(target: Target): ModelNode | null {
    const { servers: { nodes }, store, random } = this.#stage;
    if (target === "pgplex") return null;
    if (typeof target === "number") return nodes[target]!;
    const primary = nodes.find(({ name }) => name === store.record?.primary) ?? nodes[0]!;
    if (target === "primary") return primary;
    const others = nodes.filter((node) => node !== primary);
    return others[Math.floor(fraction(random) * others.length)]!;
  }

  #instance(who: Who): ModelInstance {
    const { instances, store, random } = this.#stage;
    if (typeof who === "number") return instances[who]!;
    const leader = instances.find(({ incarnation }) =>
      store instanceof ModelKeys ? store.leader === incarnation : true
    );
    const others = instances.filter((one) => one !== leader);
    if (who === "leader" || others.length === 0) return leader ?? instances[0]!;
    return others[Math.floor(fraction(random) * others.length)]!;
  }

  /** Both ends of links between two; pgplex: all instances, or one of them. */
  #links(a: Target, b: Target): (readonly [number, number])[] {
    const { instances, random } = this.#stage;
    const all = fraction(random) < 0.5;
    const some = all ? instances : [instances[Math.floor(fraction(random) * instances.length)]!];
    const places = some.map(({ number }) => placeOf(number));
    const [ends, others] = [a, b].map((target) => {
      const node = this.#node(target);
      return node === null ? places : [node.id];
    }) as [number[], number[]];
    return ends.flatMap((end) => others.flatMap((other) => end === other ? [] : [[end, other] as const]))
      .filter(([end, other]) => end >= 0 || other >= 0);
  }

  #cut(links: readonly (readonly [number, number])[], forMs: number): void {
    const { servers } = this.#stage;
    for (const [a, b] of links) servers.cut(a, b);
    servers.agenda.after(forMs, () => {
      if (!this.isMended) { for (const [a, b] of links) servers.mend(a, b); }
    });
  }

  begin(fault: Fault): void {
    const { servers, store, instances, invariants, random, tell, command, plan } = this.#stage;
    const { agenda } = servers;
    const { kind } = fault;
    if (!["switchover", "failover", "rejoin"].includes(kind)) tell(`FAULT ${JSON.stringify(fault)}`);
    const all = instances.map(({ number }) => number);
    switch (fault.kind) {
      case "kill":
        return this.#kill(this.#node(fault.node)!, fault);
      case "stop": {
        const node = this.#node(fault.node)!;
        servers.stop(node);
        return agenda.after(fault.forMs, () => servers.go(node));
      }
      case "cut":
        return this.#cut(this.#links(fault.a, fault.b), fault.forMs);
      case "slow": {
        const links = this.#links(fault.a, fault.b);
        for (const [a, b] of links) servers.slow(a, b, fault.byMs);
        return agenda.after(fault.forMs, () => {
          for (const [a, b] of links) servers.slow(a, b, 0);
        });
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
          node.disturb(agenda.nowMs);
        });
      }
      case "crash":
        return this.#atStep(fault.step, () => {
          const instance = this.#instance("leader");
          instance.end();
          if (fault.loses && !(store instanceof ModelKeys)) {
            tell("the record is lost");
            if (fraction(random) < 0.5) store.lose();
            else store.damage();
            invariants.forgets();
          }
          agenda.after(fault.backMs, () => instance.start());
        });
      case "crowd": {
        const node = this.#node("primary")!;
        node.isDenied = true;
        const others = servers.nodes.filter((other) => other !== node);
        this.#cut(others.map((other) => [node.id, other.id] as const), fault.forMs);
        return agenda.after(fault.forMs, () => node.isDenied = false);
      }
      case "blackout": {
        if (store instanceof ModelKeys) return;
        const node = this.#node("primary")!;
        const [instance] = instances;
        instance!.end();
        store.lose();
        invariants.forgets();
        this.#cut([[node.id, placeOf(0)]], fault.forMs);
        return agenda.after(200, () => instance!.start());
      }
      case "store":
        if (store instanceof ModelKeys) return this.#flaky(all, 0.7, fault.forMs);
        store.isBroken = true;
        invariants.disturbs(0, fault.forMs);
        return agenda.after(fault.forMs, () => store.isBroken = false);
      case "replies":
        for (const instance of instances) {
          instance.losesReplies = true;
          invariants.disturbs(instance.number, fault.forMs);
        }
        return agenda.after(fault.forMs, () => {
          for (const instance of instances) instance.losesReplies = false;
        });
      case "at step":
        return this.#atStep(fault.step, () => this.#inStep(fault));
      case "mode":
        for (const one of instances) one.configure({ ...one.settings, mode: fault.mode });
        return agenda.after(fault.forMs, () => {
          for (const one of instances) one.configure({ ...one.settings, mode: plan.mode });
        });
      case "second hand": {
        const node = servers.nodes[fault.node]!;
        if (!node.isServing(agenda.nowMs) || !node.isStandby || node.options.system !== "111") return;
        invariants.mayLose = true;
        return servers.promoteByHand(node);
      }
      case "switchover":
        return command({ kind, to: nameOf(fault.to), withinMs: 5_000, isForced: fault.isForced } as Command);
      case "failover":
        return command({ kind: "failover", to: nameOf(fault.to), isForced: false });
      case "rejoin":
        return command({ kind: "rejoin", node: nameOf(fault.node)! });
      case "names":
      case "full":
      case "wall":
      case "replace":
      case "file":
      case "hand":
      case "forget":
      case "half rewind":
      case "blink":
      case "tired":
      case "restart":
      case "own mode":
      case "no space":
      case "wipe":
      case "twin":
        return this.#upkeep(fault);
      default:
        return this.#ofInstances(fault);
    }
  }

  #upkeep(fault: UpkeepFault): void {
    beginUpkeep({
      ...this.#stage,
      isMended: () => this.isMended,
      atStep: (step, run) => this.#atStep(step, run),
      node: (target) => this.#node(target),
      instance: (who) => this.#instance(who),
    }, fault);
  }

  #ofInstances(fault: Fault): void {
    const { servers, store, instances, invariants } = this.#stage;
    const { agenda } = servers;
    if (!(store instanceof ModelKeys)) return;
    switch (fault.kind) {
      case "sleep":
        return this.#atStep(fault.step, () => {
          const instance = this.#instance(fault.who);
          instance.sleep();
          agenda.after(fault.forMs, () => instance.wake());
        });
      case "end":
        return this.#atStep(fault.step, () => {
          const instance = this.#instance(fault.who);
          instance.end({ leaves: fault.leaves });
          agenda.after(fault.backMs, () => instance.start());
        });
      case "no store":
        return this.#atStep(fault.step, () => {
          const { number } = this.#instance(fault.who);
          invariants.disturbs(number, fault.forMs);
          this.#cut([[placeOf(number), STORE]], fault.forMs);
        });
      case "still":
        return this.#atStep(fault.step, () => {
          store.isStill = true;
          for (const { number } of instances) invariants.disturbs(number, fault.forMs);
          agenda.after(fault.forMs, () => store.goOn());
        });
      case "flaky": {
        const all = instances.map(({ number }) => number);
        return this.#flaky(
          fault.who === "all" ? all : [this.#instance(fault.who).number],
          fault.p,
          fault.forMs,
        );
      }
      case "deaf": {
        const { number } = this.#instance(fault.who);
        invariants.disturbs(number, fault.forMs + fault.byMs);
        store.lateMs[number] = fault.byMs;
        return agenda.after(fault.forMs, () => store.lateMs[number] = 0);
      }
      case "slow store": {
        const { number } = this.#instance(fault.who);
        servers.slow(placeOf(number), STORE, fault.byMs);
        return agenda.after(fault.forMs, () => servers.slow(placeOf(number), STORE, 0));
      }
      case "reload":
        return this.#atStep(fault.step, () => {
          const instance = this.#instance(fault.who);
          instance.drop();
          agenda.after(fault.forMs, () => instance.add());
        });
      case "straggle":
        return this.#straggle(this.#instance(fault.who).number, fault);
      case "doze": {
        const instance = this.#instance(fault.who);
        store.onWrite[instance.number] = () => {
          store.onWrite[instance.number] = null;
          agenda.after(0.1, () => this.isMended || instance.sleep());
          agenda.after(fault.forMs, () => instance.wake());
        };
        return;
      }
      case "late word":
        return this.#lateWord(this.#instance(fault.who).number, fault.lateMs);
      case "split":
        return this.#split(fault);
      case "amnesia":
        for (const instance of instances) {
          instance.end();
          agenda.after(fault.backMs, () => instance.start());
        }
        store.remove(recordKey(CLUSTER));
        return invariants.forgets();
      case "remove": {
        const instance = this.#instance(fault.who);
        const { id } = instance;
        if (fault.what === "instance") {
          // Who does that again before the others can have seen that it is back takes what they go by.
          const agoMs = agenda.nowMs - (this.#removedMs.get(id) ?? -Infinity);
          if (agoMs < Math.max(...this.#stage.plan.ttlsMs)) return;
          this.#removedMs.set(id, agenda.nowMs);
        }
        for (const { number } of instances) invariants.disturbs(number);
        if (fault.what === "leader") return store.remove(LEADER);
        return store.remove(fault.what === "instance" ? instanceKey(id) : clusterKey(CLUSTER, "acks", id));
      }
      case "blind": {
        const node = this.#node(fault.node)!;
        return this.#cut([[placeOf(this.#instance(fault.who).number), node.id]], fault.forMs);
      }
    }
  }

  #straggle(number: number, { lostMs, lateMs }: { readonly lostMs: number; readonly lateMs: number }): void {
    const { store, servers: { agenda }, invariants } = this.#stage;
    if (!(store instanceof ModelKeys)) return;
    const fromMs = agenda.nowMs + lostMs;
    let lateUntilMs = Infinity;
    invariants.disturbs(number, lostMs + lateMs + 10_000);
    store.straggling[number] = (writes) => {
      const { nowMs } = agenda;
      if (nowMs > lateUntilMs) return writes && nowMs < lateUntilMs + 5_000 ? { kind: "lost" } : null;
      // A renewal comes behind a look.
      if (nowMs < fromMs || lateUntilMs < Infinity) return { kind: "lost" };
      if (!writes) return null;
      lateUntilMs = nowMs + lateMs;
      return { kind: "late", byMs: lateMs };
    };
  }

  #lateWord(number: number, lateMs: number): void {
    const { store, servers: { agenda }, invariants } = this.#stage;
    if (!(store instanceof ModelKeys)) return;
    let untilMs = Infinity;
    invariants.disturbs(number, lateMs + 20_000);
    store.straggling[number] = (_, isRecord) => {
      if (untilMs < Infinity) return agenda.nowMs < untilMs ? { kind: "lost" } : null;
      if (!isRecord) return null;
      untilMs = agenda.nowMs + lateMs;
      return { kind: "late", byMs: lateMs };
    };
  }

  #split({ beside, forMs }: { readonly beside: number; readonly forMs: number }): void {
    const { servers, instances } = this.#stage;
    const primary = this.#node("primary")!;
    const near = new Set([primary.id]);
    // The last ones are beside it: the first one leads, mostly.
    for (const { number } of instances.slice(instances.length - beside)) near.add(placeOf(number));
    const all = [...servers.nodes.map(({ id }) => id), ...instances.map(({ number }) => placeOf(number))];
    const links = all.flatMap((a) =>
      all.flatMap((b) => a < b && near.has(a) !== near.has(b) && (a >= 0 || b >= 0) ? [[a, b] as const] : [])
    );
    this.#cut(links, forMs);
  }

  #flaky(numbers: readonly number[], p: number, forMs: number): void {
    const { store, invariants, servers } = this.#stage;
    if (!(store instanceof ModelKeys)) return;
    for (const number of numbers) {
      store.flaky[number] = p;
      invariants.disturbs(number, forMs);
    }
    servers.agenda.after(forMs, () => {
      for (const number of numbers) store.flaky[number] = 0;
    });
  }

  #kill(
    node: ModelNode,
    { backMs, zombie, startMs }: {
      readonly backMs: number;
      readonly zombie: boolean;
      readonly startMs: number;
    },
  ): void {
    const { servers, plan, random } = this.#stage;
    servers.kill(node, { zombie });
    const isBack = plan.supervised || fraction(random) < 0.5;
    if (!isBack) return;
    servers.agenda.after(Math.max(backMs, zombie ? 2_000 : 0), () => servers.start(node, startMs));
  }

  #inStep({ what, forMs }: Fault & { readonly kind: "at step" }): void {
    const { servers, store, instances, tell } = this.#stage;
    const move = store.record?.move ?? null;
    if (move === null) return;
    tell(`FAULT in step ${move.step}: ${what}`);
    const find = (name: string | null) =>
      servers.nodes.find((node) => node.name === name) ?? this.#node("standby")!;
    const [from, candidate] = [find(move.from), find(move.candidate)];
    switch (what) {
      case "kill candidate":
        return this.#kill(candidate, { backMs: forMs, zombie: false, startMs: 500 });
      case "stop candidate":
        servers.stop(candidate);
        return servers.agenda.after(forMs, () => servers.go(candidate));
      case "return primary":
        servers.go(from);
        servers.start(from, 100);
        return;
      case "kill primary":
        return this.#kill(from, { backMs: forMs, zombie: true, startMs: 500 });
      case "cut candidate":
        return this.#cut(instances.map(({ number }) => [candidate.id, placeOf(number)] as const), forMs);
    }
  }
}

function nameOf(node: number | null): string | null {
  return node === null ? null : `n${node + 1}`;
}
