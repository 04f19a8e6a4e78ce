import { lsnText } from "../topology/mod.ts";
import { choose, type Recruit } from "./choice.ts";
import { earlierNames } from "./cohorts.ts";
import type { ClusterRecord, Move } from "./record.ts";
import { isSameName, standbyNames, strangeNames } from "./standby_names.ts";
import { mayFollow, type Said } from "./views.ts";
import type { Work } from "./work.ts";

/** A standby that answers has so long to stop receiving, before it counts as one that does not. */
const FREEZE_MS = 4_000;

/** Whether a standby may be promoted is asked again so often. */
const INSPECT_MS = 1_000;

/** The chosen one has so long to replay what it has, so that the watermark is exact. */
const REPLAY_MS = 5_000;

/** So long an answer is waited for before the candidate is asked again. */
const ASK_MS = 5_000;

/** Clients are held; every standby that answers stops receiving; then one is chosen and named in the record. */
export function recruit(work: Work, record: ClusterRecord, move: Move): void {
  if (!work.isHeld(record.epoch)) return;
  const { rules, settings, stepSinceMs } = work;
  // Only then standbys are asked: who waited for other instances gives them no less time.
  const heldMs = work.now.nowMs - (work.heldSinceMs ??= work.now.nowMs);
  if (settings.mode === "follow" || (move.by === "pgplex" && settings.mode !== "auto")) {
    return work.undo(record, move, `failover is ${settings.mode} now`);
  }
  if (work.nodes.get(move.from)?.view?.health === "unknown" && !move.isForced) {
    return work.say(
      "warning",
      "choice",
      `nobody is promoted: ${move.from} is there, and does not say what it is`,
    );
  }
  if (heedClaims(work, record, move)) return;
  if (noteStrangeNames(work, record, move)) return;
  forgetStrangers(work);
  // Who answers is asked again in this step: it may have become a primary.
  const unheard = [...work.nodes.keys()].filter((name) =>
    work.isUp(name) && work.fresh(name, stepSinceMs) === null
  );
  for (const name of unheard) work.ask(name, { kind: "inspect" }, { refreshMs: 200, retryMs: 200 });
  const standbys = [...work.nodes.values()].filter(({ node, view }) => {
    const said = work.said(node.name);
    return view?.health === "up" && said !== null && work.isOwn(said) && said.recovering;
  });
  let waits = 0;
  for (const { node } of standbys) if (!recruitOne(work, record, node.name)) waits++;
  if (unheard.length > 0 && rules.awaitsAllStandbys()) return;
  if (waits > 0 && rules.awaitsAllStandbys() && heldMs < FREEZE_MS) return;
  const lastLsn = lastLsnOf(work, move);
  const choice = choose({
    recruits: recruitsOf(work, record),
    names: standbyNames(work),
    from: move.from,
    timeline: move.fromTimeline,
    synchronous: record.synchronous,
    earlier: earlierNames(record, work.said(move.from)),
    lastLsn,
    abandoned: move.abandoned,
    target: move.target,
    isForced: move.isForced,
    maxLagBytes: settings.maxFailoverLagBytes,
    rules,
  });
  if (choice.kind === "none") {
    const failures = standbys.flatMap(({ node: { name } }) => failureOf(work, name));
    return work.say("error", "choice", ["nobody is promoted: " + choice.why, ...failures].join("; "));
  }
  const { recruit: { name, frozen }, lostBytes, evidence } = choice;
  const { isReplayed } = frozen;
  if (!isReplayed && heldMs < REPLAY_MS) {
    const asked = work.calls.peek(name, "freeze");
    if (asked !== null) work.calls.forget(name, "freeze");
    return;
  }
  const lost = lostBytes === null ? "nobody knows how much is lost" : `${lostBytes} bytes are lost`;
  work.say(
    "warning",
    "choice",
    `${name} is to be promoted, it has ${lsnText(frozen.lsn)}: ${lost}`,
    evidence,
  );
  if (!rules.announcesFirst()) work.ask(name, { kind: "promote", timeoutMs: ASK_MS });
  work.unasked = { name, sinceMs: work.now.nowMs };
  work.step(record, move, "promote", {
    candidate: name,
    lastLsn,
    lostBytes,
    watermark: isReplayed ? frozen.xidWatermark : null,
    evidence: [...move.evidence, ...evidence],
  });
}

