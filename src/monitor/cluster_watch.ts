import type { ClusterConfig, MonitorConfig } from "../config/mod.ts";
import {
  type NodeAddress,
  type NodeFacts,
  primaryOf,
  sameNode,
  type TopologyCluster,
  type TopologyNode,
} from "../topology/mod.ts";
import { type ChangeReport, clusterReport, nodeReport } from "./change_reports.ts";
import { afterOutcome, afterTime, type HealthState, lapsesAtMs, UNASKED } from "./node_health.ts";
import type { Outcome } from "./outcome.ts";
import { judge, type Judgement, NO_REIGN, type Reign } from "./reign.ts";
import type { NodeAnswer } from "./sample.ts";
import { WalMarks } from "./wal_marks.ts";

/** When a node says that it is the primary, the others have so long to say something, before it is served for the first time. */
export const SETTLE_MS = 300;

/** What a watch is made of. */
export interface WatchOptions {
  readonly name: string;
  readonly config: ClusterConfig;
  /** An arbiter says which node is the primary, and tells of it. */
  readonly isArbitrated: boolean;
  readonly monitor: MonitorConfig;
  /** What is served so far, where a reload begins to watch: its primary stays until the nodes say something else. */
  readonly served: TopologyCluster | null;
  readonly nowMs: number;
}

/** A node as it was found by the questions to it, whatever its cluster makes of that. */
export interface WatchedNode {
  readonly name: string;
  readonly state: HealthState;
  /** Its last answer, however old; null before the first. */
  readonly answer: NodeAnswer | null;
}

/** One node as it is watched. */
interface Watched {
  readonly address: NodeAddress;
  readonly reads: boolean;
  readonly weight: number;
  state: HealthState;
  answer: NodeAnswer | null;
  /** The timeline that a standby received last: what it has is a part of that one's history. Null where nobody knows. */
  followed: number | null;
  wasAsked: boolean;
}

/**
 * All that is known of one cluster: outcomes and time in, a {@link TopologyCluster} and lines for the log out. It connects to
 * nothing and publishes nothing.
 */
export class ClusterWatch {
  readonly name: string;
  readonly #marks = new WalMarks();
  #monitor: MonitorConfig;
  /** An arbiter says which node is the primary, and tells of it. */
  #isArbitrated: boolean;
  #nodes: Watched[] = [];
  #reign: Reign = NO_REIGN;
  #cluster: TopologyCluster;
  #hold: Judgement["hold"] = null;
  /** When the first node said that it is the primary; null before. */
  #claimedMs: number | null = null;
  #reports: ChangeReport[] = [];
  /** The node that is the primary in {@link #cluster}. */
  #primary: Watched | null = null;

  constructor({ name, config, isArbitrated, monitor, served, nowMs }: WatchOptions) {
    this.name = name;
    this.#monitor = monitor;
    this.#isArbitrated = isArbitrated;
    const primary = served?.phase === "serving" ? primaryOf(served) : null;
    if (served !== null) this.#reign = { ...NO_REIGN, epoch: served.epoch };
    if (primary !== null) this.#reign = { ...this.#reign, primary: { name: primary.name, timeline: null } };
    this.#cluster = served ?? { name, epoch: NO_REIGN.epoch, phase: "holding", nodes: [] };
    this.#nodes = config.nodes.map((node) => watchedOf(node, null));
    this.#look(nowMs);
    this.#reports = [];
  }

  /** The cluster as it is known now. Another object whenever something was heard. */
  get cluster(): TopologyCluster {
    return this.#cluster;
  }

  /** Whether something is about to change, or has to: its nodes are asked often. */
  get urgent(): boolean {
    const { phase } = this.#cluster;
    return this.#nodes.length > 1 && (phase === "holding" || primaryOf(this.#cluster)?.health !== "up");
  }

  /** Lines for the log since the last call. */
  takeReports(): ChangeReport[] {
    const reports = this.#reports;
    this.#reports = [];
    return reports;
  }

