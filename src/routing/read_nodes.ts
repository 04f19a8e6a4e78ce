import type { BalanceConfig } from "../config/mod.ts";
import { primaryOf, type TopologyCluster, type TopologyNode } from "../topology/mod.ts";

/** What a read asks of a standby besides what {@link readersOf} knows; times in clock milliseconds. */
export interface ReadFacts {
  readonly nowMs: number;
  /** No earlier than when the server answered the session's last write; -Infinity: it never wrote. */
  readonly lastWriteMs: number;
}

/**
 * The standbys of a cluster that may serve reads for as long as the snapshot is the same: up, on the primary's timeline, within
 * `max_standby_lag_bytes`, not taken out by `reads: false`. How fresh they are depends on the time and on who asks:
 * {@link isFresh}.
 */
export function readersOf(cluster: TopologyCluster, balance: BalanceConfig): readonly TopologyNode[] {
  const primary = primaryOf(cluster);
  return cluster.nodes.filter((node) => mayRead(node, primary, balance));
}

function mayRead(node: TopologyNode, primary: TopologyNode | null, balance: BalanceConfig): boolean {
  const { role, health, stale, facts, reads } = node;
  if (role !== "standby" || health !== "up" || stale || !reads || facts === null) return false;
  const { max_standby_lag_bytes: bytesMax } = balance;
  if (bytesMax > 0 && (facts.lagBytes === null || facts.lagBytes > bytesMax)) return false;
  const known = primary?.facts?.timeline ?? null;
  if (known !== null && facts.timeline !== null) return known === facts.timeline;
  // A standby that receives nothing says no timeline. Unless it is known what it has, it may be one that has left the primary's
  // history behind, and goes on serving what the others never had; while the primary does not answer there is nobody else.
  return facts.streaming || facts.freshMs > -Infinity || primary === null || primary.health !== "up";
}

/**
 * Whether a standby shows what was committed long enough ago for `max_standby_lag`, and all that the session wrote. What was
 * committed before `freshMs` can be seen there; the time of a write is that of a clock which may have stood still since before the
 * server's answer, so it must be earlier, not the same.
 */
export function isFresh(
  { facts }: TopologyNode,
  { max_standby_lag: lagMaxMs, read_consistency: consistency }: BalanceConfig,
  { nowMs, lastWriteMs }: ReadFacts,
): boolean {
  const freshMs = facts?.freshMs ?? -Infinity;
  if (lagMaxMs > 0 && freshMs < nowMs - lagMaxMs) return false;
  return consistency === "eventual" || lastWriteMs === -Infinity || freshMs > lastWriteMs;
}