/**
 * By what name a standby acknowledges commits cannot be asked any more once it has stopped receiving: who goes on with this move finds it in the
 * record. Whether that is written.
 */
function noteStrangeNames(work: Work, record: ClusterRecord, move: Move): boolean {
  const found = strangeNames(work.nodes.values());
  if (Object.entries(found).every(([node, name]) => move.names?.[node] === name)) return false;
  work.write({ ...record, move: { ...move, names: { ...move.names, ...found } } });
  return true;
}

/** Where another cluster's server answers in a node's place, what has stopped receiving there may have been that one. */
function forgetStrangers(work: Work): void {
  for (const name of work.nodes.keys()) {
    const said = work.isUp(name) ? work.said(name) : null;
    if (said === null || work.isOwn(said)) continue;
    work.frozen.delete(name);
    work.calls.forget(name, "freeze");
  }
}

/** How far the old primary was seen: also by those that have said it since the move began, when they held their clients. */
function lastLsnOf(work: Work, { from, fromTimeline, lastLsn }: Move): bigint | null {
  const now = work.lastLsn({ primary: from, timeline: fromTimeline });
  return now === null || (lastLsn !== null && lastLsn > now) ? lastLsn : now;
}

/** One standby stops receiving. Whether that has come to an end, good or bad. */
function recruitOne(work: Work, { epoch }: ClusterRecord, name: string): boolean {
  if (!work.tookOver(name, epoch)) return work.calls.peek(name, "takeOver")?.ok === false;
  const sinceMs = Math.max(work.stepSinceMs, work.now.nowMs - INSPECT_MS);
  const inspected = work.inspected(name, sinceMs, { refreshMs: 0, retryMs: 300 });
  const isInspected = inspected !== null || work.calls.peek(name, "inspect")?.ok === false;
  if (!work.rules.freezesFirst()) {
    const said = work.said(name)!;
    const { lsn, replayLsn, timeline } = said;
    const isReplayed = replayLsn >= lsn;
    work.frozen.set(name, { lsn, replayLsn, timeline: timeline ?? 0, isReplayed, xidWatermark: null });
    return isInspected;
  }
  if (!isInspected && work.calls.sentMs(name, "freeze") === null) return false;
  const result = work.ask(name, { kind: "freeze" });
  if (result?.ok && !work.isOwn(result)) {
    work.calls.forget(name, "freeze");
    return false;
  }
  if (result?.ok) work.frozen.set(name, result.frozen);
  return isInspected && result !== null;
}

/** Why a standby has not stopped receiving, where the server said so. */
function failureOf({ calls }: Work, name: string): string[] {
  for (const kind of ["takeOver", "freeze"] as const) {
    const result = calls.peek(name, kind);
    if (result === null || result.ok || result.kind === "unknown") continue;
    return [`${name}: ${result.reason}`];
  }
  return [];
}

function recruitsOf(work: Work, { rejoins }: ClusterRecord): Recruit[] {
  return [...work.frozen].flatMap(([name, frozen]) => {
    const known = work.nodes.get(name);
    if (known === undefined) return [];
    const { node: { promote, priority }, inspected } = known;
    // Who was not inspected may be delayed.
    const isDelayed = inspected === null || inspected.isPaused || inspected.applyDelayMs > 0;
    return [{
      name,
      frozen,
      forks: inspected?.timeline === frozen.timeline ? inspected.forks : null,
      isUp: work.isUp(name),
      promote,
      priority,
      isDelayed,
      isQuarantined: rejoins.some(({ node, state }) => node === name && state === "failed"),
    }];
  });
}

