import { lsnText } from "../topology/mod.ts";
import { isFrom } from "./detection.ts";
import type { Command } from "./events.ts";
import { followsClaim } from "./failover.ts";
import { isSameName, standbyNames } from "./standby_names.ts";
import type { ClusterRecord, Move } from "./record.ts";
import type { Inspected } from "./views.ts";
import type { Known, Wish, Work } from "./work.ts";

/** Answers about the nodes have so long to come before a switchover is refused. */
const CHECK_MS = 5_000;

/** What the old primary said so long ago is asked again, while clients are held. */
const FRESH_MS = 150;

/** A first checkpoint, while clients are served, makes the one behind it short. */
const CHECKPOINT_MS = 60_000;

/** The other standbys have so long to take the candidate for their upstream. */
const PREPARE_MS = 3_000;

/** The old primary has so long to come up as a standby, and the candidate to have what it has. */
const DEMOTE_MS = 15_000;

/** And so long, behind that, to say that it will not be. */
const STAY_MS = 5_000;

/** An operator's wish for a switchover, with the time at which it came. */
export interface SwitchoverWish extends Wish {
  readonly command: Command & { readonly kind: "switchover" };
  readonly sinceMs: number;
}

/** Checks everything before anything is touched, then announces the move. Whether the wish is dealt with. */
export function beginSwitchover(work: Work, record: ClusterRecord, wish: SwitchoverWish): boolean {
  const { command: { to, isForced }, sinceMs, id, by } = wish;
  const refuse = (text: string) => {
    work.act({ kind: "answer", id, ok: false, text });
    return true;
  };
  if (work.settings.mode === "follow") return refuse("failover is follow: nobody is promoted by pgplex");
  if (to === record.primary) return refuse(`${to} is the primary`);
  if (to !== null && !work.nodes.has(to)) return refuse(`there is no node ${to}`);
  const primary = work.inspected(record.primary, sinceMs);
  const others = work.others(record.primary).filter(({ node }) => to === null || node.name === to);
  const known = others.map((one) => ({ one, inspected: work.inspected(one.node.name, sinceMs) }));
  const isLate = work.now.nowMs - sinceMs >= CHECK_MS;
  const waits = known.filter(({ one, inspected }) => inspected === null && work.isUp(one.node.name));
  if ((primary === null || waits.length > 0) && !isLate) return false;
  if (primary === null) return refuse(`${record.primary} does not answer`);
  const problems = primaryProblems(work, record, primary, isForced);
  if (problems.length > 0) return refuse(problems.join("; "));
  const judged = known.map(({ one, inspected }) => ({
    one,
    inspected,
    problems: candidateProblems(work, record, { known: one, inspected, primary }),
  }));
  const [best] = judged.filter((one) => one.problems.length === 0).toSorted((a, b) =>
    b.one.node.priority - a.one.node.priority || Number(b.inspected!.lsn - a.inspected!.lsn)
  );
  if (best === undefined) {
    const each = judged.map(({ one, problems }) => `${one.node.name}: ${problems.join(", ")}`);
    return refuse(each.join("; ") || "there is no other node");
  }
  work.wish = wish;
  const candidate = best.one.node.name;
  const evidence = [
    `${record.primary} has ${lsnText(primary.lsn)}, ${candidate} has ${lsnText(best.inspected!.lsn)}`,
    `${primary.openTransactions} transactions are open on ${record.primary}`,
  ];
  work.say("info", "move", `the primary of the cluster moves to ${candidate}, as ${by} wants`, evidence);
  work.begin(record, {
    kind: "switchover",
    from: record.primary,
    fromTimeline: record.timeline,
    target: to,
    candidate,
    step: "prepare",
    by,
    reason: "an operator has asked for it",
    evidence,
    isForced,
    lastLsn: primary.lsn,
    lostBytes: null,
    watermark: null,
    abandoned: [],
  }, [record.primary, ...direct(work, record)]);
  return true;
}

/** The standbys that receive from the primary itself: those follow the next one. */
function direct(work: Work, record: ClusterRecord): string[] {
  const primary = work.nodes.get(record.primary)!;
  return work.others(record.primary).flatMap(({ node: { name } }) => {
    const receiver = work.said(name)?.receiver ?? null;
    return receiver !== null && isFrom(work, receiver, primary) ? [name] : [];
  });
}