  /** A reload: what is known of a node that is where it was stays. */
  configure({ config, isArbitrated, monitor, nowMs }: Omit<WatchOptions, "name" | "served">): void {
    this.#monitor = monitor;
    this.#isArbitrated = isArbitrated;
    this.#nodes = config.nodes.map((node) => watchedOf(node, this.#find(node) ?? null));
    this.#look(nowMs);
  }

  /** A question to a node, asked at `askedMs`, has ended. */
  heard(node: NodeAddress, outcome: Outcome, { askedMs, nowMs }: { askedMs: number; nowMs: number }): void {
    const watched = this.#find(node);
    if (watched === undefined) return;
    const { failure_timeout: failureTimeoutMs, failure_confirm: failureConfirmMs } = this.#monitor;
    const { state, answer } = watched;
    watched.wasAsked = true;
    watched.state = afterOutcome(state, outcome, { askedMs, nowMs, failureTimeoutMs, failureConfirmMs });
    if (outcome.kind === "answered") {
      watched.followed = followedBy(watched, outcome.answer);
      watched.answer = outcome.answer;
      if (!outcome.answer.recovering) this.#claimedMs ??= nowMs;
      // What answers say every day is judged already.
      if (
        state.health === "up" && this.#hold === null && answer !== null && saysTheSame(answer, outcome.answer)
      ) {
        return this.#renew();
      }
    }
    this.#look(nowMs);
  }

