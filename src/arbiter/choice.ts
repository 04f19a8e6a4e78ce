import { lsnText } from "../topology/mod.ts";
import type { EarlierNames, SynchronousNames } from "./record.ts";
import type { Rules } from "./rules.ts";
import { isSameName, listedNames } from "./standby_names.ts";
import type { Frozen } from "./verbs.ts";
import type { Inspected } from "./views.ts";

/** A standby that has stopped receiving. */
export interface Recruit {
  readonly name: string;
  readonly frozen: Frozen;
  /** Timelines that it has left, as in {@link Inspected.forks}; null where nobody knows. */
  readonly forks: Inspected["forks"] | null;
  /** Whether it answers now; of one that has died since only its position counts. */
  readonly isUp: boolean;
  readonly promote: boolean;
  readonly priority: number;
  /** Its replay is paused, or held back by recovery_min_apply_delay. */
  readonly isDelayed: boolean;
  /** Its rejoin has failed: nobody knows what it has, although it may stream. */
  readonly isQuarantined: boolean;
}

/** Among whom, and by what. */
export interface ChoiceParts {
  readonly recruits: readonly Recruit[];
  /** All nodes of the file and the names by which upstreams know them. */
  readonly names: ReadonlyMap<string, string>;
  readonly from: string;
  readonly timeline: number;
  readonly synchronous: SynchronousNames | null;
  /** Names by which it committed before, and that are to be heeded still. */
  readonly earlier: readonly EarlierNames[];
  readonly lastLsn: bigint | null;
  /** Nodes that this move has asked to promote themselves, and given up. */
  readonly abandoned: readonly string[];
  readonly target: string | null;
  readonly isForced: boolean;
  readonly maxLagBytes: number;
  readonly rules: Rules;
}

/** Who is to be promoted, or why nobody can be. */
export type Choice =
  | {
    readonly kind: "chosen";
    readonly recruit: Recruit;
    readonly lostBytes: bigint | null;
    readonly evidence: readonly string[];
  }
  | { readonly kind: "none"; readonly why: string };

/**
 * The standby that has most, of those that may be promoted: priority, then the order of names break ties. Nobody is chosen where an
 * acknowledged commit could be missing: with synchronous replication where too few of the names are covered, without where it is too
 * far behind the last position that was seen.
 */
export function choose(parts: ChoiceParts): Choice {
  const { recruits, timeline, target, isForced, rules, maxLagBytes } = parts;
  const eligible = recruits.filter((one) =>
    one.isUp && rules.isEligible(one) &&
    (rules.isOnTimeline(one.frozen.timeline, timeline) || mayBeNewer(one, parts)) &&
    (target === null || one.name === target) && (!one.isQuarantined || (isForced && one.name === target))
  );
  const [best] = eligible.toSorted((a, b) =>
    compare(reachOf(b, parts) ?? 0n, reachOf(a, parts) ?? 0n) || b.frozen.timeline - a.frozen.timeline ||
    compare(rules.positionOf(b.frozen), rules.positionOf(a.frozen)) || b.priority - a.priority ||
    (a.name < b.name ? -1 : 1)
  );
  if (best === undefined) {
    const each = recruits.map((one) => `${one.name} ${whyNot(one, parts)}`).join(", ");
    return { kind: "none", why: `no standby may be promoted: ${each || "none has stopped receiving"}` };
  }
  const lostBytes = lossOf(best, parts);
  const evidence = recruits.map(({ name, frozen }) =>
    `${name} has ${lsnText(frozen.lsn)} of timeline ${frozen.timeline}`
  );
  const gap = coverageGap(best, parts);
  const earlierGap = gapOfEarlier(best, parts, lostBytes);
  if (earlierGap !== null && !isForced) {
    const why = `${best.name} may lack what was acknowledged before synchronous_standby_names was changed`;
    return { kind: "none", why: `${why}: ${earlierGap}` };
  }
  if (gap === null) return { kind: "chosen", recruit: best, lostBytes: lostBytes, evidence };
  if (parts.synchronous !== null) {
    if (!isForced) return { kind: "none", why: `${best.name} may lack what was acknowledged: ${gap}` };
    return { kind: "chosen", recruit: best, lostBytes, evidence: [...evidence, `forced: ${gap}`] };
  }
  if (!isForced && !rules.isLagAllowed(lostBytes, maxLagBytes)) {
    const behind = lostBytes === null ? "nobody knows how far" : `${lostBytes} bytes`;
    return { kind: "none", why: `${best.name} is ${behind} behind: max_failover_lag is ${maxLagBytes}` };
  }
  return { kind: "chosen", recruit: best, lostBytes, evidence };
}

/**
 * Whether one that has left the primary's timeline for a newer one may be chosen. Where this move has asked somebody to promote himself, and
 * he died behind that, whoever followed him has all that he had. Where nobody was asked, somebody else has promoted a node that is gone
 * again: only whom an operator names and forces is taken from its timeline.
 */
