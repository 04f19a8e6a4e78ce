import type { LogFields } from "../telemetry/mod.ts";
import { lsnText, primaryOf, type TopologyCluster, type TopologyNode } from "../topology/mod.ts";
import type { Judgement, Reign } from "./reign.ts";

/** A line for the log: `warning` for what got worse, `info` for what got better, `error` where a person has to act. */
export interface ChangeReport {
  readonly level: "info" | "warning" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** What changed of a node, with the evidence; null where nothing did that a person would want to know. */
export function nodeReport(
  cluster: string,
  before: TopologyNode | null,
  now: TopologyNode,
  { isOnly }: { readonly isOnly: boolean },
): ChangeReport | null {
  const was = before ?? { role: "unknown", health: "unknown", stale: false, reason: "" };
  const { role, health, stale, reason, facts } = now;
  const isSame = was.role === role && was.health === health && was.stale === stale;
  // Nobody has asked it yet: there is nothing to say. A login that is refused is another matter.
  if (isSame && (health !== "unknown" || was.reason === reason || before === null)) return null;
  // What it was to the cluster changes with another primary, of which there is a line of its own.
  if (was.health === health && health !== "up" && health !== "unknown" && !stale && !was.stale) return null;
  // Which cluster it belongs to is not settled yet.
  if (health === "up" && role === "unknown" && !stale) return null;
  if (health === "unknown" && facts === null && reason === "it has not answered yet") return null;
  const fields = {
    cluster,
    node: now.name,
    role,
    health,
    was: `${was.role}, ${was.health}${was.stale ? ", stale" : ""}`,
    reason,
    timeline: facts?.timeline ?? null,
    lsn: facts === null ? null : lsnText(facts.lsn),
  };
  if (stale) {
    return { level: "error", message: "a node says that it is the primary, and is not served", fields };
  }
  switch (health) {
    case "foreign":
      return { level: "error", message: "a node belongs to another cluster, and is not served", fields };
    case "unknown":
      return {
        level: isOnly ? "warning" : "error",
        message: "a node does not answer the monitor: check clusters.*.superuser",
        fields,
      };
    case "up":
      return {
        level: "info",
        message: `a node is a ${role}, and up`,
        fields,
      };
    default:
      return { level: "warning", message: `a node is ${health}`, fields };
  }
}

/** What {@link clusterReport} compares. */
export interface ClusterChange {
  readonly before: TopologyCluster;
  readonly now: TopologyCluster;
  readonly reignBefore: Reign;
  readonly reign: Reign;
  readonly wasHeldFor: Judgement["hold"];
  readonly hold: Judgement["hold"];
  /** An arbiter says which node is the primary: what the nodes claim beside it is for its lines. */
  readonly isArbitrated: boolean;
}

/** What changed of a cluster as a whole: its primary, and whether its clients wait. */
export function clusterReport(change: ClusterChange): ChangeReport[] {
  const { before, now, reignBefore, reign, wasHeldFor, hold, isArbitrated } = change;
  const fields = { cluster: now.name, epoch: now.epoch };
  if (now.nodes.length === 1) return [];
  const reports: ChangeReport[] = [];
  if (reignBefore.system !== null && reign.system !== reignBefore.system) {
    reports.push({
      level: "warning",
      message: "no node has the cluster's system identifier any more: another one is taken for it",
      fields: { ...fields, system: reign.system, was: reignBefore.system },
    });
  }
  if (hold !== null) {
    const isForArbiter = isArbitrated && hold.kind === "stale";
    if (hold.kind !== "asking" && hold.kind !== wasHeldFor?.kind && !isForArbiter) {
      const { level, message } = HOLDS[hold.kind];
      reports.push({ level, message, fields: { ...fields, reason: hold.reason } });
    }
    return reports;
  }
  const primary = primaryOf(now);
  if (primary === null || isArbitrated) return reports;
  const served = { ...fields, node: primary.name, timeline: primary.facts?.timeline ?? null };
  const moved = now.epoch > before.epoch && reignBefore.primary !== null;
  if (moved) {
    const from = reignBefore.primary?.name;
    reports.push({ level: "info", message: "the primary has moved", fields: { ...served, from } });
  } else if (before.phase === "holding") {
    reports.push({ level: "info", message: "the primary is served", fields: served });
  }
  return reports;
}

/** What the log says of a cluster whose clients wait. */
const HOLDS = {
  denied: {
    level: "error",
    message: "no node of a cluster answers the monitor, so nobody is served: check clusters.*.superuser",
  },
  stale: {
    level: "error",
    message:
      "a cluster's only primary is an old one: promote a standby, or restart pgplex to serve it all the same",
  },
  foreign: { level: "error", message: "a cluster has only nodes of other clusters: check clusters.*.nodes" },
  standbys: {
    level: "warning",
    message: "a cluster has no primary: its clients wait until a standby is promoted",
  },
  starting: { level: "warning", message: "a cluster's primary starts or stops: its clients wait" },
  down: { level: "warning", message: "a cluster's primary cannot be reached: its clients wait" },
} as const;
