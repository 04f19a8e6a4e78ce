import { fraction, type Random } from "../../src/kernel/mod.ts";
import type { MoveStep, SynchronousNames } from "../../src/arbiter/mod.ts";
import { hurried, mishapOf, twinOf, type UpkeepFault, upkeepOf } from "./upkeep.ts";

/** What one run is about, drawn from a seed. */
export interface Plan {
  readonly seed: number;
  readonly nodes: number;
  readonly mode: "manual" | "auto";
  readonly rejoin: "manual" | "sql";
  readonly synchronous: SynchronousNames | null;
  readonly priorities: readonly number[];
  /** Nodes that are not to be promoted. */
  readonly excluded: readonly number[];
  /** The node that replays late; null: none. */
  readonly delayed: number | null;
  /** The node that belongs to another cluster; null: none. */
  readonly foreign: number | null;
  /** The node that receives from another standby; null: none. */
  readonly cascaded: number | null;
  readonly canRunPrograms: boolean;
  readonly idleAgeMs: number;
  readonly receiverTimeoutMs: number;
  readonly maxLagBytes: number;
  /** Whether something starts servers that have died. */
  readonly supervised: boolean;
  /** One decides alone, several agree by a store. */
  readonly instances: number;
  /** How fast the clock of each instance goes. */
  readonly rates: readonly number[];
  /** How long each instance counts behind its last renewal, which should be the same. */
  readonly ttlsMs: readonly number[];
  /** Who loses the store goes on while the primary shows that all standbys stream from it. */
  readonly isFailsafe: boolean;
  readonly faults: readonly Fault[];
}

/** What goes wrong, or what somebody does. A number is a node. */
export type Fault =
  & { readonly atMs: number }
  & (
    | {
      readonly kind: "kill";
      readonly node: Target;
      readonly backMs: number;
      readonly zombie: boolean;
      readonly startMs: number;
    }
    | { readonly kind: "stop"; readonly node: Target; readonly forMs: number }
    | { readonly kind: "cut"; readonly a: Target; readonly b: Target; readonly forMs: number }
    | {
      readonly kind: "slow";
      readonly a: Target;
      readonly b: Target;
      readonly forMs: number;
      readonly byMs: number;
    }
    | { readonly kind: "deny"; readonly node: Target; readonly forMs: number }
    | { readonly kind: "lag"; readonly node: Target; readonly forMs: number }
    | {
      readonly kind: "crash";
      readonly step: MoveStep | null;
      readonly backMs: number;
      readonly loses: boolean;
    }
    | { readonly kind: "store"; readonly forMs: number }
    | { readonly kind: "replies"; readonly forMs: number }
    | {
      readonly kind: "at step";
      readonly step: MoveStep;
      readonly what:
        | "kill candidate"
        | "stop candidate"
        | "return primary"
        | "kill primary"
        | "cut candidate";
      readonly forMs: number;
    }
    | { readonly kind: "switchover"; readonly to: number | null; readonly isForced: boolean }
    | { readonly kind: "failover"; readonly to: number | null }
    | { readonly kind: "rejoin"; readonly node: number }
    | { readonly kind: "mode"; readonly mode: "manual" | "auto" | "follow"; readonly forMs: number }
    | { readonly kind: "second hand"; readonly node: number }
    /** The primary takes no more connections, and its standbys have lost it. */
    | { readonly kind: "crowd"; readonly forMs: number }
    /** pgplex crashes, its record is lost, and it does not reach the primary any more. */
    | { readonly kind: "blackout"; readonly forMs: number }
    | InstanceFault
    | UpkeepFault
  );