function primaryProblems(
  work: Work,
  { primary: name, timeline }: ClusterRecord,
  primary: Inspected,
  isForced: boolean,
): string[] {
  const problems: string[] = [];
  if (!work.isUp(name)) problems.push(`${name} does not answer`);
  if (primary.recovering || primary.timeline !== timeline) {
    problems.push(`${name} is not the primary any more`);
  }
  if (!work.isOwn(primary)) problems.push(`${name} belongs to another cluster`);
  if (work.settings.rejoin === "manual") return problems;
  if (!primary.canRunPrograms) {
    problems.push(`${name} may not run programs, so it cannot be restarted: set rejoin to manual`);
  }
  if (!/^0?7[05]0$/.test(primary.dataDirMode)) {
    problems.push(
      `the data directory of ${name} has mode ${primary.dataDirMode}, and would not start: chmod 0700`,
    );
  }
  if (!primary.canRewind && !isForced) {
    problems.push(
      `${name} has neither wal_log_hints nor checksums, so a failure could not be mended by pg_rewind`,
    );
  }
  return problems;
}

function candidateProblems(
  work: Work,
  record: ClusterRecord,
  { known: { node }, inspected, primary }: {
    readonly known: Known;
    readonly inspected: Inspected | null;
    readonly primary: Inspected;
  },
): string[] {
  if (inspected === null || !work.isUp(node.name)) return ["does not answer"];
  const problems: string[] = [];
  const { rules, settings } = work;
  const { recovering, receiver, isPaused, applyDelayMs, lsn } = inspected;
  if (!work.isOwn(inspected)) return ["belongs to another cluster"];
  if (!recovering) return ["is no standby"];
  const isDelayed = isPaused || applyDelayMs > 0;
  if (!rules.isEligible({ promote: node.promote, isDelayed })) {
    problems.push(isDelayed ? "replays late, or is paused" : "is not to be promoted (promote: false)");
  }
  if (receiver?.status !== "streaming" || receiver.timeline !== record.timeline) {
    problems.push("does not stream on the primary's timeline");
  } else if (!isFrom(work, receiver, work.nodes.get(record.primary)!)) {
    problems.push("streams from another standby");
  }
  const lag = primary.lsn > lsn ? primary.lsn - lsn : 0n;
  if (!rules.isLagAllowed(lag, settings.maxFailoverLagBytes)) problems.push(`is ${lag} bytes behind`);
  if (record.rejoins.some((one) => one.node === node.name)) problems.push("is being made a standby");
  return problems;
}

/** Whether the other standbys may leave the primary before the transactions on it have ended: commits must not need them. */
function bringsOthers(work: Work, { synchronous }: ClusterRecord, candidate: string): boolean {
  if (synchronous === null) return true;
  const name = standbyNames(work).get(candidate)!;
  return synchronous.k === 1 && synchronous.names.some((one) => one === "*" || isSameName(one, name));
}

/** The other standbys are pointed at the candidate, while the primary serves. */
export function prepare(work: Work, record: ClusterRecord, move: Move): void {
  const candidate = move.candidate!;
  const why = brokenBy(work, record, move);
  if (why !== null) return work.undo(record, move, why);
  const isLate = work.now.nowMs - work.stepSinceMs >= PREPARE_MS;
  let waits = 0;
  if (bringsOthers(work, record, candidate)) {
    for (const { node } of work.others(record.primary)) {
      const said = work.said(node.name);
      if (node.name === candidate || !record.moved.includes(node.name)) continue;
      if (!work.isUp(node.name) || !said?.recovering || !work.isOwn(said)) continue;
      if (!work.tookOver(node.name, record.epoch)) waits++;
      else if (work.ask(node.name, { kind: "repoint", upstream: work.upstream(candidate) }) === null) waits++;
    }
  }
  const asked = work.tookOver(record.primary, record.epoch)
    ? work.ask(record.primary, { kind: "checkpoint" }, { timeoutMs: CHECKPOINT_MS, retryMs: Infinity })
    : null;
  const isAsking = asked === null && (!isLate || work.calls.sentMs(record.primary, "checkpoint") !== null);
  if (!isAsking && (waits === 0 || isLate)) work.step(record, move, "hold");
}

/** What ends a switchover that has not changed the primary yet; null while nothing does. */
function brokenBy(work: Work, record: ClusterRecord, { candidate }: Move): string | null {
  if (work.settings.mode === "follow") return "failover is follow now";
  for (const name of [record.primary, candidate!]) {
    if (!work.nodes.has(name)) return `${name} is not in the file any more`;
    const said = work.isUp(name) ? work.said(name) : null;
    if (said !== null && !work.isOwn(said)) return `${name} belongs to another cluster`;
  }
  const said = work.said(record.primary);
  const health = work.nodes.get(record.primary)?.view?.health;
  if (health === "down" || health === "starting") return `${record.primary} is ${health}`;
  if (said?.recovering) return `${record.primary} is a standby`;
  if (work.nodes.get(candidate!)?.view?.health === "down") return `${candidate} is down`;
  const other = promotedOther(work, record);
  return other === null ? null : `${other} was promoted by somebody else`;
}

