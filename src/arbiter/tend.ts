import type { ClusterRecord } from "./record.ts";
import { type NodeCondition, recordedConditionOf, type Standing } from "./standing.ts";
import { type Inspected, mayFollow, type Said } from "./views.ts";
import type { Known, Work } from "./work.ts";

/** A standby that follows nobody for so long is pointed at the primary. */
const ASTRAY_MS = 2_000;

/** How often what changes seldom is asked. */
const INSPECT_MS = 5_000;

/** How `known` stands to the primary, whose inspection this is; null where there is none. */
export function standingOf(
  work: Work,
  record: ClusterRecord,
  known: Known,
  primary: Inspected | null,
): Standing {
  const { name } = known.node;
  const said = work.isUp(name) ? work.said(name) : null;
  if (said === null || !work.isOwn(said)) return "unknown";
  if (!said.recovering) return "stale";
  if (receivesFrom(work, record, said) !== null) return "follows";
  const inspected = known.inspected;
  if (primary === null || inspected === null || said.askedMs - inspected.askedMs > INSPECT_MS) {
    return "unknown";
  }
  // What was found at either while it was another node says nothing: the primary's forks from before its promotion lack the last one.
  if (primary.recovering || primary.timeline !== record.timeline || !inspected.recovering) return "unknown";
  if (said.timeline === null && inspected.timeline === null) return "unknown";
  const repointed = work.calls.peek(name, "repoint");
  const isPart = mayFollow(said, inspected, { forks: primary.forks, current: record.timeline }) &&
    !(repointed?.ok === false && repointed.kind === "not possible");
  return work.rules.needsRewind(isPart) ? "diverged" : "astray";
}

/** What there is to say of a node besides its role, as it was known last; null: nothing. */
export function conditionOf(work: Work, record: ClusterRecord, name: string): NodeCondition | null {
  const recorded = recordedConditionOf(record, name);
  if (recorded !== null) return recorded;
  if (name === record.primary) return null;
  const said = work.said(name);
  const isFenced = work.nodes.get(name)?.inspected?.isFenced === true;
  if (isFenced && said !== null && !said.recovering) return "fenced";
  return work.standings.get(name) === "diverged" && said?.recovering === true ? "diverged" : null;
}

/** From which node a standby receives the current timeline; null where it does not. */
export function receivesFrom(work: Work, record: ClusterRecord, { receiver }: Said): string | null {
  if (receiver === null || receiver.status !== "streaming" || receiver.timeline !== record.timeline) {
    return null;
  }
  const { fromHost, fromPort } = receiver;
  const from = [...work.nodes.values()].find(({ node }) => node.host === fromHost && node.port === fromPort);
  if (from === undefined) return "elsewhere";
  if (from.node.name === record.primary) return from.node.name;
  // Another standby, of which it cannot be told here whether it follows: it is asked itself.
  const upstream = work.isUp(from.node.name) ? work.said(from.node.name) : null;
  return upstream?.recovering ? from.node.name : null;
}

/**
 * What is done while nothing moves: standbys that moves have left behind follow the primary again, a primary that is none is fenced,
 * and what a fence has left on the primary is taken back. Whether a record is written.
 */
export function tend(work: Work, record: ClusterRecord): boolean {
  const { settings, now: { nowMs } } = work;
  const isOurs = settings.mode !== "follow";
  if (!isOurs && record.moved.length === 0) return false;
  const said = work.isUp(record.primary) ? work.said(record.primary) : null;
  if (said === null || said.recovering || said.timeline !== record.timeline || !work.isOwn(said)) {
    return false;
  }
  const sinceMs = Math.max(nowMs - INSPECT_MS, work.stepSinceMs);
  const primary = work.inspected(record.primary, sinceMs);
  const settled: string[] = [];
  const isMovedPrimary = record.moved.includes(record.primary);
  if (primary?.isFenced && (isOurs || isMovedPrimary)) {
    const text =
      `${record.primary} is read-only, or keeps others out: that is taken back, as it is the primary`;
    work.say("warning", "unfence", text);
    if (work.tookOver(record.primary, record.epoch)) {
      work.ask(record.primary, { kind: "unfence" }, { refreshMs: INSPECT_MS });
    }
  } else if (primary !== null) {
    work.unsay("unfence");
    if (isMovedPrimary) settled.push(record.primary);
  }
  for (const known of work.others(record.primary)) {
    const { name } = known.node;
    if (record.rejoins.some(({ node }) => node === name)) continue;
    const isMoved = record.moved.includes(name);
    if (!isOurs && !isMoved) continue;
    if (isMoved && work.isUp(name) && work.fresh(name, work.stepSinceMs) === null) {
      // What it said during the move does not tell what the move has left.
      work.inspected(name, work.stepSinceMs);
      continue;
    }
    const standing = standingOf(work, record, known, primary);
    if (standing !== "unknown") {
      work.standings.set(name, standing);
      work.say(standing === "follows" ? "info" : "warning", `standing/${name}`, `${name} ${WORDS[standing]}`);
    }
    const isDirect = standing === "follows" &&
      receivesFrom(work, record, work.said(name)!) === record.primary;
    if (standing === "follows" && (isDirect || !isMoved)) {
      work.astray.delete(name);
      if (isMoved || record.disowned.includes(name)) settled.push(name);
      continue;
    }
    if (standing === "stale") fenceStale(work, record, name);
    if (standing === "stale" || standing === "diverged") continue;
    work.inspected(name, sinceMs);
    if (standing === "unknown") continue;
    const astrayMs = work.astray.get(name) ?? nowMs;
    work.astray.set(name, astrayMs);
    if (!isMoved && nowMs - astrayMs < ASTRAY_MS) continue;
    if (!work.tookOver(name, record.epoch)) continue;
    work.ask(name, { kind: "repoint", upstream: work.upstream(record.primary) }, {
      refreshMs: ASTRAY_MS,
      retryMs: 1_000,
    });
  }
  if (settled.length === 0) return false;
  work.write({
    ...record,
    moved: record.moved.filter((name) => !settled.includes(name)),
    disowned: record.disowned.filter((name) => !settled.includes(name)),
  });
  return true;
}

const WORDS: Readonly<Record<Standing, string>> = {
  follows: "follows the primary",
  astray: "does not follow the primary",
  diverged: "has diverged from the primary, and serves nobody: REJOIN it",
  stale: "says that it is a primary, and is not served: REJOIN it",
  unknown: "says nothing",
};

/** An old primary that answers is made read-only, so that who reaches it past pgplex does no more harm. */
function fenceStale(work: Work, record: ClusterRecord, name: string): void {
  if (work.settings.fence !== "sql" || work.settings.mode === "follow") return;
  const inspected = work.inspected(name, work.now.nowMs - INSPECT_MS);
  if (inspected === null || inspected.recovering || inspected.isFenced) return;
  if (!work.tookOver(name, record.epoch)) return;
  work.ask(name, { kind: "fence" }, { refreshMs: INSPECT_MS, retryMs: INSPECT_MS });
}
