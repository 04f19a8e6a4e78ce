import type { ClusterPhase, NodeHealth, NodeRole } from "../topology/mod.ts";
import type { HealthState } from "./node_health.ts";
import type { NodeAnswer } from "./sample.ts";

/** A node as its cluster looks at it. */
export interface ObservedNode {
  readonly name: string;
  readonly state: HealthState;
  /** Its last answer; null before the first. It may be old: {@link state} says whether it holds. */
  readonly answer: NodeAnswer | null;
}

/** What a cluster has settled so far. */
export interface Reign {
  /** The system identifier of the cluster; null before it is known. */
  readonly system: string | null;
  readonly epoch: number;
  /** The highest timeline that was seen, on primaries and standbys: a primary with a lower one is an old one. */
  readonly timeline: number;
  /** The primary that is served, or was last, and its timeline, where it has said one. */
  readonly primary: { readonly name: string; readonly timeline: number | null } | null;
}

/** Nothing is known. */
export const NO_REIGN: Reign = Object.freeze({ system: null, epoch: 1, timeline: 0, primary: null });

/** What becomes of a node by {@link judge}. */
export interface Verdict {
  readonly role: NodeRole;
  readonly health: NodeHealth;
  readonly stale: boolean;
  readonly reason: string;
}

/** Why a cluster holds its clients; `asking`: not all nodes had the time to answer; `denied`: pgplex may ask none of them. */
export type HoldKind = "asking" | "denied" | "down" | "starting" | "foreign" | "stale" | "standbys";

/** What {@link judge} finds. */
export interface Judgement {
  readonly reign: Reign;
  readonly phase: ClusterPhase;
  readonly hold: { readonly kind: HoldKind; readonly reason: string } | null;
  /** For each node, in the order of the nodes. */
  readonly verdicts: readonly Verdict[];
}

/**
 * Which node is the primary: the one that says so, has the cluster's system identifier and the highest timeline that was seen. Of
 * two with the same one that which serves stays. A single node is the primary whatever it says.
 *
 * Nothing is decided before it is `settled`: each node had the time to answer. The cluster's system identifier is then that of the
 * most nodes; of as many the one of a node that says primary, then the first in the file. It stays, unless no node has it any more and
 * more than half of them agree on another one, as behind pg_upgrade.
 */
export function judge(before: Reign, nodes: readonly ObservedNode[], settled: boolean): Judgement {
  const [only] = nodes;
  if (nodes.length === 1 && only !== undefined) return single(before, only);
  const reign = withSystem(before, nodes, settled);
  const own = nodes.filter(({ answer }) => answer !== null && answer.system === reign.system);
  const current = nodes.find(({ name }) => name === reign.primary?.name) ?? null;
  const claims = own.filter((node) => !node.answer!.recovering && isHeard(node, node === current));
  const timeline = Math.max(
    reign.timeline,
    ...own.filter(({ state }) => state.health === "up").map(({ answer }) => answer!.timeline ?? 0),
    ...claims.map(({ answer }) => answer!.timeline ?? 0),
  );
  const highest = claims.filter(({ answer }) => answer!.timeline === timeline);
  // One that restarts, and had the same timeline, is not replaced: only where it is down may its data live on elsewhere.
  const waitsFor = current?.state.health === "starting" && reign.primary?.timeline === timeline;
  const isOpen = settled || reign.primary !== null;
  const chosen = highest.find((node) => node === current) ??
    (waitsFor || !isOpen ? null : highest[0] ?? null);
  const kept = chosen ?? (current !== null && isStillPrimary(current, reign, timeline) ? current : null);
  const next = { ...reign, timeline, ...(chosen === null ? {} : crowned(reign, chosen)) };
  const verdicts = nodes.map((node) => verdictOf(node, { system: reign.system, timeline, primary: kept }));
  const isServed = kept !== null && ["up", "suspect", "unknown"].includes(kept.state.health);
  const hold = isServed ? null : whyHeld(nodes, verdicts, { primary: kept, settled });
  return { reign: next, phase: isServed ? "serving" : "holding", hold, verdicts };
}

function single(before: Reign, node: ObservedNode): Judgement {
  const { answer, state, name } = node;
  const timeline = answer === null || answer.recovering ? null : answer.timeline;
  const reign = {
    ...before,
    system: answer?.system ?? before.system,
    timeline: timeline ?? before.timeline,
    primary: { name, timeline: timeline ?? before.primary?.timeline ?? null },
  };
  const verdict = { role: "primary", health: state.health, stale: false, reason: state.reason } as const;
  return { reign, phase: "serving", hold: null, verdicts: [verdict] };
}