/** A node that somebody else has promoted meanwhile; null where none is. */
function promotedOther(work: Work, { primary, timeline, disowned }: ClusterRecord): string | null {
  const other = work.others(primary).find(({ node: { name } }) => {
    const said = work.isUp(name) ? work.said(name) : null;
    return said !== null && !said.recovering && work.isOwn(said) && !disowned.includes(name) &&
      work.rules.isNewerClaim(said.timeline ?? 0, timeline);
  });
  return other?.node.name ?? null;
}

/** So long a life that finds a switchover waits until each node has been looked at. */
const LOOK_MS = 3_000;

/**
 * A switchover before its demotion has changed nothing that matters: a life that finds one takes it back. But where the record was removed and put
 * back by who had missed its end, another node is the primary.
 */
export function takeBackFound(work: Work, record: ClusterRecord, move: Move): void {
  const all = [...work.nodes.values()];
  const isHeard = all.every(({ view }) => view !== null);
  if (!isHeard && work.now.nowMs - work.stepSinceMs < LOOK_MS) return;
  for (const { node: { name } } of all) {
    const said = work.isUp(name) ? work.said(name) : null;
    if (said === null || said.recovering || !work.isOwn(said) || record.disowned.includes(name)) continue;
    const timeline = said.timeline ?? 0;
    if (!work.rules.isNewerClaim(timeline, move.fromTimeline)) continue;
    if (followsClaim(work, record, move, { name, timeline })) return;
  }
  work.undo(record, move, "pgplex was restarted");
}

/** Clients are held; their transactions end, or are given up for, or cut. */
export function hold(work: Work, record: ClusterRecord, move: Move, withinMs: number): void {
  const why = brokenBy(work, record, move);
  if (why !== null) return work.undo(record, move, why);
  const ageMs = work.now.nowMs - work.stepSinceMs;
  if (ageMs >= withinMs && move.isForced && !move.cuts) return work.cut(record, move);
  if (move.cuts) work.ask(record.primary, { kind: "endSessions" });
  const open = stopWriting(work, record, move);
  const isOver = ageMs >= withinMs + (move.isForced ? DEMOTE_MS : 0);
  if (open === null) return;
  if (open !== ASKED) work.missing = open;
  if (isOver) {
    work.undo(record, move, `${work.missing ?? "the nodes had not answered"} within ${withinMs} ms`);
  }
}

/** Something was asked, which says nothing yet of what is missing. */
const ASKED = "";

/** Goes on with the demotion where nobody writes any more, and the candidate has all; else what is missing, for people, or {@link ASKED}. */
function stopWriting(work: Work, record: ClusterRecord, move: Move): string | null {
  const { rules, now: { nowMs } } = work;
  const [from, candidate] = [record.primary, move.candidate!];
  const drained = rules.awaitsTransactions();
  if (!work.isHeld(record.epoch)) return "not all instances held their clients";
  if (!work.isHeld(record.epoch, { drained })) return "transactions had not ended";
  work.heldSinceMs ??= nowMs;
  const primary = work.inspected(from, Math.max(work.heldSinceMs, nowMs - FRESH_MS), {
    refreshMs: 0,
    retryMs: 200,
  });
  if (primary === null) return ASKED;
  if (drained && primary.openTransactions > 0) return "transactions had not ended";
  const has = work.inspected(candidate, primary.askedMs, { refreshMs: 0, retryMs: 200 });
  if (has === null) return ASKED;
  if (!rules.isCaughtUp(has.lsn, primary.lsn)) return `${candidate} had not got what ${from} has`;
  if (!work.tookOver(from, record.epoch)) {
    const taken = work.calls.peek(from, "takeOver");
    return taken?.ok === false ? `${from} could not be taken over (${taken.reason})` : ASKED;
  }
  const checkpoint = work.ask(from, { kind: "checkpoint" }, { timeoutMs: DEMOTE_MS });
  if (checkpoint === null) return `a CHECKPOINT on ${from} had not ended`;
  if (!checkpoint.ok) work.undo(record, move, `CHECKPOINT on ${from}: ${checkpoint.reason}`);
  else if (!rules.demotesFirst()) work.step(record, move, "promote", { lostBytes: 0n });
  else work.step(record, move, work.settings.rejoin === "sql" ? "demote" : "fence", { lastLsn: primary.lsn });
  return null;
}

