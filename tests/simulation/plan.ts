import { fraction, type Random } from "../../src/kernel/mod.ts";
import type { MoveStep, SynchronousNames } from "../../src/arbiter/mod.ts";

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
    | { readonly kind: "mode"; readonly mode: "manual" | "auto"; readonly forMs: number }
    | { readonly kind: "second hand"; readonly node: number }
    /** The primary takes no more connections, and its standbys have lost it. */
    | { readonly kind: "crowd"; readonly forMs: number }
    /** pgplex crashes, its record is lost, and it does not reach the primary any more. */
    | { readonly kind: "blackout"; readonly forMs: number }
  );

/** A node by its number, the primary or a standby of the moment, or pgplex itself. */
export type Target = number | "primary" | "standby" | "pgplex";

/** Faults come in this time, in virtual milliseconds; then all is mended. */
export const FAULTS_MS = 45_000;

/** The plan of a seed. */
export function planOf(seed: number, random: Random): Plan {
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
    if (draw < 98) return { kind: "mode", atMs, mode: pick(["manual", "auto"] as const), forMs };
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
  const foreign = nodes > 2 && chance(0.05) ? nodes - 1 : null;
  return {
    seed,
    nodes,
    mode: chance(0.85) ? "auto" : "manual",
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
    faults: faults.toSorted((a, b) => a.atMs - b.atMs),
  };
}