function mayBeNewer(one: Recruit, parts: ChoiceParts): boolean {
  const { timeline, isForced, target, abandoned } = parts;
  if (one.frozen.timeline <= timeline) return false;
  return (isForced && target !== null) || (abandoned.length > 0 && (reachOf(one, parts) ?? 0n) > 0n);
}

/** How far it has what the primary wrote: where it has left that timeline for a newer one, up to there. Null where nobody knows. */
function reachOf({ frozen, forks }: Recruit, { timeline, rules }: ChoiceParts): bigint | null {
  if (frozen.timeline <= timeline) return frozen.timeline < timeline ? 0n : rules.positionOf(frozen);
  if (forks === null || forks.length === 0) return null;
  const at = forks.find(([left]) => left === timeline)?.[1];
  if (at === undefined) return 0n;
  return at < rules.positionOf(frozen) ? at : rules.positionOf(frozen);
}

function compare(a: bigint, b: bigint): number {
  return a === b ? 0 : a > b ? 1 : -1;
}

function whyNot(one: Recruit, { timeline, target }: ChoiceParts): string {
  if (!one.isUp) return "does not answer";
  if (one.frozen.timeline > timeline) {
    return `is on timeline ${one.frozen.timeline}, which somebody else has begun (TO and FORCE take it)`;
  }
  if (one.frozen.timeline !== timeline) return `is on timeline ${one.frozen.timeline}`;
  if (!one.promote) return "is not to be promoted (promote: false)";
  if (one.isDelayed) return "replays late, or is paused";
  if (one.isQuarantined) return "was not made a standby again: say REJOIN";
  return target === null ? "is not chosen" : `is not ${target}`;
}

function lossOf(best: Recruit, parts: ChoiceParts): bigint | null {
  const { lastLsn, recruits, from } = parts;
  const old = recruits.find(({ name }) => name === from);
  const last = old === undefined ? lastLsn : reachOf(old, parts) ?? old.frozen.lsn;
  if (last === null) return null;
  const has = best.frozen.timeline > parts.timeline ? reachOf(best, parts) : null;
  const lsn = has ?? best.frozen.lsn;
  return last > lsn ? last - lsn : 0n;
}

/**
 * Why a commit could be missing on `best`; null where none can. Each was acknowledged by k of n names; so n - k + 1 of them that have stopped
 * receiving, and have no more than `best`, leave no room for one.
 */
function coverageGap(
  best: Recruit,
  parts: ChoiceParts,
  synchronous: SynchronousNames | null = parts.synchronous,
): string | null {
  const { recruits, names, from, timeline, rules } = parts;
  const isStar = synchronous?.names.includes("*") === true;
  const most = reachOf(best, parts) ?? 0n;
  const has = (recruit: Recruit) => {
    const reach = reachOf(recruit, parts);
    return reach !== null && reach <= most;
  };
  const old = recruits.find(({ name }) => name === from);
  // The old primary itself stands there as a standby, with all that it has written.
  if (old !== undefined && old.frozen.timeline === timeline && has(old)) return null;
  if (synchronous === null) return "replication is asynchronous";
  const listed = listedNames(synchronous, names, from);
  const others = [...names].filter(([node]) => node !== from);
  // Who is known to be called otherwise than by the node's name is not called by a third one.
  const absent = others.filter(([node, one]) => one === node && !recruits.some(({ name }) => name === node))
    .map(([node]) => node);
  const covered = listed.filter((name) => {
    const called = others.filter(([, one]) => isSameName(one, name)).map(([node]) => node);
    // One that is no node's own may have become that of any which cannot be asked now.
    const isNodes = [...names.keys()].some((node) => isSameName(node, name));
    const nodes = isStar || isNodes ? called : [...called, ...absent];
    return nodes.length > 0 && nodes.every((node) => {
      const recruit = recruits.find((one) => one.name === node);
      return recruit !== undefined && has(recruit);
    });
  });
  const needed = rules.quorum(listed.length, synchronous.k);
  if (covered.length >= needed) return null;
  const missing = listed.filter((name) => !covered.includes(name)).join(", ");
  return `${covered.length} of ${listed.length} synchronous standbys are covered, and must be ${needed}: not ${missing}`;
}

/** The same of what was acknowledged by earlier names: whoever has all of that needs none of them. */
function gapOfEarlier(best: Recruit, parts: ChoiceParts, lostBytes: bigint | null): string | null {
  const { earlier, rules, maxLagBytes } = parts;
  for (const { synchronous, lsn } of earlier) {
    if (lsn !== null && (reachOf(best, parts) ?? 0n) >= lsn) continue;
    if (synchronous === null && rules.isLagAllowed(lostBytes, maxLagBytes)) continue;
    const gap = coverageGap(best, parts, synchronous);
    if (gap !== null) return gap;
  }
  return null;
}
