import type { ClusterRecord, Said, Verb } from "../../src/arbiter/mod.ts";
import type { Agenda } from "./agenda.ts";
import type { Acknowledged, Permit } from "./clients.ts";
import type { ModelNode } from "./model_node.ts";
import { PGPLEX, type Servers, Violation } from "./servers.ts";
import type { ModelStore } from "./store.ts";

/** What was undisturbed for so long is known to pgplex as it is. */
const STABLE_MS = 6_000;

/** What pgplex has seen of a primary. */
interface Sampled {
  readonly node: ModelNode;
  readonly timeline: number;
  readonly lsn: number;
}

/** What must hold in each run, by what the model knows and pgplex may not. */
export class Invariants {
  /** Somebody promoted a node past pgplex, or forced it: acknowledged writes may be lost by that. */
  mayLose = false;
  /** Whether the pgplex of this life was touched by a fault, and when last. */
  disturbedMs = -1e9;
  readonly #agenda: Agenda;
  readonly #servers: Servers;
  readonly #store: ModelStore;
  #life = 0;
  #epochMax = 0;
  /** The highest epoch in which something was done that only a held cluster bears. */
  #changedEpoch = 0;
  #sampled: Sampled | null = null;
  /** {@link #sampled} when the candidate was chosen. */
  #known: Sampled | null = null;
  #lastFailoverMs = -1e9;
  /** When the last record was stored. */
  #recordMs = 0;
  /** When the last promotion was announced: who is back behind that is too late. */
  #promoteMs = 0;
  /** Acknowledged writes that are lost and were announced. */
  #forgiven = 0;
  readonly #gone = new Set<Acknowledged>();

  constructor({ agenda, servers, store }: {
    readonly agenda: Agenda;
    readonly servers: Servers;
    readonly store: ModelStore;
  }) {
    this.#agenda = agenda;
    this.#servers = servers;
    this.#store = store;
  }

  begins(life: number): void {
    this.#life = life;
    this.#sampled = null;
    this.#known = null;
    this.disturbedMs = this.#agenda.nowMs;
  }

  /** The record is lost with its disk. */
  forgets(): void {
    this.#lastFailoverMs = -1e9;
    this.#epochMax = 0;
    this.#changedEpoch = 0;
  }

