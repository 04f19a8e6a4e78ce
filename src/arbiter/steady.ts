import { lsnText } from "../topology/mod.ts";
import { noteNames } from "./cohorts.ts";
import { deathOf } from "./detection.ts";
import { isSameName, listedNames, standbyNames, strangeNames } from "./standby_names.ts";
import { type ClusterRecord, endedMs, lastFailover, type Move } from "./record.ts";
import type { Work } from "./work.ts";

/** By whose acknowledgement the primary commits, as it says itself. Whether a record is written. */
export function noteSynchronous(work: Work, record: ClusterRecord): boolean {
  const said = work.isUp(record.primary) ? work.said(record.primary) : null;
  if (said === null || said.recovering || said.timeline !== record.timeline || !work.isOwn(said)) {
    return false;
  }
  const noted = noteNames(record, said);
  if (noted === null) return false;
  work.write(noted);
  return true;
}

/** Somebody else has promoted a node: it is followed. Whether a record is written. */
export function follow(work: Work, record: ClusterRecord): boolean {
  const { rules, settings } = work;
  const claims = [...work.nodes.keys()].flatMap((name) => {
    const said = work.isUp(name) ? work.said(name) : null;
    if (said === null || said.recovering || said.timeline === null || !work.isOwn(said)) return [];
    if (name === record.primary && said.timeline === record.timeline) return [];
    if (record.disowned.includes(name) || record.rejoins.some(({ node }) => node === name)) return [];
    return rules.isNewerClaim(said.timeline, record.timeline)
      ? [{ name, said, timeline: said.timeline }]
      : [];
  });
  const [newest, second] = claims.toSorted((a, b) => b.timeline - a.timeline);
  if (newest === undefined) return false;
  const { name, timeline } = newest;
  if (second?.timeline === timeline) {
    const text =
      `${name} and ${second.name} both say that they are the primary of timeline ${timeline}: stop one of them`;
    work.say("error", "follow", text);
    return false;
  }
  const inspected = work.inspected(name, newest.said.askedMs);
  if (inspected === null || inspected.recovering) return false;
  const fork = inspected.forks.find(([left]) => left === record.timeline);
  if (fork === undefined && rules.isNewerClaim(timeline, record.timeline) && timeline > record.timeline) {
    const text = `${name} says that it is the primary of timeline ${timeline}, whose history does not have ` +
      `timeline ${record.timeline}: it is not followed`;
    work.say("error", "follow", text);
    return false;
  }
  const lastOwn = work.lastLsn(record);
  const lostBytes = lastOwn === null || fork === undefined
    ? null
    : lastOwn > fork[1]
    ? lastOwn - fork[1]
    : 0n;
  const evidence = [
    `${name} is a primary on timeline ${timeline}, which left timeline ${record.timeline} at ${
      fork === undefined ? "?" : lsnText(fork[1])
    }`,
  ];
  const advice = settings.mode === "auto" ? ": failover should be follow, where somebody else decides" : "";
  const level = settings.mode === "auto" ? "error" : "warning";
  work.say(level, "follow", `somebody else has promoted ${name}, which is followed${advice}`, evidence);
  work.begin(record, {
    ...blank(record, lastOwn),
    kind: "follow",
    candidate: name,
    step: "hold",
    by: "somebody else",
    reason: `${name} was promoted`,
    evidence,
    lostBytes,
  }, []);
  return true;
}

/** The step of a move that follows: no client is at the old primary any more, then the new one is recorded. */
export function followHeld(work: Work, record: ClusterRecord, move: Move): void {
  if (!work.isHeld(record.epoch)) return;
  const name = move.candidate!;
  const said = work.fresh(name, work.stepSinceMs);
  if (said !== null && !said.recovering && work.rules.isNewerClaim(said.timeline ?? 0, record.timeline)) {
    return work.finish({ ...record, synchronous: said.synchronous, earlier: [] }, move, {
      primary: name,
      timeline: said.timeline!,
    });
  }
  const isLate = work.now.nowMs - work.stepSinceMs >= work.settings.failureTimeoutMs * 2;
  if (isLate) work.undo(record, move, `${name} does not say any more that it is the primary`);
}

