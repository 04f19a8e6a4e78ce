import type { ClusterRecord, Said, Verb } from "../../src/arbiter/mod.ts";
import { isAdoption } from "../../src/arbiter/record.ts";
import type { Agenda } from "./agenda.ts";
import type { Acknowledged, Permit } from "./clients.ts";
import { FailoverRules } from "./failover_rules.ts";
import { CLUSTER } from "./model_keys.ts";
import type { ModelNode } from "./model_node.ts";
import { PromotionRules } from "./promotion_rules.ts";
import type { Servers, Violation } from "./servers.ts";
import { type Observed, type RecordStore, type Sampled, Sight, Verdict } from "./sight.ts";

/** How old the last word of a node that answers may be. */
const LOOK_MS = 1_500;

/** So long behind a change of its names it is in the record by whom a primary commits. */
const NAMES_MS = 4_000;

/** What must hold in each run, by what the model knows and pgplex may not. */
export class Invariants {
  /** Somebody promoted a node past pgplex, or forced it: acknowledged writes may be lost by that. */
  mayLose = false;
  /** A wall clock has jumped. */
  hasJumped = false;
  readonly #agenda: Agenda;
  readonly #servers: Servers;
  readonly #store: RecordStore;
  readonly #instances: readonly Observed[];
  readonly #acknowledged: readonly Acknowledged[];
  readonly #verdict = new Verdict();
  readonly #sight: Sight;
  readonly #failovers: FailoverRules;
  readonly #promotions: PromotionRules;
  readonly #commands = new Map<string, number>();
  #epochMax = 0;
  /** The same before the record was lost last. */
  #epochBefore = 0;
  /** The highest epoch in which something was done that only a held cluster bears. */
  #changedEpoch = 0;
  /** What each instance has seen of the primary. */
  readonly #sampled: (Sampled | null)[];
  /** The same at the moment when it held its clients last: it tells the others then. */
  readonly #told: (Sampled | null)[];
  /** By which epoch it held then: another one's acknowledgement tells nobody. */
  readonly #toldEpoch: number[];
  /** Of each instance and those that had told it, when it sent a record last. */
  readonly #knownAtSending: (readonly Sampled[])[];
  /** When that was. */
  readonly #sentMs: number[];
  /** The same of who has chosen the candidate. */
  #known: readonly Sampled[] = [];
  #lastFailoverMs = -1e9;
  /** Of the last record. */
  #lastStep: string | null = null;
  /** When the last record was stored. */
  #recordMs = 0;
  /** When the record that announced the last promotion was sent: who is back behind that is too late. */
  #promoteMs = 0;
  /** Which instance has announced it: who goes on with its choice cannot take that back. */
  #promoteBy = 0;
  /** Acknowledged writes that are lost and were announced. */
  #forgiven = 0;
  readonly #gone = new Set<Acknowledged>();

  /** `instances` may be filled later. */
  constructor({ servers, store, instances, acknowledged }: {
    readonly servers: Servers;
    readonly store: RecordStore;
    readonly instances: readonly Observed[];
    readonly acknowledged: readonly Acknowledged[];
  }) {
    const { instances: count } = servers.plan;
    this.#agenda = servers.agenda;
    this.#servers = servers;
    this.#store = store;
    this.#instances = instances;
    this.#acknowledged = acknowledged;
    this.#sight = new Sight(servers, instances);
    this.#failovers = new FailoverRules(this.#sight, this.#verdict);
    this.#promotions = new PromotionRules(this.#sight, this.#verdict);
    this.#sampled = Array.from({ length: count }, () => null);
    this.#told = Array.from({ length: count }, () => null);
    this.#toldEpoch = Array.from({ length: count }, () => 0);
    this.#sentMs = Array.from({ length: count }, () => -1e9);
    this.#knownAtSending = Array.from({ length: count }, () => []);
  }

  /** The first one that did not hold; null while all do. */
  get broken(): Violation | null {
    return this.#verdict.broken;
  }

