import { type Move, UNKNOWN_INSTANCE } from "../../src/arbiter/mod.ts";
import { CLUSTER } from "./model_keys.ts";
import type { ModelNode } from "./model_node.ts";
import { placeOf } from "./servers.ts";
import { type Sight, STABLE_MS, type Verdict } from "./sight.ts";

/** What is stored so long behind its sending is late. */
const LATE_MS = 1_000;

/** When a failover may begin, and whom it may choose. */
export class FailoverRules {
  readonly #sight: Sight;
  readonly #verdict: Verdict;

  constructor(sight: Sight, verdict: Verdict) {
    this.#sight = sight;
    this.#verdict = verdict;
  }

  /** A failover of which nobody has asked begins. `sentMs`: when its record was sent; `gapMs`: so long behind the last one, null where that is not known. */
  begins(
    primary: string,
    writer: number,
    { sentMs, gapMs }: { readonly sentMs: number; readonly gapMs: number | null },
  ): void {
    const { servers, nowMs } = this.#sight;
    const node = servers.nodes.find(({ name }) => name === primary)!;
    const isQuiet = this.#sight.isStable(node, writer) && !this.#sight.isSlow(node, writer);
    // One that was promoted by hand, and took long for it, has just said that it is a standby.
    const isWell = node.process === "running" && nowMs >= node.startingUntilMs && !node.isStandby &&
      nowMs - node.promotedMs > STABLE_MS;
    this.#verdict.check(
      !(isQuiet && isWell && this.#sight.isOpen(node, writer)),
      "premature",
      `${primary} is well, and given up`,
    );
    // A write that comes late was decided by what was so when it was sent.
    if (isWell && nowMs - sentMs < LATE_MS) this.#isOutvoted(node, writer);
    const isStarting = node.process === "running" && nowMs < node.startingUntilMs;
    const startingMs = nowMs - node.startingSinceMs;
    this.#verdict.check(
      // By a clock that goes 5 % faster 30 s are 28.5. One that answers slowly may be silent for long enough.
      !(isStarting && startingMs < 28_400 && this.#sight.isOpen(node, writer) &&
        !this.#sight.isSlow(node, writer) &&
        this.#sight.isStable(node, writer, 2_500)),
      "premature",
      `${primary} starts for ${startingMs} ms, and is given up`,
    );
    // Who does not refuse is only silent: that may be a moment.
    const reach = node.reach[writer]!;
    const silentMs = reach.backMs === null ? nowMs - reach.lostMs : 0;
    const isSilent = node.process !== "dead" && nowMs >= node.startingUntilMs &&
      !this.#sight.isSlow(node, writer) &&
      // What was asked over a slow link may be without an answer for longer than the node is silent.
      nowMs - servers.slowedMs(placeOf(writer), node.id) > STABLE_MS &&
      (node.process === "stopped" || !this.#sight.isOpen(node, writer));
    this.#verdict.check(
      !isSilent || node.isStandby || silentMs >= 2_600,
      "premature",
      `${primary} is given up, silent for ${silentMs} ms`,
    );
    // A bad link may have hidden it for long.
    const isBlurred = this.#sight.isSlow(node, writer) ||
      nowMs - servers.brokenMs(placeOf(writer), node.id) < STABLE_MS;
    this.#verdict.check(
      node.process !== "dead" || silentMs >= 250 || isBlurred,
      "premature",
      `${primary} is given up at once`,
    );
    // By a clock that goes 5 % faster, and that did not hear of the end of the last one at once. Who did not hear of it goes by the record's wall clock.
    this.#verdict.check(
      gapMs === null || gapMs >= 5_000 * 0.95 - 100,
      "flapping",
      `a failover ${gapMs} ms behind another one`,
    );
    if (!isWell || nowMs - node.disturbedMs < STABLE_MS) return;
    for (const standby of servers.nodes) {
      const isAsked = standby !== node && standby.isStandby && this.#sight.isStable(standby, writer) &&
        this.#sight.isOpen(standby, writer) &&
        standby.isServing(nowMs) && !standby.isDenied && standby.options.system === "111";
      const isHeard = servers.isOpen(standby.id, node.id) &&
        nowMs - servers.brokenMs(standby.id, node.id) > STABLE_MS;
      const canTell = standby.receiver?.from === node &&
        (standby.options.canRunPrograms || standby.options.idleAgeMs < 3_000);
      this.#verdict.check(
        !(isAsked && isHeard && canTell),
        "premature",
        `${primary} is given up, and ${standby.name} hears from it`,
      );
    }
  }

  /** Of the instances that may be there half at least find the primary well. */
  #isOutvoted(node: ModelNode, writer: number): void {
    const { instances } = this.#sight;
    const ids = instances[writer]!.coordination?.instancesOf(CLUSTER) ?? [writer + 1];
    const asked = ids.filter((id) => id !== UNKNOWN_INSTANCE);
    const all = asked.length;
    // Who waits for an id that another one has is not asked.
    const finding = instances.filter(({ number, id, isAwake, hasPermit }) =>
      isAwake && hasPermit && asked.includes(id) && this.#sight.isStable(node, number) &&
      this.#sight.isOpen(node, number) &&
      !this.#sight.isSlow(node, number) && this.#sight.isAmongOthers(number)
    );
    this.#verdict.check(
      2 * finding.length < all || all === 1,
      "minority",
      `${node.name} is given up, and ${finding.length} of ${all} instances find it well`,
    );
  }

  /** Nobody that pgplex could see has more than the one that is chosen. */
  chosen(candidate: string, writer: number, move: Move): void {
    const { servers, nowMs } = this.#sight;
    const best = servers.nodes.find(({ name }) => name === candidate)!;
    if (move.target !== null || move.isForced) return;
    for (const node of servers.nodes) {
      const isThere = node !== best && this.#sight.isListed(node, writer) && node.isStandby &&
        node.options.promote &&
        node.applyDelayMs === 0 &&
        // Who cannot write cannot be told to stop receiving either.
        !node.isPaused && !node.isFull &&
        node.options.system === "111" && node.timeline === best.timeline &&
        this.#sight.isStable(node, writer) &&
        this.#sight.isOpen(node, writer) && !this.#sight.isSlow(node, writer) &&
        node.isServing(nowMs) && !node.isDenied;
      this.#verdict.check(
        !isThere || node.lsn <= best.lsn,
        "choice",
        `${node.name} has more than ${candidate}`,
      );
    }
  }
}