/** The old primary restarts as a standby of the candidate, or is made read-only; the candidate gets what it has. */
export function demote(work: Work, record: ClusterRecord, move: Move): void {
  if (!work.isHeld(record.epoch)) return;
  const { now: { nowMs }, stepSinceMs, rules } = work;
  const [from, candidate] = [move.from, move.candidate!];
  const isLate = nowMs - stepSinceMs >= DEMOTE_MS;
  const heard = work.fresh(from, stepSinceMs);
  const old = heard !== null && work.isOwn(heard) ? heard : null;
  const verb = move.step === "fence" ? "fence" : "demote";
  const result = work.calls.peek(from, verb);
  const isStill = old !== null && !old.recovering && old.timeline === record.timeline;
  const isInFile = work.nodes.has(candidate);
  const candidateIsGone = !isInFile || work.nodes.get(candidate)?.view?.health === "down";
  const isRefused = result?.ok === false && result.kind !== "unknown";
  if (isStill && (isRefused || isLate || (candidateIsGone && result !== null))) {
    const why = isRefused
      ? `${verb}: ${result.reason}`
      : isLate
      ? `${from} goes on as the primary`
      : `${candidate} is down`;
    if (verb === "demote" && !staysPrimary(work, record, from)) {
      if (nowMs - stepSinceMs < DEMOTE_MS + STAY_MS) return;
      work.say("error", "move", `${from} may become a standby when it restarts: rm standby.signal there`);
    }
    return work.undo(record, move, why);
  }
  // The old primary, too, may have been restarted and promoted by hand.
  const isAgain = old !== null && !old.recovering && rules.isNewerClaim(old.timeline ?? 0, record.timeline);
  const other = promotedOther(work, record) ?? (isAgain ? from : null);
  if (isLate || other !== null || (candidateIsGone && old?.recovering)) {
    const reason = other !== null
      ? `${other} was promoted by somebody else`
      : isLate
      ? `${candidate} did not get what ${from} has`
      : `${candidate} is down`;
    work.say("error", "move", `the switchover fails: ${reason}: whoever has most is promoted`);
    return work.step(record, move, "recruit", { candidate: null, target: null, reason });
  }
  if (!work.tookOver(from, record.epoch)) return;
  if (verb === "demote" && !(old?.recovering) && isInFile) {
    // What is not done when this step is over must not be done behind it.
    const timeoutMs = Math.max(1_000, stepSinceMs + DEMOTE_MS - nowMs);
    const ask = { kind: "demote", upstream: work.upstream(candidate), timeoutMs } as const;
    work.ask(from, ask, { timeoutMs, retryMs: 3_000, refreshMs: 5_000 });
  }
  if (verb === "fence" && !work.ask(from, { kind: "fence" }, { retryMs: Infinity })?.ok) return;
  const sinceMs = verb === "fence" ? fencedMs(work) : stepSinceMs;
  const last = work.inspected(from, sinceMs, { refreshMs: 100, retryMs: 200 });
  if (last === null || last.recovering !== (verb === "demote") || !work.isOwn(last)) {
    if (last !== null) work.ask(from, { kind: "inspect" }, { refreshMs: 100, retryMs: 200 });
    return;
  }
  const has = work.inspected(candidate, last.askedMs, { refreshMs: 100, retryMs: 200 });
  if (has === null || !work.isOwn(has)) return;
  if (rules.isCaughtUp(has.lsn, last.lsn) && rules.isCaughtUp(has.replayLsn, last.lsn)) {
    return work.step(record, move, "promote", { lastLsn: last.lsn, lostBytes: 0n });
  }
  work.ask(candidate, { kind: "inspect" }, { refreshMs: 100, retryMs: 200 });
}

/** Whether a demotion that may be on its way, or have broken off, does not come to its restart any more. */
function staysPrimary(work: Work, { epoch }: ClusterRecord, from: string): boolean {
  if (!work.tookOver(from, epoch)) return false;
  const [demotedMs, stayMs] = [work.calls.sentMs(from, "demote"), work.calls.sentMs(from, "stayPrimary")];
  if (stayMs !== null && stayMs < (demotedMs ?? 0)) work.calls.forget(from, "stayPrimary");
  const result = work.ask(from, { kind: "stayPrimary" });
  return result !== null && (result.ok || result.kind === "not possible");
}

/** When the old primary was known to be fenced. */
function fencedMs(work: Work): number {
  work.confirmedSinceMs ??= work.now.nowMs;
  return work.confirmedSinceMs;
}