  /** An instance begins, or ends, a life. */
  begins(instance: number): void {
    this.#sampled[instance] = this.#told[instance] = null;
    this.#known = [];
    this.disturbs(instance);
  }

  /** A reload takes the cluster from an instance, and with it what that has seen. */
  drops(instance: number): void {
    this.#sampled[instance] = this.#told[instance] = null;
  }

  /** A fault touches an instance, for so long. */
  disturbs(instance: number, forMs = 0): void {
    this.#sight.disturbs(instance, forMs);
  }

  /** A part of pgplex has caught a defect of its own. */
  crashed(error: string): void {
    this.#check(false, "crash", error);
  }

  /** A command that an operator has asked for once is begun. */
  performs(by: string): void {
    const times = (this.#commands.get(by) ?? 0) + 1;
    this.#commands.set(by, times);
    this.#check(times === 1, "twice", `what ${by} has asked for is done ${times} times`);
  }

  /** The record is lost with its disk. */
  forgets(): void {
    this.#lastFailoverMs = -1e9;
    // A promotion that was asked for comes as if somebody else had promoted the node: nobody knows of it any more.
    if (this.#lastStep === "promote") this.mayLose = true;
    this.#epochBefore = Math.max(this.#epochBefore, this.#epochMax);
    this.#epochMax = 0;
    this.#changedEpoch = 0;
  }

  sampled(
    instance: number,
    node: ModelNode,
    { recovering, timeline, lsn }: Pick<Said, "recovering" | "timeline" | "lsn">,
  ): void {
    if (recovering || node.name !== this.#store.record?.primary || node.replaced !== null) return;
    this.#sampled[instance] = { node, timeline: timeline!, lsn: Number(lsn) };
  }

  /** Clients are held, which is acknowledged. */
  holds(instance: number, epoch: number): void {
    this.#toldEpoch[instance] = epoch;
    this.#told[instance] = this.#sampled[instance]!;
  }

  /** Something goes to a node on behalf of a client. */
  sends(instance: number, permit: Permit): void {
    if (this.#servers.plan.isFailsafe) return;
    const { hasPermit } = this.#instances[instance]!;
    this.#check(hasPermit, "permit", `instance ${instance + 1} sends, and its permit has ended`);
    this.#mayServe(permit);
  }

  /** A commit's answer goes to its client. */
  answers(instance: number, permit: Permit): void {
    if (this.#servers.plan.isFailsafe) return;
    const { clients, hasPermit } = this.#instances[instance]!;
    this.#check(hasPermit, "permit", `instance ${instance + 1} answers, and its permit has ended`);
    const isOther = clients.permit !== null && clients.permit.node !== permit.node;
    this.#check(!isOther, "two primaries", `${permit.node.name} has committed, another node is served`);
    this.#mayServe(permit);
  }

  #mayServe({ node, epoch }: Permit): void {
    const { record } = this.#store;
    // What `failsafe: witness` risks, and documents: an old primary is served that still takes its standbys for its own. No commit of that
    // is acknowledged with synchronous replication.
    if (record === null || this.#servers.plan.isFailsafe) return;
    // One that is adopted serves nobody before each instance holds: until then some serve by the record that was lost.
    const isAdopted = record.move !== null && isAdoption(record.move);
    this.#check(
      record.primary === node.name || isAdopted,
      "two primaries",
      `${node.name} is served, the record says ${record.primary}`,
    );
    this.#check(
      // Whoever lives on behind the loss of a record serves by the old one until it hears of the new one, whose epochs begin anew.
      epoch <= Math.max(record.epoch, this.#epochBefore),
      "permit",
      `epoch ${epoch} is served, the record is at ${record.epoch}`,
    );
    const isChanged = record.phase === "moving" && this.#changedEpoch >= record.epoch;
    this.#check(!isChanged, "two primaries", `${node.name} is served while the primary is being moved`);
    const isOld = this.#changedEpoch > epoch && record.epoch > epoch;
    this.#check(!isOld, "two primaries", `${node.name} is served by epoch ${epoch}, which is over`);
  }

  /** Whether it could not be known yet by whose acknowledgement a node commits. */
  isUnsure(node: ModelNode): boolean {
    const { record } = this.#store;
    const { names } = node;
    if (names === null || record === null) return true;
    const known = [record.synchronous, ...(record.earlier ?? []).map(({ synchronous }) => synchronous)];
    if (known.some((one) => JSON.stringify(one) === JSON.stringify(names))) return false;
    // The monitor looks each second, the record is written behind that: in this time a change is not known of.
    const leader = this.#instances.findIndex(({ number }) => this.#isLeader(number));
    return this.#agenda.nowMs - node.namesMs < NAMES_MS || leader < 0 || !this.#sight.isStable(node, leader);
  }

  /** Clients are let to a node. */
  serves(
    instance: number,
    node: ModelNode,
    { epoch, timeline }: { readonly epoch: number; readonly timeline: number },
  ): void {
    const { record } = this.#store;
    const { isFailsafe, synchronous } = this.#servers.plan;
    // By its own sight alone it serves what the record says no more.
    if (isFailsafe && (record?.primary !== node.name || record.epoch !== epoch)) return;
    // Whoever does not decide may hear of a move later, as may the one that decides and waits for the answer of its write: they are
    // waited for until then.
    const isDecider = this.#instances.length === 1 || this.#isLeader(instance);
    // Whoever serves goes by the record that it knows, also while that is removed.
    const isRemoved = record === null && this.#epochBefore > 0;
    if (isDecider && !this.#instances[instance]!.awaitsRecord && !isRemoved) {
      this.#check(
        record?.phase === "serving" && record.primary === node.name && record.epoch === epoch,
        "release",
        `${node.name} is served without a record that says so`,
      );
    } else if (record !== null) this.#mayServe({ node, epoch, timeline });
    if (node.isStandby || node.timeline !== timeline || record === null || node.replaced !== null) return;
    let lost = 0;
    let sure = 0;
    for (const one of this.#acknowledged) {
      if (node.log[one.at] === one.entry || this.#gone.has(one)) continue;
      this.#gone.add(one);
      lost++;
      if (!one.isUnsure) sure++;
    }
    if (lost === 0 || this.mayLose) return;
    const past = record.history.at(-1);
    const isPlanned = past?.kind === "switchover" && past.outcome === "done" &&
      !past.steps.some(({ step }) => step === "recruit");
    this.#check(
      // What was acknowledged by nobody, or by names that had been changed a moment ago, is replicated asynchronously as far as pgplex can know.
      synchronous === null || sure === 0,
      "lost",
      `${sure} acknowledged writes are not on ${node.name}, with synchronous replication`,
    );
    this.#check(!isPlanned || isFailsafe, "lost", `${lost} acknowledged writes are lost by a switchover`);
    this.#forgiven += lost;
  }

  #isLeader(instance: number): boolean {
    const { leader } = this.#store;
    return leader === undefined || leader === this.#instances[instance]!.incarnation;
  }

  /** Another one takes the lead: this incarnation must know already that it leads no more. */
  leadTaken(from: string): void {
    const holder = this.#instances.find(({ incarnation }) => incarnation === from);
    this.#check(
      !holder?.coordination?.isLeading,
      "leader",
      `the lead of ${from} is taken, which still leads`,
    );
  }

  /** An instance takes itself for the one that leads. */
  leads(instance: number): void {
    const { leader } = this.#store;
    this.#check(
      this.#isLeader(instance) || leader === null,
      "leader",
      `instance ${instance + 1} takes itself for the one that leads, and ${leader} leads`,
    );
  }