/** Whether what a node said last holds; the primary that is served gets the benefit of the doubt. */
function isHeard({ state: { health } }: ObservedNode, isCurrent: boolean): boolean {
  return health === "up" || (isCurrent && (health === "suspect" || health === "unknown"));
}

/** Whether the primary so far, which does not say now that it is one, has said nothing else either. */
function isStillPrimary({ answer }: ObservedNode, { system }: Reign, timeline: number): boolean {
  if (answer === null) return true;
  return !answer.recovering && answer.system === system && (answer.timeline ?? 0) >= timeline;
}

/** A node reigns: each move, to another node or to another timeline, is an epoch of its own. */
function crowned(reign: Reign, { name, answer }: ObservedNode): Pick<Reign, "epoch" | "primary"> {
  const { primary, epoch } = reign;
  const timeline = answer!.timeline;
  const moves = primary !== null &&
    (primary.name !== name || (primary.timeline !== null && primary.timeline !== timeline));
  return { epoch: moves ? epoch + 1 : epoch, primary: { name, timeline } };
}

function withSystem(reign: Reign, nodes: readonly ObservedNode[], settled: boolean): Reign {
  const votes = new Map<string, number>();
  const heard = nodes.filter(({ answer }) => answer !== null);
  // Who says primary first, so that of as many votes its system is found first.
  const sorted = [...heard].sort((a, b) => Number(a.answer!.recovering) - Number(b.answer!.recovering));
  for (const { answer } of sorted) votes.set(answer!.system, (votes.get(answer!.system) ?? 0) + 1);
  const [most] = [...votes].sort(([, a], [, b]) => b - a);
  if (most === undefined || (reign.system !== null && votes.has(reign.system))) return reign;
  const [system, count] = most;
  if (reign.system === null) return settled ? { ...reign, system } : reign;
  if (count * 2 <= nodes.length) return reign;
  return { system, epoch: reign.epoch + 1, timeline: 0, primary: null };
}

function verdictOf(
  node: ObservedNode,
  { system, timeline, primary }: {
    readonly system: string | null;
    readonly timeline: number;
    readonly primary: ObservedNode | null;
  },
): Verdict {
  const { answer, state } = node;
  const { health, reason } = state;
  if (node === primary) return { role: "primary", health, stale: false, reason };
  if (answer === null || system === null) return { role: "unknown", health, stale: false, reason };
  if (answer.system !== system) {
    const foreign = `its system identifier is ${answer.system}, the cluster's is ${system}`;
    return health === "up"
      ? { role: "unknown", health: "foreign", stale: false, reason: foreign }
      : { role: "unknown", health, stale: false, reason };
  }
  if (answer.recovering) return { role: "standby", health, stale: false, reason };
  // Who does not answer says nothing.
  if (health !== "up") return { role: "unknown", health, stale: false, reason };
  const old = answer.timeline !== timeline
    ? `it says primary on timeline ${answer.timeline}, the cluster's is ${timeline}`
    : primary === null
    ? `it says primary on timeline ${timeline}, and is not served`
    : `it says primary on timeline ${timeline}, and so does ${primary.name}, which is served`;
  return { role: "unknown", health, stale: true, reason: old };
}

function whyHeld(
  nodes: readonly ObservedNode[],
  verdicts: readonly Verdict[],
  { primary, settled }: { readonly primary: ObservedNode | null; readonly settled: boolean },
): { kind: HoldKind; reason: string } {
  if (primary !== null) {
    const { health, reason } = primary.state;
    return {
      kind: health === "starting" ? "starting" : "down",
      reason: `${primary.name} is ${health}: ${reason}`,
    };
  }
  const each = nodes.map(({ name }, index) => `${name} ${sayOf(verdicts[index]!)}`).join(", ");
  const some = (holds: (verdict: Verdict) => boolean) => verdicts.some(holds);
  if (!settled) return { kind: "asking", reason: `the nodes have not answered yet: ${each}` };
  if (nodes.every(({ state }) => state.health === "unknown")) return { kind: "denied", reason: each };
  if (some(({ stale }) => stale)) return { kind: "stale", reason: each };
  if (some(({ health }) => health === "starting")) return { kind: "starting", reason: each };
  if (some(({ role, health }) => role === "standby" && health === "up")) {
    return { kind: "standbys", reason: each };
  }
  if (some(({ health }) => health === "foreign")) return { kind: "foreign", reason: each };
  return { kind: "down", reason: each };
}

function sayOf({ role, health, stale, reason }: Verdict): string {
  if (stale) return `is stale (${reason})`;
  if (health !== "up") return `is ${health} (${reason})`;
  return role === "standby" ? "is a standby" : `is ${role}`;
}