/** What goes wrong with instances, and with the store that they share; with `step`: when a move is there. */
export type InstanceFault =
  /** SIGSTOP, and SIGCONT. */
  | { readonly kind: "sleep"; readonly who: Who; readonly step: MoveStep | null; readonly forMs: number }
  | {
    readonly kind: "end";
    readonly who: Who;
    readonly step: MoveStep | null;
    readonly leaves: boolean;
    readonly backMs: number;
  }
  | { readonly kind: "no store"; readonly who: Who; readonly step: MoveStep | null; readonly forMs: number }
  /** The store has no majority. */
  | { readonly kind: "still"; readonly step: MoveStep | null; readonly forMs: number }
  /** Calls to it, or their answers, are lost, or late. */
  | { readonly kind: "flaky"; readonly who: Who | "all"; readonly p: number; readonly forMs: number }
  | { readonly kind: "deaf"; readonly who: Who; readonly byMs: number; readonly forMs: number }
  /** Somebody removes entries by hand. */
  | { readonly kind: "remove"; readonly who: Who; readonly what: "instance" | "leader" | "ack" }
  | { readonly kind: "slow store"; readonly who: Who; readonly byMs: number; readonly forMs: number }
  /**
   * Its calls to the store are lost for a while. Then one write comes to it late, and nothing else until then; behind that it can read, and
   * not write.
   */
  | { readonly kind: "straggle"; readonly who: Who; readonly lostMs: number; readonly lateMs: number }
  /** SIGSTOP while a write of its own is on its way to the store. */
  | { readonly kind: "doze"; readonly who: Who; readonly forMs: number }
  /** The next record that it writes comes to the store so late, and nothing else of it until then. */
  | { readonly kind: "late word"; readonly who: Who; readonly lateMs: number }
  /** The primary and so many instances on one side, all others on the other. */
  | { readonly kind: "split"; readonly beside: number; readonly forMs: number }
  /** The record is removed by hand, and all instances are restarted. */
  | { readonly kind: "amnesia"; readonly backMs: number }
  /** A reload removes the cluster from the file of an instance, and another one puts it there again. */
  | { readonly kind: "reload"; readonly who: Who; readonly step: MoveStep | null; readonly forMs: number }
  | { readonly kind: "blind"; readonly who: Who; readonly node: Target; readonly forMs: number };

/** An instance by its number, the one that leads at the moment, or another one. */
export type Who = number | "leader" | "follower";

/** A node by its number, the primary or a standby of the moment, or pgplex itself. */
export type Target = number | "primary" | "standby" | "pgplex";

/** Faults come in this time, in virtual milliseconds; then all is mended. */
export const FAULTS_MS = 45_000;