  /** An instance sends a record. Whoever finds it in the store cannot know more than what it was decided by. */
  writesSoon(instance: number): void {
    const asked = this.#instances[instance]!.coordination?.instancesOf(CLUSTER) ?? [];
    const epoch = this.#store.record?.epoch;
    const told = this.#told.filter((_, at) =>
      at !== instance && asked.includes(this.#instances[at]!.id) && this.#toldEpoch[at] === epoch
    );
    this.#sentMs[instance] = this.#agenda.nowMs;
    this.#knownAtSending[instance] = [this.#sampled[instance]!, ...told].filter((one) => one !== null);
  }

  /** An instance has written the record. */
  writes(incarnation: string): void {
    const { leader } = this.#store;
    this.#check(leader === incarnation, "leader", `${incarnation} writes the record, and ${leader} leads`);
  }

  /** A verb that changes something is sent to a node. */
  acts(instance: number, node: ModelNode, verb: Verb): void {
    this.#check(
      this.#isLeader(instance) || this.#store.leader === null,
      "leader",
      `instance ${instance + 1} sends ${verb.kind} to ${node.name}, and ${this.#store.leader} leads`,
    );
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
    const writer = Math.max(0, this.#instances.findIndex(({ number }) => this.#isLeader(number)));
    this.#check(epoch >= this.#epochMax, "epoch", `${epoch} behind ${this.#epochMax}`);
    this.#epochMax = Math.max(this.#epochMax, epoch);
    this.#recordMs = this.#agenda.nowMs;
    this.#lastStep = move?.step ?? null;
    // The server that was there may have been the primary: nobody hears it.
    if (before === null && this.#servers.nodes.some(({ replaced }) => replaced !== null)) this.mayLose = true;
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
        this.#lastFailoverMs = this.#sentMs[writer]!;
      }
      if (past.kind === "switchover" && past.outcome === "done") {
        this.#isPrefix(past.from, record.primary, past);
      }
    }
    // FORCE of a switchover accepts no loss, but that of a failover which has taken it over does.
    if (move?.isForced && (move.kind === "failover" || move.step === "recruit")) this.mayLose = true;
    if (move !== null && before?.move === null && move.kind === "failover" && move.by === "pgplex") {
      this.#failovers.begins(record.primary, writer, {
        sentMs: this.#sentMs[writer]!,
        gapMs: this.hasJumped ? null : this.#agenda.nowMs - this.#lastFailoverMs,
      });
    }
    // A record that is put back announces nothing anew.
    const isPutBack = before === null && this.#epochBefore > 0;
    if (move?.step === "promote" && before?.move?.step !== "promote" && !isPutBack) {
      this.#promoteMs = this.#sentMs[writer]!;
      this.#promoteBy = writer;
      this.#known = this.#knownAtSending[writer]!;
    }
    if (move?.step === "promote" && before?.move?.step === "recruit") {
      this.#failovers.chosen(move.candidate!, writer, move);
    }
  }

  /** The old primary of a planned move is a part of the new one's history: it follows by itself. */
  #isPrefix(
    from: string,
    to: string,
    { steps }: { readonly steps: readonly { readonly step: string }[] },
  ): void {
    if (!steps.some(({ step }) => step === "demote") || steps.some(({ step }) => step === "recruit")) return;
    const [old, next] = [from, to].map((name) => this.#servers.nodes.find((node) => node.name === name)!);
    // Somebody may have promoted the old one meanwhile, and made it a standby again.
    if (this.mayLose || !old!.isStandby || old!.replaced !== null || next!.replaced !== null) return;
    const isPart = old!.log.every((entry, at) => next!.log[at] === entry);
    this.#check(isPart, "diverged", `${from} has diverged by a switchover`);
  }

  /** A verb takes effect at a node. */
  executes(node: ModelNode, verb: Verb, by: {
    readonly instance: number;
    readonly life: number;
    readonly isLate: boolean;
    /** Whether its session has claimed the node. */
    readonly isOwned: boolean;
    /** In true time. */
    readonly askedMs: number;
  }): void {
    const { record } = this.#store;
    const move = record?.move ?? null;
    const { name } = node;
    const isRejoined = record?.rejoins.some((one) => one.node === name && one.state === "running");
    // What was asked for under an earlier record may still be on its way.
    const { instance, life, isLate, isOwned, askedMs } = by;
    // Whoever acts goes by the record that he knows, also while it is removed.
    const isOld = record === null || isLate || life !== this.#instances[instance]!.life ||
      askedMs < this.#recordMs ||
      !this.#isLeader(instance);
    switch (verb.kind) {
      case "promote":
        return this.#promotes(node, instance, isOwned);
      case "freeze":
        if (isOld) return;
        this.#check(
          move?.step === "recruit" || isRejoined,
          "announced",
          `${name} is frozen, which no record announces`,
        );
        return this.#changes(record);
      case "demote":
        if (isOld) return;
        this.#check(
          move?.step === "demote" && move.from === name,
          "announced",
          `${name} is demoted, which no record announces`,
        );
        return this.#changes(record);
      case "fence":
        if (isOld || (move?.step === "fence" && move.from === name)) return;
        this.#check(record?.primary !== name, "fence", `${name} is the primary, and fenced`);
        return;
      case "repoint": {
        if (isOld) return;
        const upstream = this.#servers.nodes.find((one) => one.name === verb.upstream.name)!;
        // One that receives from another node, or did until a moment ago, may have got more since it was asked.
        const mayHaveMore = (node.receiver !== null && node.receiver.from !== upstream) ||
          this.#agenda.nowMs - node.receivedMs < LOOK_MS;
        const isBeyond = node.isStandby && !mayHaveMore && this.#sight.isStable(node, instance) &&
          this.#sight.isStable(upstream, instance) &&
          !upstream.isStandby &&
          node.timeline !== upstream.timeline && !node.fits(upstream) && !node.fitsByHistory(upstream);
        this.#check(!isBeyond, "repoint", `${name} is beyond the fork of ${verb.upstream.name}`);
        return this.#check(node.options.system === "111", "foreign", `${name} belongs to another cluster`);
      }
      case "rejoin": {
        this.#check(record?.primary !== name, "rejoin", `${name} is the primary`);
        if (isOld) return;
        this.#check(isRejoined, "announced", `${name} is rejoined, which no record announces`);
        const upstream = this.#servers.nodes.find((one) => one.name === verb.upstream.name)!;
        // Of two timelines with one number, of which somebody has made one by hand, nobody can tell.
        const isTwin = node.timeline === upstream.timeline;
        const needsRewind = verb.mode === "standby" && !node.fits(upstream) && !isTwin;
        return this.#check(!needsRewind, "rejoin", `${name} has diverged, and is not rewound`);
      }
      default:
        return;
    }
  }

  /** Something is done that only a held cluster bears: nobody may send anything to its old primary any more. */
  #changes(record: ClusterRecord | null): void {
    if (record?.phase !== "moving") return;
    const { epoch } = record;
    this.#changedEpoch = Math.max(this.#changedEpoch, epoch);
    for (const { number, hasPermit, clients: { permit, running } } of this.#instances) {
      const maySend = hasPermit && ((permit !== null && permit.epoch < epoch) || running > 0);
      this.#check(!maySend, "early", `instance ${number + 1} may still send to the old primary`);
    }
  }

  #promotes(node: ModelNode, instance: number, isOwned: boolean): void {
    const { record } = this.#store;
    const move = record?.move ?? null;
    const { name } = node;
    if (!node.isStandby || node.promotePending) return;
    this.#check(
      // Whoever acts goes by the record that he knows, also while it is removed.
      (record === null && this.#epochBefore > 0) || (move?.step === "promote" && move.candidate === name),
      "announced",
      `${name} is promoted, which no record announces`,
    );
    if (move === null) return;
    this.#changes(record);
    const [announcedMs, announcedBy] = [this.#promoteMs, this.#promoteBy];
    this.#promotions.promotes(node, move, {
      instance,
      isOwned,
      announcedMs,
      announcedBy,
      known: this.#known,
      disowned: record?.disowned ?? [],
    });
  }

  #check(holds: boolean | undefined, rule: string, detail: string): void {
    this.#verdict.check(holds, rule, detail);
  }
}