  sampled(node: ModelNode, { recovering, timeline, lsn }: Said): void {
    if (recovering || node.name !== this.#store.record?.primary) return;
    this.#sampled = { node, timeline: timeline!, lsn: Number(lsn) };
  }

  /** Something goes to a node on behalf of a client. */
  sends({ node, epoch }: Permit): void {
    const { record } = this.#store;
    if (record === null) return;
    this.#check(
      record.primary === node.name,
      "permit",
      `${node.name} is served, the record says ${record.primary}`,
    );
    this.#check(
      epoch <= record.epoch,
      "permit",
      `epoch ${epoch} is served, the record is at ${record.epoch}`,
    );
    const isChanged = record.phase === "moving" && this.#changedEpoch >= record.epoch;
    this.#check(!isChanged, "permit", `${node.name} is served while the primary is being moved`);
  }

  /** Clients are let to a node. */
  serves(
    node: ModelNode,
    { epoch, timeline }: { epoch: number; timeline: number },
    acknowledged: readonly Acknowledged[],
  ): void {
    const { record } = this.#store;
    this.#check(
      record?.phase === "serving" && record.primary === node.name && record.epoch === epoch,
      "release",
      `${node.name} is served without a record that says so`,
    );
    if (node.isStandby || node.timeline !== timeline) return;
    let lost = 0;
    for (const one of acknowledged) {
      if (node.log[one.at] === one.entry || this.#gone.has(one)) continue;
      this.#gone.add(one);
      lost++;
    }
    if (lost === 0 || this.mayLose) return;
    const past = record!.history.at(-1);
    const isPlanned = past?.kind === "switchover" && past.outcome === "done" &&
      !past.steps.some(({ step }) => step === "recruit");
    this.#check(
      this.#servers.plan.synchronous === null,
      "lost",
      `${lost} acknowledged writes are not on ${node.name}, with synchronous replication`,
    );
    this.#check(!isPlanned, "lost", `${lost} acknowledged writes are lost by a switchover`);
    this.#forgiven += lost;
  }

  /** Running transactions lose their connections. */
  cuts(running: number): void {
    const { record } = this.#store;
    const move = record?.move;
    if (move?.kind !== "switchover" || move.isForced || running === 0) return;
    const isPlanned = move.step === "demote" || move.step === "fence" || move.step === "promote";
    this.#check(!isPlanned, "cut", `a switchover cuts ${running} transactions`);
  }

  /** A record was stored. */
  stored(before: ClusterRecord | null, record: ClusterRecord): void {
    const { epoch, move } = record;
    this.#check(epoch >= this.#epochMax, "epoch", `${epoch} behind ${this.#epochMax}`);
    this.#epochMax = Math.max(this.#epochMax, epoch);
    this.#recordMs = this.#agenda.nowMs;
    if (before !== null) {
      const isMoved = before.phase === "serving" && record.phase === "moving";
      this.#check(!isMoved || epoch > before.epoch, "epoch", "a move begins without a new epoch");
      this.#check(
        before.primary === record.primary || before.phase === "moving",
        "epoch",
        "another primary without a move",
      );
    }
    const past = record.history.at(-1);
    if (past !== undefined && before !== null && before.history.at(-1)?.endedAtMs !== past.endedAtMs) {
      this.#check(past.evidence.length > 0 && past.steps.length > 0, "history", "a move without evidence");
      if (past.isForced && past.kind === "failover") this.mayLose = true;
      if (past.kind === "failover" && past.by === "pgplex" && past.outcome === "done") {
        this.#lastFailoverMs = this.#agenda.nowMs;
      }
      if (past.kind === "switchover" && past.outcome === "done") {
        this.#isPrefix(past.from, record.primary, past);
      }
    }
    if (move?.isForced && move.kind === "failover") this.mayLose = true;
    if (move !== null && before?.move === null && move.kind === "failover" && move.by === "pgplex") {
      this.#failoverBegins(record);
    }
    if (move?.step === "promote" && before?.move?.step !== "promote") {
      this.#promoteMs = this.#agenda.nowMs;
      this.#known = this.#sampled;
    }
    if (move?.step === "promote" && before?.move?.step === "recruit") this.#chosen(move.candidate!);
  }

  /** The old primary of a planned move is a part of the new one's history: it follows by itself. */
  #isPrefix(
    from: string,
    to: string,
    { steps }: { readonly steps: readonly { readonly step: string }[] },
  ): void {
    if (!steps.some(({ step }) => step === "demote") || steps.some(({ step }) => step === "recruit")) return;
    const [old, next] = [from, to].map((name) => this.#servers.nodes.find((node) => node.name === name)!);
    if (!old!.isStandby) return;
    const isPart = old!.log.every((entry, at) => next!.log[at] === entry);
    this.#check(isPart, "diverged", `${from} has diverged by a switchover`);
  }

  #failoverBegins({ primary }: ClusterRecord): void {
    const { nowMs } = this.#agenda;
    const node = this.#servers.nodes.find(({ name }) => name === primary)!;
    const isQuiet = this.#isStable(node) && !this.#servers.isSlow(PGPLEX, node.id);
    const isWell = node.process === "running" && nowMs >= node.startingUntilMs && !node.isStandby;
    this.#check(!(isQuiet && isWell && this.#isOpen(node)), "premature", `${primary} is well, and given up`);
    const isStarting = node.process === "running" && nowMs < node.startingUntilMs;
    const startingMs = nowMs - node.startingSinceMs;
    this.#check(
      !(isStarting && startingMs < 29_000 && this.#isOpen(node) && this.#isStable(node, 2_500)),
      "premature",
      `${primary} starts for ${startingMs} ms, and is given up`,
    );
    // Who does not refuse is only silent: that may be a moment.
    const silentMs = node.backMs === null ? nowMs - node.lostMs : 0;
    const isSilent = node.process !== "dead" && nowMs >= node.startingUntilMs &&
      !this.#servers.isSlow(PGPLEX, node.id) && (node.process === "stopped" || !this.#isOpen(node));
    this.#check(
      !isSilent || node.isStandby || silentMs >= 2_600,
      "premature",
      `${primary} is given up, silent for ${silentMs} ms`,
    );
    // A bad link may have hidden it for long.
    const isBlurred = this.#servers.isSlow(PGPLEX, node.id) ||
      nowMs - this.#servers.brokenMs(PGPLEX, node.id) < STABLE_MS;
    this.#check(
      node.process !== "dead" || silentMs >= 250 || isBlurred,
      "premature",
      `${primary} is given up at once`,
    );
    const gapMs = nowMs - this.#lastFailoverMs;
    this.#check(gapMs >= 5_000 - 100, "flapping", `a failover ${gapMs} ms behind another one`);
    if (!isWell || nowMs - node.disturbedMs < STABLE_MS) return;
    for (const standby of this.#servers.nodes) {
      const isAsked = standby !== node && standby.isStandby && this.#isStable(standby) &&
        this.#isOpen(standby) &&
        standby.isServing(nowMs) && !standby.isDenied && standby.options.system === "111";
      const isHeard = this.#servers.isOpen(standby.id, node.id) &&
        nowMs - this.#servers.brokenMs(standby.id, node.id) > STABLE_MS;
      const canTell = standby.receiver?.from === node &&
        (standby.options.canRunPrograms || standby.options.idleAgeMs < 3_000);
      this.#check(
        !(isAsked && isHeard && canTell),
        "premature",
        `${primary} is given up, and ${standby.name} hears from it`,
      );
    }
  }

  /** Nobody that pgplex could see has more than the one that is chosen. */
  #chosen(candidate: string): void {
    const best = this.#servers.nodes.find(({ name }) => name === candidate)!;
    const move = this.#store.record!.move!;
    if (move.target !== null || move.isForced) return;
    for (const node of this.#servers.nodes) {
      const isThere = node !== best && node.isStandby && node.options.promote && node.applyDelayMs === 0 &&
        !node.isPaused &&
        node.options.system === "111" && node.timeline === best.timeline && this.#isStable(node) &&
        this.#isOpen(node) &&
        node.isServing(this.#agenda.nowMs) && !node.isDenied;
      this.#check(!isThere || node.lsn <= best.lsn, "choice", `${node.name} has more than ${candidate}`);
    }
  }

  #isStable(node: ModelNode, forMs = STABLE_MS): boolean {
    const { nowMs } = this.#agenda;
    const lastMs = Math.max(node.disturbedMs, this.#servers.brokenMs(PGPLEX, node.id), this.disturbedMs);
    return nowMs - lastMs > forMs;
  }

  #isOpen(node: ModelNode): boolean {
    return this.#servers.isOpen(PGPLEX, node.id);
  }

  /** A verb takes effect at a node. */
  executes(node: ModelNode, verb: Verb, { life, isLate, askedMs }: {
    readonly life: number;
    readonly isLate: boolean;
    readonly askedMs: number;
  }): void {
    const { record } = this.#store;
    const move = record?.move ?? null;
    const { name } = node;
    // What was asked for under an earlier record may still be on its way.
    const isOld = isLate || life !== this.#life || askedMs < this.#recordMs;
    switch (verb.kind) {
      case "promote":
        return this.#promotes(node, life);
      case "freeze":
        if (isOld) return;
        this.#check(move?.step === "recruit", "announced", `${name} is frozen, which no record announces`);
        return this.#changes(record!);
      case "demote":
        if (isOld) return;
        this.#check(
          move?.step === "demote" && move.from === name,
          "announced",
          `${name} is demoted, which no record announces`,
        );
        return this.#changes(record!);
      case "fence":
        if (isOld || (move?.step === "fence" && move.from === name)) return;
        this.#check(record!.primary !== name, "fence", `${name} is the primary, and fenced`);
        return;
      case "repoint": {
        if (isOld) return;
        const upstream = this.#servers.nodes.find((one) => one.name === verb.upstream.name)!;
        const isBeyond = node.isStandby && this.#isStable(node) && this.#isStable(upstream) &&
          !upstream.isStandby &&
          node.timeline !== upstream.timeline && !node.fits(upstream);
        this.#check(!isBeyond, "repoint", `${name} is beyond the fork of ${verb.upstream.name}`);
        return this.#check(node.options.system === "111", "foreign", `${name} belongs to another cluster`);
      }
      case "rejoin": {
        this.#check(record?.primary !== name, "rejoin", `${name} is the primary`);
        if (isOld) return;
        const isAnnounced = record?.rejoins.some((one) => one.node === name && one.state === "running");
        this.#check(isAnnounced, "announced", `${name} is rejoined, which no record announces`);
        const upstream = this.#servers.nodes.find((one) => one.name === verb.upstream.name)!;
        const needsRewind = verb.mode === "standby" && !node.fits(upstream);
        return this.#check(!needsRewind, "rejoin", `${name} has diverged, and is not rewound`);
      }
      default:
        return;
    }
  }

  #changes({ epoch, phase }: ClusterRecord): void {
    if (phase === "moving") this.#changedEpoch = Math.max(this.#changedEpoch, epoch);
  }

  #promotes(node: ModelNode, life: number): void {
    const { record } = this.#store;
    const move = record?.move ?? null;
    const { name } = node;
    const { nowMs } = this.#agenda;
    if (!node.isStandby || node.promotePending) return;
    this.#check(
      move?.step === "promote" && move.candidate === name,
      "announced",
      `${name} is promoted, which no record announces`,
    );
    this.#changes(record!);
    this.#check(node.options.system === "111", "foreign", `${name} belongs to another cluster`);
    this.#check(node.life === life, "takeover", `${name} is promoted by a life that did not take it over`);
    this.#check(
      node.options.promote && node.applyDelayMs === 0,
      "eligible",
      `${name} is promoted, and must not be`,
    );
    this.#check(
      node.timeline >= move!.fromTimeline,
      "timeline",
      `${name} is promoted from timeline ${node.timeline}, the primary's was ${move!.fromTimeline}`,
    );
    for (const other of this.#servers.nodes) {
      if (other === node || other.process === "dead") continue;
      const isForced = move!.isForced;
      this.#check(
        !other.promotePending || isForced || other.isPromotedByHand,
        "pending",
        `${name} is promoted while ${other.name} may be`,
      );
      const isPrimary = !other.isStandby && !other.isFenced && other.isServing(nowMs) && !other.isDenied &&
        other.options.system === "111" && other.timeline >= move!.fromTimeline;
      const isSeen = this.#promoteMs - other.promotedMs > 3_000 && this.#isOpen(other) &&
        !this.#servers.isSlow(PGPLEX, other.id) &&
        this.#isStable(other, 3_000) && !isForced &&
        this.#promoteMs - other.startingUntilMs > 3_000 &&
        this.#promoteMs - other.disturbedMs > 3_000;
      this.#check(
        !(isPrimary && isSeen),
        "beside",
        `${name} is promoted, and ${other.name} is a primary that answers`,
      );
    }
    const limit = this.#servers.plan.maxLagBytes;
    const sampled = this.#known;
    const isAuto = move!.kind === "failover" && !move!.isForced && this.#servers.plan.synchronous === null;
    if (
      !isAuto || sampled === null || sampled.node.name !== move!.from ||
      sampled.timeline !== move!.fromTimeline
    ) return;
    const old = sampled.node;
    if (old.isStandby && old.isServing(nowMs)) return;
    this.#check(
      sampled.lsn - node.lsn <= limit,
      "lag",
      `${name} is ${sampled.lsn - node.lsn} bytes behind what was seen`,
    );
  }

  #check(holds: boolean | undefined, rule: string, detail: string): void {
    if (holds !== true) throw new Violation(rule, detail);
  }
}