/** The plan of a seed. */
export function planOf(seed: number, random: Random, { instances, scene, way }: PlanOptions = {}): Plan {
  const upTo = (n: number) => Math.floor(fraction(random) * n);
  const between = (low: number, high: number) => Math.round(low + fraction(random) * (high - low));
  const chance = (p: number) => fraction(random) < p;
  const pick = <T>(list: readonly T[]): T => list[upTo(list.length)]!;
  const nodes = pick([2, 3, 3, 3, 3, 4]);
  const all = Array.from({ length: nodes }, (_, at) => at);
  const names = all.map((at) => `n${at + 1}`);
  const isSync = nodes > 2 ? chance(0.6) : chance(0.3);
  const synchronous = isSync
    ? { method: pick(["any", "any", "first"] as const), k: nodes === 4 && chance(0.4) ? 2 : 1, names }
    : null;
  const target = (): Target => pick<Target>(["primary", "primary", "primary", "standby", upTo(nodes)]);
  const steps = ["prepare", "hold", "recruit", "demote", "fence", "promote"] as const;
  const one = (): Fault => {
    const atMs = between(3_000, FAULTS_MS);
    const forMs = chance(0.3) ? between(5_000, 25_000) : between(50, 5_000);
    const draw = upTo(100);
    if (draw < 20) {
      const startMs = chance(0.08) ? between(30_000, 50_000) : between(100, 5_000);
      return {
        kind: "kill",
        atMs,
        node: target(),
        backMs: between(100, 20_000),
        zombie: chance(0.4),
        startMs,
      };
    }
    if (draw < 30) return { kind: "stop", atMs, node: target(), forMs };
    if (draw < 45) {
      const a = target();
      return {
        kind: "cut",
        atMs,
        a,
        b: pick<Target>(["pgplex", "pgplex", "standby", "primary", upTo(nodes)]),
        forMs,
      };
    }
    if (draw < 49) {
      return {
        kind: "slow",
        atMs,
        a: target(),
        b: pick<Target>(["pgplex", upTo(nodes)]),
        forMs,
        byMs: between(100, 2_500),
      };
    }
    if (draw < 52) return { kind: "deny", atMs, node: target(), forMs };
    if (draw < 57) return { kind: "lag", atMs, node: "standby", forMs };
    if (draw < 69) {
      return {
        kind: "crash",
        atMs,
        step: chance(0.7) ? pick(steps) : null,
        backMs: between(100, 8_000),
        loses: chance(0.05),
      };
    }
    if (draw < 71) return { kind: "store", atMs, forMs };
    if (draw < 74) return { kind: "replies", atMs, forMs };
    if (draw < 82) {
      const what = pick(
        ["kill candidate", "stop candidate", "return primary", "kill primary", "cut candidate"] as const,
      );
      return { kind: "at step", atMs, step: pick(steps), what, forMs };
    }
    if (draw < 92) {
      return { kind: "switchover", atMs, to: chance(0.5) ? upTo(nodes) : null, isForced: chance(0.2) };
    }
    if (draw < 94) return { kind: "failover", atMs, to: chance(0.5) ? upTo(nodes) : null };
    if (draw < 97) return { kind: "rejoin", atMs, node: upTo(nodes) };
    if (draw < 98) return { kind: "mode", atMs, mode: pick(["manual", "auto", "follow"] as const), forMs };
    if (chance(0.3)) return { kind: "crowd", atMs, forMs: between(2_000, 15_000) };
    if (chance(0.4)) {
      return { kind: "blackout", atMs: between(20_000, FAULTS_MS), forMs: between(3_000, 15_000) };
    }
    return { kind: "second hand", atMs, node: upTo(nodes) };
  };
  const faults = Array.from({ length: between(1, 7) }, one);
  // Most bad nights begin with one of these.
  if (chance(0.5)) {
    faults.push({
      kind: "kill",
      atMs: between(3_000, 20_000),
      node: "primary",
      backMs: between(100, 30_000),
      zombie: chance(0.4),
      startMs: between(100, 4_000),
    });
  } else faults.push({ kind: "switchover", atMs: between(3_000, 20_000), to: null, isForced: chance(0.2) });
  const count = instances ?? pick([1, 1, 2, 3]);
  const ttlMs = pick([5_000, 10_000]);
  if (count > 1) {
    const who = (): Who => pick<Who>(["leader", "leader", "follower", "follower", upTo(count)]);
    const oneOfInstances = (): Fault => {
      const atMs = between(2_000, FAULTS_MS);
      const step = chance(0.5)
        ? pick(["hold", "recruit", "recruit", "demote", "promote", "promote"] as const)
        : null;
      const forMs = chance(0.5) ? between(8_000, 25_000) : between(50, 8_000);
      const draw = upTo(100);
      if (draw < 22) return { kind: "sleep", atMs, who: who(), step, forMs };
      if (draw < 40) {
        const leaves = chance(0.3);
        return { kind: "end", atMs, who: who(), step, leaves, backMs: between(100, 15_000) };
      }
      if (draw < 58) return { kind: "no store", atMs, who: who(), step, forMs };
      if (draw < 63) return { kind: "still", atMs, step, forMs: between(50, 15_000) };
      if (draw < 77) {
        return {
          kind: "flaky",
          atMs,
          who: pick<Who | "all">([who(), "all"]),
          p: pick([0.1, 0.3, 0.7]),
          forMs,
        };
      }
      if (draw < 85) return { kind: "deaf", atMs, who: who(), byMs: between(500, 15_000), forMs: 20_000 };
      if (draw < 90) {
        return {
          kind: "remove",
          atMs,
          who: who(),
          what: pick(["instance", "instance", "leader", "ack"] as const),
        };
      }
      return { kind: "blind", atMs, who: who(), node: pick<Target>(["primary", "primary", target()]), forMs };
    };
    faults.push(...Array.from({ length: between(0, 5) }, oneOfInstances));
    if (scene !== undefined) faults.length = 0;
    if (scene !== "reload" && (chance(0.6) || scene !== undefined)) {
      faults.push(...sceneOf({ between, chance, pick, count, ttlMs, forced: scene, forcedWay: way }));
    }
  }
  const slow = 0.95;
  const foreign = nodes > 2 && chance(0.05) ? nodes - 1 : null;
  const plan: Plan = {
    seed,
    nodes,
    mode: chance(0.85) || scene !== undefined ? "auto" : "manual",
    rejoin: chance(0.7) ? "sql" : "manual",
    synchronous: foreign !== null && synchronous !== null
      ? { ...synchronous, names: names.slice(0, foreign), k: 1 }
      : synchronous,
    priorities: all.map(() => pick([50, 100, 100])),
    excluded: nodes > 2 && chance(0.15) ? [nodes - 1] : [],
    delayed: nodes > 2 && chance(0.12) ? nodes - 2 : null,
    foreign,
    cascaded: nodes > 3 && foreign === null && chance(0.5) ? 3 : null,
    canRunPrograms: chance(0.9),
    idleAgeMs: pick([100, 1_000, 2_000, 20_000]),
    receiverTimeoutMs: pick([4_000, 4_000, 60_000]),
    maxLagBytes: pick([0, 200_000, 16 * 1024 ** 2]),
    supervised: chance(0.5),
    instances: count,
    rates: Array.from(
      { length: count },
      () => {
        const [low, high] = [slow, 1 / slow];
        const rates = scene !== undefined
          ? [low, high]
          : [low, 1, high, low + fraction(random) * (high - low)];
        return count === 1 ? 1 : pick(rates);
      },
    ),
    ttlsMs: Array.from({ length: count }, () => ttlMs),
    isFailsafe: false,
    faults: [],
  };
  // What is drawn last leaves what seeds say of all before.
  if (count > 1 && (scene === "reload" || (scene === undefined && chance(0.25)))) {
    faults.push(...reloads({ between, chance, pick, count }));
  }
  const isFailsafe = count > 1 && scene === undefined && chance(0.04);
  const isSynchronous = plan.synchronous !== null && foreign === null;
  const drawing = { between, chance, pick, nodes, names, isSynchronous, count, untilMs: FAULTS_MS };
  if (scene === undefined && chance(0.5)) {
    faults.push(...Array.from({ length: between(1, 3) }, () => upkeepOf(drawing)));
    if (chance(0.3)) faults.push(...hurried(drawing, upTo));
  }
  if (scene === undefined && chance(0.25)) {
    faults.push(...Array.from({ length: between(1, 2) }, () => mishapOf(drawing)));
  }
  if (scene === undefined && count > 1 && chance(0.1)) faults.push(twinOf(drawing));
  const odd = count > 1 && chance(0.2) ? upTo(count) : null;
  const ttlsMs = plan.ttlsMs.map((ms, at) => at === odd ? (ms === 5_000 ? 15_000 : 5_000) : ms);
  return { ...plan, ttlsMs, isFailsafe, faults: faults.toSorted((a, b) => a.atMs - b.atMs) };
}