  /** Time passes. Whether something changed. */
  tick(nowMs: number): boolean {
    const { failure_timeout: failureTimeoutMs } = this.#monitor;
    const before = this.#nodes.map(({ state }) => state);
    for (const watched of this.#nodes) watched.state = afterTime(watched.state, { nowMs, failureTimeoutMs });
    const settles = this.#hold?.kind === "asking" && this.#isSettled(nowMs);
    if (!settles && this.#nodes.every(({ state }, index) => state === before[index])) return false;
    this.#look(nowMs);
    return true;
  }

  /** When {@link tick} is to be called; Infinity where time alone changes nothing. */
  get dueMs(): number {
    const { failure_timeout: failureTimeoutMs } = this.#monitor;
    const lapses = this.#nodes.map(({ state }) => lapsesAtMs(state, { failureTimeoutMs }));
    const settles = this.#hold?.kind === "asking" && this.#claimedMs !== null
      ? this.#claimedMs + SETTLE_MS
      : Infinity;
    return Math.min(settles, ...lapses);
  }

  /** What was found at a node; null where there is no such node. */
  nodeAt(address: NodeAddress): WatchedNode | null {
    const watched = this.#find(address);
    return watched === undefined
      ? null
      : { name: address.name, state: watched.state, answer: watched.answer };
  }

  /** How a node is; null where there is no such node. */
  healthOf(node: NodeAddress): HealthState["health"] | null {
    return this.#find(node)?.state.health ?? null;
  }

  #find(node: NodeAddress): Watched | undefined {
    return this.#nodes.find(({ address }) => sameNode(address, node));
  }

  #isSettled(nowMs: number): boolean {
    return this.#nodes.every(({ wasAsked }) => wasAsked) ||
      (this.#claimedMs !== null && nowMs - this.#claimedMs >= SETTLE_MS);
  }

  /** The facts of the nodes are other ones; everything else is as it was. */
  #renew(): void {
    const primary = this.#primary;
    this.#mark(primary, this.#reign);
    const timeline = primary?.answer?.timeline ?? null;
    const nodes = this.#cluster.nodes.map((node, index): TopologyNode => {
      const watched = this.#nodes[index]!;
      return { ...node, facts: this.#factsOf(watched, watched === primary, timeline) };
    });
    this.#cluster = { ...this.#cluster, nodes };
  }

  /** Notes how far the primary's WAL was when it was asked last. */
  #mark(primary: Watched | null, { system }: Reign): void {
    const said = primary?.answer ?? null;
    if (said !== null && !said.recovering && said.system === system) this.#marks.add(said.sentMs, said.lsn);
  }

  /** Judges anew what is known. */
  #look(nowMs: number): void {
    const before = this.#cluster;
    const observed = this.#nodes.map(({ address: { name }, state, answer }) => ({ name, state, answer }));
    const { reign, phase, hold, verdicts } = judge(this.#reign, observed, this.#isSettled(nowMs));
    if (reign.epoch !== this.#reign.epoch) this.#marks.clear();
    const primaryAt = verdicts.findIndex(({ role }) => role === "primary");
    const primary = this.#nodes[primaryAt] ?? null;
    const said = primary?.answer ?? null;
    if (said !== null && !said.recovering && said.system === reign.system) {
      this.#marks.add(said.sentMs, said.lsn);
    }
    const nodes = this.#nodes.map((watched, index): TopologyNode => {
      const { role, health, stale, reason } = verdicts[index]!;
      const known = before.nodes.find((node) => sameNode(node, watched.address));
      const isSame = known?.role === role && known.health === health && known.stale === stale &&
        (health !== "unknown" || known.reason === reason);
      return {
        ...watched.address,
        role,
        health,
        stale,
        // Why it came to this: later answers of the same kind say nothing new.
        sinceMs: isSame ? known.sinceMs : nowMs,
        reason: isSame ? known.reason : reason,
        facts: this.#factsOf(watched, watched === primary, primary?.answer?.timeline ?? null),
        reads: watched.reads,
        weight: watched.weight,
        disabled: false, // whoever publishes it knows
      };
    });
    this.#cluster = { name: this.name, epoch: reign.epoch, phase, nodes };
    const moves = {
      before,
      now: this.#cluster,
      hold,
      wasHeldFor: this.#hold,
      reign,
      reignBefore: this.#reign,
      isArbitrated: this.#isArbitrated,
    };
    this.#reign = reign;
    this.#hold = hold;
    this.#primary = primary;
    for (const node of nodes) {
      const known = before.nodes.find((other) => sameNode(other, node));
      const report = nodeReport(this.name, known ?? null, node, { isOnly: nodes.length === 1 });
      if (report !== null) this.#reports.push(report);
    }
    this.#reports.push(...clusterReport(moves));
  }

  /** `timeline` is the primary's: what was replayed on another one says nothing of it. */
  #factsOf(
    { answer, followed }: Watched,
    isPrimary: boolean,
    timeline: number | null,
  ): NodeFacts | null {
    if (answer === null) return null;
    const { sentMs, latencyMs, version, system, lsn, replayLsn, streaming } = answer;
    const { slotsUsed, slotsMax, hasSchema, load } = answer;
    const isAlong = timeline !== null && followed === timeline;
    const { lastLsn } = this.#marks;
    const lag = isPrimary ? 0n : lastLsn === null || !isAlong ? null : lastLsn - replayLsn;
    return {
      atMs: sentMs,
      latencyMs,
      version,
      system,
      timeline: answer.timeline,
      lsn,
      replayLsn,
      streaming,
      freshMs: isPrimary ? Infinity : isAlong ? this.#marks.freshMs(replayLsn) : -Infinity,
      lagBytes: lag === null ? null : lag > 0n ? Number(lag) : 0,
      slotsUsed,
      slotsMax,
      hasSchema,
      load,
    };
  }
}

function watchedOf(
  { name, host, port, reads, weight }: ClusterConfig["nodes"][number],
  known: Watched | null,
): Watched {
  const fresh = { state: UNASKED, answer: null, followed: null, wasAsked: false };
  return { ...known ?? fresh, address: { name, host, port }, reads, weight };
}

/** The timeline of which a standby is known to have nothing but a beginning, while it receives that, and when it receives nothing since. */
function followedBy({ answer: before, followed }: Watched, now: NodeAnswer): number | null {
  if (!now.recovering) return null;
  if (now.streaming) return now.timeline;
  // What came behind the last answer came the same way; more than that comes from elsewhere.
  if (before === null || now.lsn < before.lsn || (!before.streaming && now.lsn > before.lsn)) return null;
  return followed;
}

/** Whether two answers of a node lead to the same judgement. */
function saysTheSame(a: NodeAnswer, b: NodeAnswer): boolean {
  return a.recovering === b.recovering && a.system === b.system && a.timeline === b.timeline;
}
