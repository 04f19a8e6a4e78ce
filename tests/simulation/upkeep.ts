import type { ArbiterSettings, MoveStep, SynchronousNames } from "../../src/arbiter/mod.ts";
import { fraction } from "../../src/kernel/mod.ts";
import { recordKey } from "../../src/instances/values.ts";
import type { Stage } from "./faults.ts";
import type { ModelInstance } from "./instance.ts";
import { CLUSTER, ModelKeys } from "./model_keys.ts";
import type { ModelNode } from "./model_node.ts";
import type { Target, Who } from "./plan.ts";
import { placeOf } from "./servers.ts";

/** What people do to servers, files and the store while they look after them, and what their machines do; with `step`: when a move is there. */
export type UpkeepFault =
  /** Other names acknowledge commits from now on; null: nobody. */
  | {
    readonly kind: "names";
    readonly step: MoveStep | null;
    readonly to: SynchronousNames | null;
  }
  /** Reads are answered, nothing is written any more. */
  | { readonly kind: "full"; readonly node: Target; readonly step: MoveStep | null; readonly forMs: number }
  /** The wall clock jumps. */
  | { readonly kind: "wall"; readonly who: Who; readonly byMs: number }
  /** Another cluster's server is there for a while. */
  | {
    readonly kind: "replace";
    readonly node: Target | "candidate";
    readonly step: MoveStep | null;
    readonly asStandby: boolean;
    readonly forMs: number;
  }
  /** A node is taken out of all files, one reload behind the other, and put there again. */
  | {
    readonly kind: "file";
    readonly node: Target | "candidate";
    readonly step: MoveStep | null;
    readonly forMs: number;
    readonly apartMs: number;
  }
  /** Somebody promotes a standby during a move; a number counts the standbys. */
  | { readonly kind: "hand"; readonly step: MoveStep; readonly which: number }
  /** The record is removed by hand; `ends`: the instance that leads dies with it. */
  | {
    readonly kind: "forget";
    readonly step: MoveStep | null;
    readonly ends: boolean;
    readonly backMs: number;
  }
  /** What pg_rewind does breaks off in the middle. */
  | { readonly kind: "half rewind"; readonly forMs: number }
  /** The candidate dies, and is back soon. */
  | { readonly kind: "blink"; readonly step: MoveStep; readonly backMs: number }
  /** A node takes so long for each answer. */
  | { readonly kind: "tired"; readonly node: Target; readonly byMs: number; readonly forMs: number }
  /** Somebody restarts the primary as a standby; `promotes`: and promotes it again, behind so long. */
  | {
    readonly kind: "restart";
    readonly step: MoveStep | null;
    readonly startMs: number;
    readonly promotes: boolean;
    readonly behindMs: number;
  }
  /** The file of one instance says another mode. */
  | {
    readonly kind: "own mode";
    readonly who: Who;
    readonly mode: ArbiterSettings["mode"];
    readonly forMs: number;
  }
  /** The disk of the store is full: all can be read and removed, nothing can be written. */
  | { readonly kind: "no space"; readonly step: MoveStep | null; readonly forMs: number }
  /** An instance is restarted with the file of another one, whose id it has for a while. */
  | {
    readonly kind: "twin";
    readonly who: number;
    readonly of: number;
    readonly backMs: number;
    readonly forMs: number;
  }
  /** All that is in the store is removed by hand, or the store is replaced by a fresh one; `ends`: the instance that leads dies with it. */
  | {
    readonly kind: "wipe";
    readonly step: MoveStep | null;
    readonly ends: boolean;
    readonly isFresh: boolean;
    readonly backMs: number;
  };

/** By what upkeep is drawn. */
interface Drawing {
  readonly between: (low: number, high: number) => number;
  readonly chance: (p: number) => boolean;
  readonly pick: <T>(list: readonly T[]) => T;
  readonly nodes: number;
  readonly names: readonly string[];
  readonly isSynchronous: boolean;
  readonly count: number;
  readonly untilMs: number;
}

