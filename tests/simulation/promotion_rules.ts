import type { Move } from "../../src/arbiter/mod.ts";
import type { ModelNode } from "./model_node.ts";
import { placeOf } from "./servers.ts";
import type { Sampled, Sight, Verdict } from "./sight.ts";

/** Who promotes a node, and by what was known. */
export interface Promotion {
  readonly instance: number;
  /** Whether its session has claimed the node. */
  readonly isOwned: boolean;
  /** When the record that announced it was sent: who is back behind that is too late. */
  readonly announcedMs: number;
  /** Which instance has announced it: who goes on with its choice cannot take that back. */
  readonly announcedBy: number;
  /** What that one had seen of the primary, and those that had told it. */
  readonly known: readonly Sampled[];
  /** Nodes of which the record says that what they have begun does not count. */
  readonly disowned: readonly string[];
}

/** Which node may be promoted, and when. */
export class PromotionRules {
  readonly #sight: Sight;
  readonly #verdict: Verdict;

  constructor(sight: Sight, verdict: Verdict) {
    this.#sight = sight;
    this.#verdict = verdict;
  }

  /** A node is promoted. */
  promotes(node: ModelNode, move: Move, promotion: Promotion): void {
    const { name } = node;
    const { servers, nowMs } = this.#sight;
    const { instance, isOwned, announcedMs, announcedBy, known, disowned } = promotion;
    this.#verdict.check(node.options.system === "111", "foreign", `${name} belongs to another cluster`);
    this.#verdict.check(isOwned, "takeover", `${name} is promoted by a session that has not taken it over`);
    this.#verdict.check(
      node.options.promote && node.applyDelayMs === 0,
      "eligible",
      `${name} is promoted, and must not be`,
    );
    this.#verdict.check(
      node.timeline >= move.fromTimeline,
      "timeline",
      `${name} is promoted from timeline ${node.timeline}, the primary's was ${move.fromTimeline}`,
    );
    for (const other of servers.nodes) {
      if (other === node || other.process === "dead") continue;
      const isForced = move.isForced;
      this.#verdict.check(
        !other.promotePending || isForced || other.isPromotedByHand,
        "pending",
        `${name} is promoted while ${other.name} may be`,
      );
      const isPrimary = !other.isStandby && !other.isFenced && other.isServing(nowMs) &&
        !other.isDenied &&
        other.options.system === "111" && other.timeline >= move.fromTimeline;
      // One that somebody has promoted beside the primary was stale before a switchover, and is so behind it.
      const wasStale = (move.kind === "switchover" && other.isPromotedByHand && other.name !== move.from) ||
        disowned.includes(other.name);
      const isSeen = announcedMs - other.promotedMs > 3_000 && this.#sight.isOpen(other, instance) &&
        announcedMs - servers.brokenMs(placeOf(announcedBy), other.id) > 3_000 &&
        !this.#sight.isSlow(other, announcedBy) &&
        !this.#sight.isSlow(other, instance) && this.#sight.isListed(other, instance) &&
        this.#sight.isStable(other, instance, 3_000) && !isForced &&
        announcedMs - other.startingUntilMs > 3_000 &&
        announcedMs - other.disturbedMs > 3_000;
      this.#verdict.check(
        !(isPrimary && isSeen) || wasStale,
        "beside",
        `${name} is promoted, and ${other.name} is a primary that answers`,
      );
    }
    const limit = servers.plan.maxLagBytes;
    const isAuto = move.kind === "failover" && !move.isForced && servers.plan.synchronous === null;
    if (!isAuto) return;
    for (const { node: old, timeline, lsn } of known) {
      if (old.name !== move.from || timeline !== move.fromTimeline) continue;
      if (old.isStandby && old.isServing(nowMs)) continue;
      this.#verdict.check(
        lsn - node.lsn <= limit,
        "lag",
        `${name} is ${lsn - node.lsn} bytes behind what was seen`,
      );
    }
  }
}
