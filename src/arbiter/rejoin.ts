import { type ClusterRecord, type Rejoin, whyBusy } from "./record.ts";
import type { Standing } from "./standing.ts";
import { receivesFrom, standingOf } from "./tend.ts";
import type { Known, Wish, Work } from "./work.ts";

/** Whatever a rejoin does is done within this time, or it has failed. */
const REJOIN_MS = 10 * 60_000;

/** A script whose state nobody can tell has so long to bring the node back. */
const SILENT_MS = 60_000;

/** Nodes that have to be made standbys again, by themselves where the file says so. Whether a record is written. */
export function rejoin(work: Work, record: ClusterRecord): boolean {
  const running = record.rejoins.find(({ state }) => state === "running");
  if (running !== undefined) return goOn(work, record, running);
  if (work.settings.rejoin !== "sql" || work.settings.mode === "follow") return false;
  for (const { node } of work.others(record.primary)) {
    if (record.rejoins.some((one) => one.node === node.name)) continue;
    if (beginRejoin(work, record, node.name, null) === true) return true;
  }
  return false;
}

/** Checks a node, and announces that it is made a standby. A text says why not; false: it is not known yet, or not needed. */
export function beginRejoin(
  work: Work,
  record: ClusterRecord,
  name: string,
  wish: Wish | null,
): boolean | string {
  const { now: { nowMs } } = work;
  const known = work.nodes.get(name);
  if (known === undefined) return `there is no node ${name}`;
  if (name === record.primary) return `${name} is the primary`;
  if (record.move !== null) return whyBusy(record.move);
  if (record.rejoins.some(({ state }) => state === "running")) return "another node is being made a standby";
  if (!work.isUp(name)) return wish === null ? false : `${name} does not answer: start it first`;
  const primarySaid = work.isUp(record.primary) ? work.said(record.primary) : null;
  if (primarySaid === null || primarySaid.recovering || !work.isOwn(primarySaid)) {
    return wish === null ? false : "the primary does not answer";
  }
  const primary = work.nodes.get(record.primary)!.inspected;
  const standing = standingOf(work, record, known, primary);
  if (standing === "unknown" && wish !== null) {
    // Nobody looks at one whose rejoin has failed.
    for (const one of [record.primary, name]) work.inspected(one, nowMs - 2_000);
    return false;
  }
  const isWanted = standing === "stale" || standing === "diverged" ||
    (wish !== null && standing === "astray");
  const said = work.said(name);
  if (said !== null && !work.isOwn(said)) return wish === null ? false : `${name} belongs to another cluster`;
  // One whose rejoin failed, and that follows all the same, is accepted by the same way.
  const isBack = standing === "follows" && record.rejoins.some(({ node }) => node === name);
  if (standing === "follows" && wish !== null && !isBack) return `${name} follows the primary`;
  if (!isWanted && !(isBack && wish !== null)) return false;
  if (work.inspected(name, nowMs - 2_000) === null) return false;
  const { mode, problem } = wayBack(work, record, known, standing);
  if (problem !== null) {
    work.say("error", `rejoin/${name}`, problem);
    return wish === null ? false : problem;
  }
  const one: Rejoin = {
    node: name,
    mode,
    state: "running",
    reason: standing === "stale" ? "it was the primary" : "it has diverged",
    startedAtMs: work.now.wallMs,
  };
  work.say("info", `rejoin/${name}`, `${name} is made a standby (${mode})`);
  work.rejoinSinceMs = null;
  for (const kind of ["rejoin", "rejoinState", "unfence", "freeze"] as const) work.calls.forget(name, kind);
  work.calls.forget(record.primary, "checkpoint");
  work.write({ ...record, rejoins: [...record.rejoins.filter(({ node }) => node !== name), one] });
  return true;
}

/** How a node that was inspected becomes a standby, and what stands in the way; null: nothing. */
function wayBack(
  work: Work,
  record: ClusterRecord,
  { node: { name }, inspected }: Known,
  standing: Standing,
): { mode: Rejoin["mode"]; problem: string | null } {
  const { canRunPrograms, canRewind, timeline } = inspected!;
  // A primary that ran beside the new one has written: checkpoints at least. Only a rewind takes that back.
  const mode = standing === "astray" || standing === "follows" ? "standby" : "rewind";
  const problem = !canRunPrograms
    ? `${name} may not run programs: stop it, run pg_rewind, and start it as a standby by hand`
    : mode === "rewind" && !canRewind
    ? `${name} has neither wal_log_hints nor checksums, so it needs a new base backup`
    : mode === "rewind" && (work.said(name)?.timeline ?? timeline) === record.timeline
    // pg_rewind compares the numbers, and would leave the node as it is.
    ? `${name} has a timeline of its own with the primary's number, so it needs a new base backup`
    : null;
  return { mode, problem };
}