const STEPS = ["prepare", "hold", "recruit", "demote", "fence", "promote", "promote"] as const;

/** One of them. */
export function upkeepOf(
  { between, chance, pick, nodes, names, isSynchronous, count, untilMs }: Drawing,
): UpkeepFault & { readonly atMs: number } {
  const atMs = between(3_000, untilMs);
  const step = chance(0.6) ? pick(STEPS) : null;
  const forMs = chance(0.3) ? between(5_000, 20_000) : between(100, 5_000);
  const node = pick<Target>(["primary", "primary", "standby"]);
  const who = (): Who => pick<Who>(["leader", "leader", between(0, count - 1)]);
  switch (
    pick(["names", "names", "full", "wall", "replace", "file", "hand", "forget", "rewind", "blink", "tired"])
  ) {
    case "names": {
      if (!isSynchronous) return { kind: "full", atMs, node, step, forMs };
      const some = names.filter(() => chance(0.6));
      const to = { method: pick(["any", "first"] as const), k: 1, names: some.length === 0 ? names : some };
      return { kind: "names", atMs, step, to: chance(0.1) ? null : to };
    }
    case "full":
      return { kind: "full", atMs, node, step, forMs };
    case "wall":
      return { kind: "wall", atMs, who: who(), byMs: pick([-1, -1, 1]) * between(1_000, 3_600_000) };
    case "replace": {
      const where = pick([node, "candidate"] as const);
      return { kind: "replace", atMs, node: where, step, asStandby: chance(0.5), forMs };
    }
    case "file": {
      const where = pick([node, "candidate", between(0, nodes - 1)] as const);
      return { kind: "file", atMs, node: where, step, forMs, apartMs: between(0, 2_000) };
    }
    case "hand":
      return { kind: "hand", atMs, step: pick(STEPS), which: between(0, nodes - 2) };
    case "forget":
      return {
        kind: "forget",
        atMs,
        step: chance(0.5) ? step : null,
        ends: chance(0.6),
        backMs: between(100, 8_000),
      };
    case "rewind":
      return { kind: "half rewind", atMs, forMs: 30_000 };
    case "blink":
      return {
        kind: "blink",
        atMs,
        step: pick(["recruit", "demote", "promote", "promote"] as const),
        backMs: between(50, 3_000),
      };
    default:
      return { kind: "tired", atMs, node, byMs: between(800, 3_500), forMs };
  }
}

/** An operator who says two things, one right behind the other. */
export function hurried(
  { between, chance, nodes, untilMs }: Pick<Drawing, "between" | "chance" | "nodes" | "untilMs">,
  upTo: (n: number) => number,
) {
  const atMs = between(3_000, untilMs - 3_000);
  return [0, between(1, 3_000)].map((behindMs) => ({
    kind: "switchover",
    atMs: atMs + behindMs,
    to: chance(0.7) ? upTo(nodes) : null,
    isForced: chance(0.2),
  } as const));
}

/** What is done wrong by hand. */
export function mishapOf(
  { between, chance, pick, count, untilMs }: Drawing,
): UpkeepFault & { readonly atMs: number } {
  const atMs = between(3_000, untilMs);
  const step = chance(0.5) ? pick(STEPS) : null;
  const forMs = chance(0.5) ? between(5_000, 25_000) : between(100, 5_000);
  const kinds = ["restart", "own mode", "no space", "wipe"] as const;
  switch (count === 1 ? kinds[0] : pick(kinds)) {
    case "restart": {
      const [startMs, behindMs] = [between(100, 6_000), between(50, 4_000)];
      return { kind: "restart", atMs, step, startMs, promotes: chance(0.6), behindMs };
    }
    case "own mode": {
      const who = pick<Who>(["leader", "leader", "follower"]);
      return { kind: "own mode", atMs, who, mode: pick(["manual", "auto", "follow"]), forMs };
    }
    case "no space":
      return { kind: "no space", atMs, step, forMs };
    case "wipe":
      return {
        kind: "wipe",
        atMs,
        step,
        ends: chance(0.3),
        backMs: between(100, 8_000),
        isFresh: chance(0.5),
      };
  }
}