/** Nobody is promoted beside a node that says that it is the primary already. Whether that ended the search. */
function heedClaims(work: Work, record: ClusterRecord, move: Move): boolean {
  const { rules, stepSinceMs } = work;
  const claims = [...work.nodes.keys()].flatMap((name) => {
    const said = work.fresh(name, stepSinceMs);
    return said === null || said.recovering || !work.isOwn(said) ? [] : [{ name, said }];
  });
  const promoted = claims.find(({ name, said }) =>
    move.abandoned.includes(name) && rules.isPromoted(said, move.fromTimeline)
  );
  if (promoted !== undefined) {
    work.step(record, move, "promote", { candidate: promoted.name });
    return true;
  }
  // The primary of the record goes before all others that say so.
  claims.sort((a, b) => Number(b.name === move.from) - Number(a.name === move.from));
  for (const { name, said } of claims) {
    const timeline = said.timeline ?? 0;
    if (name === move.from && timeline === move.fromTimeline) {
      if (!rules.givesBack(said)) continue;
      work.say("warning", "move", `${name} is back, and stays the primary`);
      work.undo(record, move, `${name} answers as the primary`);
      return true;
    }
    if (rules.isNewerClaim(timeline, move.fromTimeline) && !record.disowned.includes(name)) {
      if (followsClaim(work, record, move, { name, timeline })) return true;
    }
    if (timeline === move.fromTimeline) {
      work.say("error", "choice", `nobody is promoted: ${name} says that it is the primary`);
      return true;
    }
  }
  return false;
}

/** A node says that it is the primary of a newer timeline. Whether that is the move now, or it is being asked about its history. */
export function followsClaim(
  work: Work,
  record: ClusterRecord,
  move: Move,
  { name, timeline }: { readonly name: string; readonly timeline: number },
): boolean {
  const inspected = work.nodes.get(name)?.inspected ?? null;
  if (inspected === null || inspected.recovering || inspected.timeline !== timeline) {
    work.ask(name, { kind: "inspect" }, { refreshMs: 100, retryMs: 200 });
    return true;
  }
  if (!inspected.forks.some(([left]) => left === record.timeline)) return false;
  work.step(record, move, "hold", { kind: "follow", candidate: name, reason: `${name} was promoted` });
  return true;
}

/** The candidate of the record is promoted, and nobody else, until it is known to have happened or to be impossible. */
export function promote(work: Work, record: ClusterRecord, move: Move): void {
  if (!work.isHeld(record.epoch)) return;
  const { rules, settings, now: { nowMs } } = work;
  const name = move.candidate!;
  const view = work.nodes.get(name)?.view ?? null;
  const said = work.said(name);
  const result = work.calls.peek(name, "promote");
  const isConfirmed = said !== null && work.isOwn(said) && rules.isPromoted(said, move.fromTimeline);
  if (isConfirmed) return settle(work, record, move, said);
  if (result !== null && rules.confirmsByResult(result)) {
    return work.finish(record, move, { primary: name, timeline: move.fromTimeline + 1 });
  }
  const missing = !work.nodes.has(name)
    ? "is not in the file any more"
    : view?.health === "up" && said !== null && !work.isOwn(said)
    ? "belongs to another cluster now"
    : null;
  if (missing !== null) {
    const text = `${name}, which was to be promoted, ${missing}: put it back, or say FAILOVER with FORCE`;
    return work.say("error", "move", text);
  }
  // What was asked for behind the beginning of its silence, by what was known then, may be on its way to whoever has started there since.
  const askedMs = work.calls.sentMs(name, "promote") ?? -Infinity;
  const downMs = view?.health === "down" ? nowMs - Math.max(view.sinceMs, askedMs) : 0;
  if (view?.health === "down" && rules.mayAbandon({ isRefused: view.isRefused, downMs })) {
    work.say("error", "move", `${name} died before it was promoted`);
    const abandoned = [...move.abandoned.filter((one) => one !== name), name];
    return work.step(record, move, "recruit", { candidate: null, abandoned });
  }
  if (nowMs - work.stepSinceMs > settings.promoteTimeoutMs) {
    const text = `${name} was asked to promote itself, and nobody knows whether it did: nobody else is ` +
      "promoted before it answers or its port refuses connections. FAILOVER with FORCE gives it up";
    work.say("error", "move", text);
  }
  if (view?.health === "down" || !work.tookOver(name, record.epoch)) return;
  if (work.unasked?.name === name && mayNotNow(work, record, move, work.unasked.sinceMs)) return;
  work.unasked = null;
  // To ask the same node again changes nothing, and is needed where the question was lost, or the node has restarted.
  const timeoutMs = Math.min(settings.promoteTimeoutMs, ASK_MS);
  work.ask(name, { kind: "promote", timeoutMs }, { timeoutMs, retryMs: 1_000 });
  // A promotion that is pending is looked at, by a way of its own.
  if (result !== null) work.ask(name, { kind: "inspect" }, { refreshMs: 200, retryMs: 200 });
}