/** An instance gets a cluster by a reload while its primary is being moved, or loses it. */
function reloads(
  { between, chance, pick, count }: Pick<Drawing, "between" | "chance" | "pick" | "count">,
): Fault[] {
  const atMs = between(12_000, 30_000);
  const who = between(chance(0.3) ? 0 : 1, count - 1);
  const move: Fault = chance(0.5)
    ? { kind: "switchover", atMs, to: null, isForced: false }
    : { kind: "kill", atMs, node: "primary", backMs: 20_000, zombie: false, startMs: 500 };
  const step = chance(0.2) ? pick(["prepare", "hold", "recruit", "promote"] as const) : null;
  const fromMs = atMs - between(0, 6_000);
  const faults: Fault[] = [move, {
    kind: "reload",
    atMs: fromMs,
    who,
    step,
    forMs: Math.max(100, atMs - fromMs + between(-1_500, 1_500)),
  }];
  if (chance(0.5)) faults.push({ kind: "deaf", atMs: fromMs, who, byMs: between(0, 3_000), forMs: 10_000 });
  if (chance(0.3)) {
    faults.push({ kind: "slow store", atMs: fromMs, who, byMs: between(50, 450), forMs: 10_000 });
  }
  return faults;
}

/** See {@link sceneOf}. */
export const SCENES = [
  "lonely",
  "lonely",
  "lonely",
  "split",
  "newcomer",
  "amnesia",
  "return",
  "late word",
  "again",
] as const;

/** How an instance comes to be lonely. */
export const WAYS = ["no store", "no store", "sleep", "doze", "flaky", "straggle", "removed"] as const;

/** How a plan differs from what its seed says. */
export interface PlanOptions {
  /** How many instances there are. */
  readonly instances?: number | undefined;
  /** Nothing goes wrong but this. */
  readonly scene?: (typeof SCENES)[number] | "reload" | undefined;
  readonly way?: (typeof WAYS)[number] | undefined;
}

/** By what a scene is drawn. */
interface Drawing {
  readonly between: (low: number, high: number) => number;
  readonly chance: (p: number) => boolean;
  readonly pick: <T>(list: readonly T[]) => T;
  readonly count: number;
  readonly ttlMs: number;
  readonly forced: (typeof SCENES)[number] | undefined;
  readonly forcedWay: PlanOptions["way"];
}