function goOn(work: Work, record: ClusterRecord, { node: name, mode }: Rejoin): boolean {
  const { rules, now: { nowMs, wallMs } } = work;
  // Whose result is awaited: a former run of this node may have left one.
  work.rejoinSinceMs ??= {
    atMs: nowMs,
    stillMs: null,
    sentMs: null,
    token: `${work.instance}x${Math.round(wallMs)}`,
  };
  const life = work.rejoinSinceMs;
  const fail = (reason: string) => {
    work.say("error", `rejoin/${name}`, `${name} is not a standby: ${reason}. REJOIN tries again`);
    const rejoins = record.rejoins.map((one): Rejoin =>
      one.node === name ? { ...one, state: "failed", reason } : one
    );
    work.write({ ...record, rejoins });
    return true;
  };
  const ageMs = nowMs - life.atMs;
  if (ageMs > REJOIN_MS) return fail("it took too long");
  const said = work.fresh(name, life.sentMs ?? life.atMs);
  if (said !== null && said.recovering && work.isOwn(said) && receivesFrom(work, record, said) !== null) {
    const sinceMs = work.calls.sentMs(name, "unfence") ?? life.sentMs ?? life.atMs;
    const inspected = work.inspected(name, sinceMs + 1, { refreshMs: 500 });
    if (inspected === null) return false;
    if (inspected.isFenced) {
      if (work.tookOver(name, record.epoch)) work.ask(name, { kind: "unfence" }, { refreshMs: 1_000 });
      return false;
    }
    work.say("info", `rejoin/${name}`, `${name} is a standby again`);
    work.write({
      ...record,
      rejoins: record.rejoins.filter(({ node }) => node !== name),
      disowned: record.disowned.filter((node) => node !== name),
      moved: record.moved.filter((node) => node !== name),
    });
    return true;
  }
  if (!work.isUp(record.primary)) return false;
  if (life.sentMs === null) {
    // A script that an earlier life has started goes on by itself.
    const state = work.ask(name, { kind: "rejoinState", token: "" }, { refreshMs: 1_000, retryMs: 1_000 });
    if (state?.ok && state.state === "running") return false;
    if (!work.isUp(name)) return ageMs > SILENT_MS ? fail("it does not answer") : false;
    // The primary may be another one than when the rejoin was announced.
    const known = work.nodes.get(name)!;
    const primary = work.inspected(record.primary, nowMs - 2_000);
    // A standby may have received another history until it stopped.
    const sinceMs = Math.max(life.stillMs ?? life.atMs, nowMs - 2_000);
    if (primary === null || work.inspected(name, sinceMs) === null) return false;
    const standing = standingOf(work, record, known, primary);
    if (standing === "unknown") return false;
    const way = wayBack(work, record, known, standing);
    if (way.problem !== null) return fail(way.problem);
    if (way.mode !== mode) {
      const rejoins = record.rejoins.map((one) => one.node === name ? { ...one, mode: way.mode } : one);
      work.write({ ...record, rejoins });
      return true;
    }
    if (mode === "standby" && life.stillMs === null) {
      if (!work.tookOver(name, record.epoch)) return false;
      const result = work.ask(name, { kind: "freeze" });
      if (result?.ok && work.isOwn(result)) life.stillMs = nowMs + 1;
      return result?.ok === false && result.kind === "not possible" ? fail(result.reason) : false;
    }
    if (rules.checkpointsFirst()) {
      if (!work.tookOver(record.primary, record.epoch)) return false;
      if (!work.ask(record.primary, { kind: "checkpoint" }, { timeoutMs: 30_000, retryMs: 2_000 })?.ok) {
        return false;
      }
    }
    if (!work.tookOver(name, record.epoch)) return false;
    const { token } = life;
    const upstream = work.upstream(record.primary);
    const result = work.ask(name, { kind: "rejoin", upstream, mode, token }, { retryMs: Infinity });
    if (result === null) return false;
    if (!result.ok && result.kind !== "unknown") return fail(result.reason);
    life.sentMs = nowMs;
    work.calls.forget(name, "rejoinState");
    return false;
  }
  const { token } = life;
  const state = work.ask(name, { kind: "rejoinState", token }, { refreshMs: 1_000, retryMs: 1_000 });
  if (state?.ok && state.state === "failed") return fail(state.reason);
  if (nowMs - life.sentMs > SILENT_MS && !(state?.ok && state.state === "running")) {
    return fail(work.isUp(name) ? "it does not stream from the primary" : "it did not come back");
  }
  return false;
}