/**
 * The store may have taken long to say that it has the choice. While nobody has asked for the promotion the move can still be taken
 * back, and the choice be made anew. Whether that was done.
 */
function mayNotNow(work: Work, record: ClusterRecord, move: Move, chosenMs: number): boolean {
  const { rules, settings: { maxFailoverLagBytes } } = work;
  const old = work.fresh(move.from, chosenMs);
  const isBack = old !== null && work.isOwn(old) && old.timeline === move.fromTimeline &&
    rules.givesBack(old);
  if (isBack) {
    work.say("warning", "move", `${move.from} is back, and stays the primary`);
    work.undo(record, move, `${move.from} answers as the primary`);
    return true;
  }
  const [lastLsn, frozen] = [lastLsnOf(work, move), work.frozen.get(move.candidate!)];
  const isCounted = record.synchronous === null && !move.isForced && lastLsn !== move.lastLsn;
  if (!isCounted || lastLsn === null || frozen === undefined) return false;
  if (rules.isLagAllowed(lastLsn - frozen.lsn, maxFailoverLagBytes)) return false;
  work.step(record, move, "recruit", { candidate: null, lastLsn });
  return true;
}

/** The candidate is the primary. With synchronous replication the others are brought there first, within `sync_wait`. */
function settle(work: Work, record: ClusterRecord, move: Move, said: Said): void {
  const { settings, now: { nowMs } } = work;
  const name = move.candidate!;
  work.confirmedSinceMs ??= nowMs;
  const timeline = said.timeline!;
  const isLate = nowMs - work.confirmedSinceMs >= settings.syncWaitMs;
  if (record.synchronous !== null && !isLate && work.isUp(name)) {
    if (said.synchronous === null) {
      const { method, k, names } = record.synchronous;
      const own = standbyNames(work);
      const list = names.map((one) =>
        isSameName(one, own.get(name) ?? name) ? own.get(move.from) ?? one : one
      );
      const text = `${method.toUpperCase()} ${k} (${
        list.map((one) => one === "*" ? one : `"${one.replaceAll('"', '""')}"`).join(", ")
      })`;
      work.ask(name, { kind: "synchronousNames", text });
    }
    bringOthers(work, record, move);
    const synced = said.replicas.filter(({ syncState }) => syncState === "sync" || syncState === "quorum");
    if (said.synchronous === null || synced.length < said.synchronous.k) return;
  }
  work.finish({ ...record, synchronous: said.synchronous, earlier: [] }, move, { primary: name, timeline });
}

/** Points the others at the new primary, those that are not beyond the fork. */
function bringOthers(work: Work, record: ClusterRecord, move: Move): void {
  const name = move.candidate!;
  const primary = work.inspected(name, work.confirmedSinceMs!);
  if (primary === null) return;
  for (const { node } of work.others(name)) {
    const said = work.fresh(node.name, work.stepSinceMs);
    if (said === null || !said.recovering || !work.isOwn(said)) continue;
    if (said.receiver?.timeline === primary.timeline) continue;
    // Who goes on with the move of another decider has not inspected it yet.
    const inspected = work.inspected(node.name, -Infinity);
    if (inspected === null) continue;
    if (!mayFollow(said, inspected, { forks: primary.forks, current: primary.timeline! })) continue;
    if (!work.tookOver(node.name, record.epoch)) continue;
    work.ask(node.name, { kind: "repoint", upstream: work.upstream(name) }, { refreshMs: 2_000 });
  }
}