/** Faults that are bad together: what comes to nobody by chance. The first instance leads at the beginning. */
function sceneOf({ between, chance, pick, count, ttlMs, forced, forcedWay }: Drawing): Fault[] {
  const atMs = between(12_000, 30_000);
  const loss: Fault = {
    kind: "kill",
    atMs,
    node: "primary",
    backMs: between(15_000, 30_000),
    zombie: false,
    startMs: 500,
  };
  const other = between(1, count - 1);
  const scene = forced ?? pick(SCENES);
  const move = { kind: "switchover", to: null, isForced: false } as const;
  const others = Array.from({ length: count - 1 }, (_, at) => at + 1);
  if (scene === "return") {
    // Who led is back when another one is about to take the lead.
    const forMs = ttlMs + between(-500, 2_500);
    return [
      loss,
      { kind: "no store", atMs, who: "leader", step: pick(["recruit", "promote"] as const), forMs },
      ...others.map((who) =>
        ({ kind: "slow store", atMs: atMs - 2_000, who, byMs: between(200, 450), forMs: 25_000 }) as const
      ),
    ];
  }
  if (scene === "late word") {
    return [
      { kind: "late word", atMs: atMs - 100, who: 0, lateMs: ttlMs + between(500, 6_000) },
      { ...move, atMs },
    ];
  }
  if (scene === "again") {
    return [
      { kind: "flaky", atMs: atMs - 500, who: 0, p: 0.7, forMs: 5_000 },
      { ...move, atMs },
      { kind: "end", atMs: atMs + between(20, 2_500), who: 0, step: null, leaves: false, backMs: 8_000 },
    ];
  }
  if (scene === "split") {
    return [{ kind: "split", atMs, beside: between(0, count), forMs: between(4_000, 20_000) }];
  }
  if (scene === "newcomer") {
    const beginsMs = atMs + between(0, 1_500);
    return [
      { kind: "end", atMs: 4_000, who: other, step: null, leaves: true, backMs: beginsMs - 4_000 },
      { kind: "deaf", atMs: atMs - 1, who: other, byMs: between(0, 3_000), forMs: 10_000 },
      // What it makes of the nodes comes late to the others.
      { kind: "slow store", atMs: beginsMs - 100, who: other, byMs: between(100, 500), forMs: 10_000 },
      loss,
    ];
  }
  if (scene === "amnesia") {
    // A move that is given up leaves acknowledgements of an epoch that comes again.
    const lossMs = atMs + ttlMs + between(4_000, 10_000);
    return [
      { kind: "sleep", atMs: atMs - 8_000, who: other, step: null, forMs: 7_000 },
      { ...move, atMs: atMs - 7_900 },
      { kind: "amnesia", atMs, backMs: between(100, 2_000) },
      ...[0, ...others].map((who) =>
        ({ kind: "deaf", atMs: lossMs - 500, who, byMs: between(0, 3_000), forMs: 10_000 }) as const
      ),
      chance(0.5) ? { ...loss, atMs: lossMs } : { ...move, atMs: lossMs },
    ];
  }
  const who = chance(0.3) ? 0 : other;
  const fromMs = atMs - between(0, 4_000);
  const forMs = between(4_000, 14_000);
  const [step, p] = [null, 0.9];
  const faults: Fault[] = [loss];
  if (chance(0.5)) {
    const slow = chance(0.7) ? who : between(0, count - 1);
    faults.push({
      kind: "slow store",
      atMs: fromMs - 2_000,
      who: slow,
      byMs: between(50, 450),
      forMs: 25_000,
    });
  }
  const way = forcedWay ?? pick(WAYS);
  if (way === "removed") {
    faults.push({ kind: "remove", atMs: fromMs + 1, who, what: "instance" });
    faults.push({ kind: "no store", atMs: fromMs, who, step, forMs });
  } else if (way === "flaky") faults.push({ kind: way, atMs: fromMs, who, p, forMs });
  else if (way === "straggle") {
    faults.push({
      kind: way,
      atMs: fromMs,
      who,
      lostMs: between(1_000, 8_000),
      lateMs: between(2_000, 9_000),
    });
    faults.push({ kind: "deaf", atMs: fromMs - 1, who, byMs: 15_000, forMs: 20_000 });
  } else if (way === "doze") {
    faults.push({ kind: way, atMs: fromMs, who, forMs: ttlMs + between(0, 6_000) });
    faults.push({ kind: "deaf", atMs: fromMs - 1, who, byMs: 15_000, forMs: 20_000 });
  }
  if (way === "no store" || way === "sleep") faults.push({ kind: way, atMs: fromMs, who, step, forMs });
  return faults;
}