/** Two instances with one id. */
export function twinOf(
  { between, count, untilMs }: Pick<Drawing, "between" | "count" | "untilMs">,
): UpkeepFault & { readonly atMs: number } {
  const [who, apart] = [between(0, count - 1), between(1, count - 1)];
  const of = (who + apart) % count;
  const [backMs, forMs] = [between(100, 2_000), between(2_000, 30_000)];
  return { kind: "twin", atMs: between(3_000, untilMs), who, of, backMs, forMs };
}

/** What {@link beginUpkeep} needs besides the stage. */
export interface UpkeepParts extends Stage {
  readonly isMended: () => boolean;
  readonly atStep: (step: MoveStep | null, run: () => void) => void;
  readonly node: (target: Target) => ModelNode | null;
  readonly instance: (who: Who) => ModelInstance;
}

/** Makes it happen. */
export function beginUpkeep(parts: UpkeepParts, fault: UpkeepFault): void {
  const { servers, store, instances, invariants, random, tell, atStep, isMended } = parts;
  const { agenda } = servers;
  const later = (forMs: number, run: () => void) => agenda.after(forMs, () => isMended() || run());
  const find = (target: Target | "candidate"): ModelNode => {
    const named = servers.nodes.find(({ name }) => name === store.record?.move?.candidate);
    if (target !== "candidate") return parts.node(target)!;
    return named ?? parts.node("standby")!;
  };
  switch (fault.kind) {
    case "names":
      return atStep(fault.step, () => {
        const node = find("primary");
        if (!node.isServing(agenda.nowMs)) return;
        tell(`${node.name} commits by ${JSON.stringify(fault.to)} from now on`);
        node.setNames(fault.to, agenda.nowMs);
      });
    case "full":
      return atStep(fault.step, () => {
        const node = find(fault.node);
        node.isFull = true;
        node.disturb(agenda.nowMs);
        later(fault.forMs, () => {
          node.isFull = false;
          node.disturb(agenda.nowMs);
        });
      });
    case "wall": {
      const instance = parts.instance(fault.who);
      instance.clock.wallOffsetMs += fault.byMs;
      invariants.hasJumped = true;
      return;
    }
    case "replace":
      return atStep(fault.step, () => {
        const node = find(fault.node);
        if (node.replaced !== null || node.options.system !== "111") return;
        // Where most of its nodes are another cluster's nobody can tell any more which cluster it is.
        if (servers.nodes.some(({ replaced, options }) => replaced !== null || options.system !== "111")) {
          return;
        }
        tell(`${node.name} is another cluster's server for a while`);
        servers.replace(node, fault.asStandby);
        later(fault.forMs, () => servers.restore(node));
      });
    case "file":
      return atStep(fault.step, () => {
        const { name } = find(fault.node);
        tell(`the files do not have ${name} any more`);
        const node = find(fault.node);
        node.disturb(agenda.nowMs + fault.forMs + fault.apartMs);
        for (const [at, instance] of instances.entries()) {
          later(at * fault.apartMs, () => instance.configure(without(instance.settings, name)));
          later(fault.forMs + at * fault.apartMs, () => {
            node.disturb(agenda.nowMs);
            instance.configure(withNode(instance.settings, servers.plan, name));
          });
        }
      });
    case "hand":
      return atStep(fault.step, () => {
        const { move = null } = store.record ?? {};
        const standbys = servers.nodes.filter((node) =>
          node.isStandby && node.options.system === "111" && node.isServing(agenda.nowMs) &&
          node.name !== move?.candidate
        );
        const node = standbys[fault.which % Math.max(1, standbys.length)];
        if (node === undefined) return;
        invariants.mayLose = true;
        tell(`somebody promotes ${node.name}`);
        servers.promoteByHand(node);
      });
    case "forget":
      return atStep(fault.step, () => {
        const leader = parts.instance("leader");
        if (store instanceof ModelKeys) {
          store.remove(recordKey(CLUSTER));
          invariants.forgets();
        } else if (fault.ends) {
          store.lose();
          invariants.forgets();
        } else return;
        tell("the record is removed by hand");
        if (!fault.ends) return;
        leader.end();
        agenda.after(fault.backMs, () => leader.start());
      });
    case "half rewind":
      servers.breaksRewinds = true;
      return later(fault.forMs, () => servers.breaksRewinds = false);
    case "blink":
      return atStep(fault.step, () => {
        const node = find("candidate");
        servers.kill(node);
        agenda.after(fault.backMs, () => servers.start(node, 100 + 400 * fraction(random)));
      });
    case "tired": {
      const node = find(fault.node);
      const places = instances.map(({ number }) => placeOf(number));
      for (const place of places) servers.slow(place, node.id, fault.byMs);
      return later(fault.forMs, () => {
        for (const place of places) servers.slow(place, node.id, 0);
      });
    }
    case "restart":
      return atStep(fault.step, () => {
        const node = find("primary");
        if (node.isStandby || node.options.system !== "111" || !node.isServing(agenda.nowMs)) return;
        tell(`somebody restarts ${node.name} as a standby`);
        servers.kill(node);
        Object.assign(node, { isStandby: true, upstream: null });
        servers.start(node, fault.startMs);
        if (!fault.promotes) return;
        later(fault.startMs + fault.behindMs, () => {
          if (!node.isStandby || !node.isServing(agenda.nowMs)) return;
          invariants.mayLose = true;
          tell(`somebody promotes ${node.name} again`);
          servers.promoteByHand(node);
        });
      });
    case "own mode": {
      const instance = parts.instance(fault.who);
      const { mode } = instance.settings;
      instance.configure({ ...instance.settings, mode: fault.mode });
      return later(fault.forMs, () => instance.configure({ ...instance.settings, mode }));
    }
    case "no space":
      return atStep(fault.step, () => {
        if (!(store instanceof ModelKeys)) return;
        store.isFull = true;
        for (const { number } of instances) invariants.disturbs(number, fault.forMs);
        later(fault.forMs, () => store.isFull = false);
      });
    case "twin": {
      const [instance, other] = [instances[fault.who]!, instances[fault.of]!];
      const begin = (id: number) => {
        instance.end();
        instance.id = id;
        later(fault.backMs, () => instance.start());
      };
      begin(other.id);
      return later(fault.backMs + fault.forMs, () => begin(fault.who + 1));
    }
    case "wipe":
      return atStep(fault.step, () => {
        if (!(store instanceof ModelKeys)) return;
        const leader = parts.instance("leader");
        tell(fault.isFresh ? "the store is a fresh one" : "all that is in the store is removed by hand");
        for (const { number } of instances) invariants.disturbs(number);
        invariants.forgets();
        if (fault.isFresh) store.replace();
        else store.wipe();
        if (!fault.ends) return;
        leader.end();
        agenda.after(fault.backMs, () => leader.start());
      });
  }
}

function without(settings: ArbiterSettings, name: string): ArbiterSettings {
  return { ...settings, nodes: settings.nodes.filter((node) => node.name !== name) };
}

/** The node as the plan has it. */
function withNode(
  settings: ArbiterSettings,
  { priorities, excluded }: Stage["plan"],
  name: string,
): ArbiterSettings {
  if (settings.nodes.some((node) => node.name === name)) return settings;
  const id = Number(name.slice(1)) - 1;
  const node = {
    name,
    host: `10.0.0.${id + 1}`,
    port: 5432,
    priority: priorities[id]!,
    promote: !excluded.includes(id),
  };
  const nodes = [...settings.nodes, node].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { ...settings, nodes };
}