/** A failover begins by itself, where all that has to be known is known. Whether a record is written. */
export function failOver(work: Work, record: ClusterRecord): boolean {
  const { settings, rules } = work;
  const death = deathOf(work, record);
  if (death.kind === "lives") {
    work.unsay("death");
    return false;
  }
  if (death.kind === "open") {
    const health = work.nodes.get(record.primary)?.view?.health;
    if (health === "down" || health === "up") {
      work.say("warning", "death", `${record.primary} is not given up: ${death.why}`);
    }
    return false;
  }
  if (settings.mode === "manual") {
    const text = `${record.primary} is gone, and failover is manual: FAILOVER replaces it`;
    work.say("error", "death", text, [death.reason, ...death.evidence]);
  }
  if (settings.mode !== "auto") return false;
  const last = lastFailover(record);
  // The store may have taken a while for it: clients were held until then.
  if (last !== undefined && last.epoch !== work.ended?.epoch) {
    work.ended = { epoch: last.epoch, atMs: endedMs(last, work.now) };
  }
  const sinceMs = last === undefined ? Infinity : work.now.nowMs - work.ended!.atMs;
  if (rules.isFlapping(sinceMs, settings.failoverIntervalMs)) {
    work.say("warning", "death", `${record.primary} is gone, so soon behind a failover: the next one waits`);
    return false;
  }
  const why = hopeless(work, record);
  if (why !== null) {
    work.say("error", "death", `${record.primary} is gone, and nobody can be promoted: ${why}`);
    return false;
  }
  work.say("warning", "death", `${record.primary} is given up: ${death.reason}`, death.evidence);
  beginFailover(work, record, {
    by: "pgplex",
    reason: death.reason,
    evidence: death.evidence,
    target: null,
    isForced: false,
  });
  return true;
}

/** Why a failover need not begin; null where it may. The choice itself is made behind it, among standbys that stand still. */
function hopeless(work: Work, record: ClusterRecord): string | null {
  const { synchronous, primary } = record;
  const up = [...work.nodes.values()].filter(({ node }) => {
    const said = work.isUp(node.name) ? work.said(node.name) : null;
    return said !== null && said.recovering && work.isOwn(said);
  });
  if (!up.some(({ node }) => node.promote)) return "no standby answers that may be promoted";
  if (up.some(({ node }) => node.name === primary)) return null;
  if (synchronous === null) {
    return work.lastLsn(record) !== null || work.rules.isLagAllowed(null, work.settings.maxFailoverLagBytes)
      ? null
      : `nobody has seen how far ${primary} was: say FAILOVER with FORCE`;
  }
  const names = standbyNames(work);
  const listed = listedNames(synchronous, names, primary);
  const there =
    listed.filter((name) => up.some(({ node }) => isSameName(names.get(node.name)!, name))).length;
  const needed = work.rules.quorum(listed.length, synchronous.k);
  return there >= needed
    ? null
    : `${there} of ${listed.length} synchronous standbys answer, and must be ${needed}`;
}

/** Announces a failover. */
export function beginFailover(
  work: Work,
  record: ClusterRecord,
  parts: Pick<Move, "by" | "reason" | "evidence" | "target" | "isForced">,
): void {
  work.begin(record, {
    ...blank(record, work.lastLsn(record)),
    ...parts,
    kind: "failover",
    step: "recruit",
    names: strangeNames(work.nodes.values()),
  }, [...work.nodes.keys()]);
}

/** What a move has that begins. */
export function blank(record: Pick<ClusterRecord, "primary" | "timeline">, lastLsn: bigint | null) {
  return {
    from: record.primary,
    fromTimeline: record.timeline,
    target: null,
    candidate: null,
    isForced: false,
    lastLsn,
    lostBytes: null,
    watermark: null,
    abandoned: [],
  };
}
