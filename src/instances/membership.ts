import type { Glance } from "./glance.ts";
import type { Answer, Change, Committed, Condition, Entry, Listing } from "./key_store.ts";
import { LeadEntry } from "./lead_entry.ts";
import { type Line, Lines } from "./lines.ts";
import type { AnswerTimes } from "./newest_answer.ts";
import { Roll } from "./roll.ts";
import { INSTANCE_RULES, type InstanceRules } from "./rules.ts";
import { Sight } from "./sight.ts";
import {
  clusterKey,
  instanceKey,
  instanceOf,
  INSTANCES,
  type InstanceValue,
  LEADER,
  leaderOf,
  NO_LEADER,
  recordIn,
  recordKey,
} from "./values.ts";

/** What an instance says of itself that does not change while it runs. */
export interface Self extends Omit<InstanceValue, "counter" | "isGone" | "clusters" | "ttlMs"> {
  readonly id: number;
}

/** A call to the store that is wanted, one at a time; its answer comes back as `listed` or `committed`. */
export type MembershipCall =
  | { readonly kind: "list"; readonly prefix: string }
  | {
    readonly kind: "commit";
    readonly conditions: readonly Condition[];
    readonly changes: readonly Change[];
    readonly keys: readonly string[];
    readonly prefix?: string;
  };

/** How many renewals fit into a lease. */
const RENEWALS = 5;

/** Behind a call that failed the next one waits so long, in milliseconds. */
const RETRY_MS = 200;

const YIELDS = "this instance leaves the lead to the others: they see nodes that it does not";

/** An entry that has stood still for so many leases is removed by who leads. */
const FORGET_LEASES = 60;

/**
 * Where it is in a round: it looks who is there, renews, takes the lead if nobody has it, or gives it up, removes whoever is gone for
 * long.
 */
type Stage = "look" | "renew" | "campaign" | "forget";

/** A call that is on its way. */
interface Pending {
  readonly stage: Stage | "leave";
  readonly sentMs: number;
  /** Whose records it reads, where it reads any. */
  readonly clusters: readonly string[];
}

/**
 * Keeps an instance among the others: shows itself by a counter that rises, and takes the lead where nobody has it. Calls to the
 * store go out, their answers come in; one call is on its way at a time.
 *
 * A permit is a time on this instance's clock. Each renewal that succeeds puts it a lease, less a margin, behind the moment at which it
 * was sent; a renewal reads the records in the same commit, so that one that began before a move was announced ends within a lease
 * of that, and one that comes later knows of the move. The margin is for clocks whose rates differ by 5 %.
 *
 * The store's own leases are not used: they may vanish early, and live longer than they say. What a counter shows is by the waiter's
 * clock.
 */
export class Membership {
  readonly self: Self;
  readonly roll: Roll;
  readonly sight: Sight;
  readonly ttlMs: number;
  /** Until when transactions may begin on a primary, in clock milliseconds. */
  permitUntilMs = -Infinity;
  /** Whose records are read with each renewal: those in whose moves this instance takes part. */
  clusters: readonly string[] = [];
  /** What it says to the others that it serves: {@link clusters}, and those in whose moves it takes no part. */
  #served: readonly string[] = [];
  /** Those of {@link clusters} that its entry says it serves, whatever becomes of the renewal that is on its way. */
  #announced: ReadonlySet<string> = new Set();
  /** One is to be announced: the next round begins at once. */
  #isUrgent = false;
  readonly #rules: InstanceRules;
  readonly #lines = new Lines();
  #glance: Glance | null = null;
  #stage: Stage = "look";
  #pending: Pending | null = null;
  /** When the present round began, and when {@link next} has something to call. */
  #roundMs: number;
  #dueMs: number;
  /** The entry under its id, as the last look has shown it. */
  #found: Entry | null = null;
  /** The revision of its own entry; null while it has none. */
  #revision: number | null = null;
  #counter = 0;
  /** The last renewal has shown all entries, so the next round needs no look. */
  #hasLooked = false;
  /** When the renewal with the present counter was sent. */
  #renewedMs = -Infinity;
  readonly #lead = new LeadEntry();
  /** Since when it has had a permit without a gap, in which others could have taken the lead. */
  #permitSinceMs = -Infinity;
  /** Whether all records were written by a pgplex that this one understands. */
  #understands = true;
  /** Its entry was removed since it took the lead: others who saw that may take it, unless it says again that it has it. */
  #reclaims = false;
  /** It leads in the store alone: the call that gives that up is made, or its answer was lost. */
  #yields = false;
  #leaves = false;

  constructor(self: Self, { ttlMs, nowMs, rules = INSTANCE_RULES }: {
    readonly ttlMs: number;
    readonly nowMs: number;
    /** For tests: what is left out. */
    readonly rules?: InstanceRules;
  }) {
    this.self = self;
    this.ttlMs = ttlMs;
    this.#rules = rules;
    this.roll = new Roll(ttlMs, rules);
    this.sight = new Sight(ttlMs);
    this.#roundMs = this.#dueMs = nowMs;
  }

  /** How much before the end of a lease its holder lets go, in milliseconds. */
  get marginMs(): number {
    return this.#rules.marginMs(this.ttlMs);
  }

  /** When {@link next} is to be asked again, in clock milliseconds; Infinity while an answer is awaited. */
  get dueMs(): number {
    if (this.#pending !== null || this.hasLeft) return Infinity;
    return this.#leaves || this.#isUrgent ? -Infinity : this.#dueMs;
  }

  /** Other clusters are served from now on: `clusters` those in whose moves it takes part, `others` all the others. */
  serve(clusters: readonly string[], others: Iterable<string>): void {
    this.clusters = clusters;
    this.#served = [...new Set([...clusters, ...others])].sort();
    this.#isUrgent = clusters.some((cluster) => !this.#announced.has(cluster));
  }

  /** What is known of the others may be wrong: the next round begins at once. */
  lookNow(): void {
    this.#isUrgent = true;
  }

  /** Until when transactions may begin in a cluster, in clock milliseconds. */
  permitFor(cluster: string): number {
    const isAnnounced = this.#announced.has(cluster) || !this.#rules.announcesFirst();
    return isAnnounced ? this.permitUntilMs : -Infinity;
  }

  /** The clusters that a permit is for. */
  get announced(): ReadonlySet<string> {
    return this.#announced;
  }

  /** Whether another one may have a permit of which nothing is in the store any more: it was empty when this instance came, or one has the place of another. */
  get mayMissOne(): boolean {
    return !this.roll.hasLooked(this.#lead.emptyMs) || this.roll.hasReplaced;
  }

  /** Whether it is among the others. */
  get isMember(): boolean {
    return this.#revision !== null;
  }

  /** Who leads, as far as is known; null: nobody. */
  get leaderId(): number | null {
    return leaderOf(this.#lead.entry)?.id ?? null;
  }

  /** What each write of who leads is compared with; null while this instance does not lead. */
  leading(nowMs: number): Condition | null {
    const leader = this.#lead.entry;
    return leader !== null && this.#hasLead && !this.#yields && nowMs < this.permitUntilMs
      ? { key: LEADER, modRevision: leader.modRevision }
      : null;
  }

  /** The records as an answer has shown them since the last call; null: none has. */
  takeGlance(): Glance | null {
    const glance = this.#glance;
    this.#glance = null;
    return glance;
  }

  /** Lines for the log since the last call. */
  takeLines(): readonly Line[] {
    return this.#lines.take();
  }

  /** A write of its own has shown who leads. */
  sawLeader(entry: Entry | null, times: AnswerTimes): void {
    this.#lead.saw(entry, times);
  }

  /** The next call to the store; null while there is none to make. */
  next(nowMs: number): MembershipCall | null {
    if (this.#pending !== null) return null;
    if (this.#leaves) {
      const call = this.#lastCall();
      return call === null ? null : this.#send(call, nowMs, "leave");
    }
    if (nowMs < this.dueMs) return null;
    if (this.#stage === "look") {
      this.#roundMs = nowMs;
      this.#isUrgent = false;
      if (!this.#hasLooked) return this.#send({ kind: "list", prefix: INSTANCES }, nowMs);
      this.#stage = "renew";
    }
    if (this.#stage === "renew") return this.#send(this.#renewal(nowMs), nowMs);
    const campaign = this.#stage === "campaign" ? this.#campaign(nowMs) : null;
    if (campaign !== null) return this.#send(campaign, nowMs);
    this.#stage = "forget";
    const forget = this.#forget(nowMs);
    if (forget !== null) return this.#send(forget, nowMs);
    this.#rest();
    return this.next(nowMs);
  }

  /** It lets go of all that it has: {@link next} has the last call, {@link hasLeft} says when nothing is left to do. */
  leave(): void {
    this.#leaves = true;
    this.permitUntilMs = -Infinity;
  }

  get hasLeft(): boolean {
    return this.#leaves && this.#pending === null && this.#revision === null;
  }

  #lastCall(): MembershipCall | null {
    if (this.#revision === null) return null;
    const changes: Change[] = [this.#own({ isGone: true })];
    const conditions: Condition[] = [{ key: instanceKey(this.self.id), modRevision: this.#revision }];
    const leader = this.#lead.entry;
    if (leader !== null && this.#hasLead) {
      conditions.push({ key: LEADER, modRevision: leader.modRevision });
      changes.push({ kind: "put", key: LEADER, value: NO_LEADER });
    }
    return { kind: "commit", conditions, changes, keys: [] };
  }

  /** The answer to a `list`. */
  listed(answer: Answer<Listing>, nowMs: number): void {
    const { sentMs } = this.#pending!;
    this.#pending = null;
    if (answer.kind !== "done") return this.#failed(answer.reason, nowMs);
    const { entries } = answer.value;
    this.#observe(entries, { sentMs, nowMs });
    this.#found = entries.get(instanceKey(this.self.id)) ?? null;
    const member = this.#found === null ? null : instanceOf(this.#found);
    if (member !== null && member.incarnation === this.self.incarnation) return this.#foundItself(member);
    if (this.#revision !== null) {
      this.#revision = null;
      this.permitUntilMs = -Infinity;
      this.#reclaims = true;
      this.#lines.say("error", "member", "the entry of this instance was taken or removed");
    }
    this.#stage = "renew";
    // Also one whose entry somebody has removed by hand may have a permit for a lease.
    const holder = member ?? this.roll.members().find(({ id }) => id === this.self.id);
    if (holder === undefined || holder.incarnation === this.self.incarnation) return;
    if (!this.roll.isHolder(holder.id)) return;
    const { id, name, address } = holder;
    // It may be this instance before its restart: then it stands still, and the place is free behind the time of a lease.
    const who = address === null ? name : `${name}, ${address}`;
    this.#lines.say(
      "warning",
      "member",
      `instance ${id} is there already (${who}): waiting until it is gone`,
    );
    this.#rest();
  }

  /**
   * Also a renewal whose answer was lost has succeeded when it is found. But it is worth nothing: it may have come to the store late, when
   * this instance was given up already, and what it has read of the records is lost.
   */
  #foundItself({ counter }: InstanceValue): void {
    this.#revision = this.#found!.modRevision;
    if (this.#rules.countsUnread() && counter === this.#counter) this.#extend(this.#renewedMs);
    this.#stage = "renew";
  }

  /** The answer to a `commit`. */
  committed(answer: Answer<Committed>, nowMs: number): void {
    const { stage, sentMs, clusters } = this.#pending!;
    this.#pending = null;
    if (stage === "leave") {
      // Where that fails the others wait until its entry has stood still.
      this.#revision = null;
      return;
    }
    if (answer.kind !== "done") return this.#failed(answer.reason, nowMs);
    const { isWritten, revision, listed } = answer.value;
    this.#lines.unsay("store");
    if (stage === "forget") return this.#rest();
    if (stage === "renew") {
      // What the last renewal has shown is not so any more.
      if (!isWritten) return this.#lookAgain(this.#hasLooked ? nowMs : nowMs + RETRY_MS);
      if (this.#revision === null) this.#lines.say("info", "member", "this instance is among the others");
      this.#revision = revision;
      this.#announced = new Set(clusters);
      this.#extend(this.#rules.renewedMs(sentMs, nowMs));
      this.#hasLooked = listed !== undefined;
      if (listed !== undefined) this.#observe(listed, { sentMs, nowMs });
    }
    this.#showed(clusters, answer.value, { sentMs, nowMs });
    if (stage === "campaign" && isWritten) {
      this.#reclaims = false;
      this.#lines.say("info", "leader", this.#hasLead ? "this instance leads" : YIELDS);
    }
    if (!this.#hasLead) this.#yields = false;
    if (this.leading(nowMs) === null) this.#lines.unsay("leader");
    this.#stage = stage === "renew" ? "campaign" : "forget";
  }

  #observe(entries: ReadonlyMap<string, Entry>, times: Omit<AnswerTimes, "revision">): void {
    this.roll.observe(entries.values(), times);
    for (const { id, ttlMs } of this.roll.holders()) {
      if (id === this.self.id || ttlMs === undefined || ttlMs === this.ttlMs) continue;
      const text =
        `instance ${id} has a lease_ttl of ${ttlMs} ms, and this one of ${this.ttlMs} ms: the longer one ` +
        "counts until all have the same";
      this.#lines.say("warning", `lease of ${id}`, text);
    }
  }

  #send(call: MembershipCall, nowMs: number, stage: Stage | "leave" = this.#stage): MembershipCall {
    this.#pending = { stage, sentMs: nowMs, clusters: this.clusters };
    return call;
  }

  /** The round is over. The next one comes earlier than usual where it may show that somebody counts no more. */
  #rest(): void {
    const nextMs = this.#roundMs + this.ttlMs / RENEWALS;
    this.#begin(Math.min(nextMs, this.roll.nextEndMs(this.#roundMs)));
  }

  /** Another round, not before this time. */
  #begin(atMs: number): void {
    this.#stage = "look";
    this.#dueMs = atMs;
  }

  #failed(reason: string, nowMs: number): void {
    this.#lines.say("warning", "store", `the store of the instances does not answer: ${reason}`);
    this.#lookAgain(nowMs + RETRY_MS);
  }

  /** What is known of its own entry may be wrong. */
  #lookAgain(atMs: number): void {
    this.#hasLooked = false;
    this.#begin(atMs);
  }

  #extend(sentMs: number): void {
    if (this.#leaves) return;
    if (sentMs >= this.permitUntilMs) this.#permitSinceMs = sentMs;
    this.permitUntilMs = Math.max(this.permitUntilMs, sentMs + this.ttlMs - this.marginMs);
  }

  #renewal(nowMs: number): MembershipCall {
    const key = instanceKey(this.self.id);
    const modRevision = this.#revision ?? this.#found?.modRevision ?? null;
    this.#counter++;
    this.#renewedMs = nowMs;
    // One that is served no more may be served again before the answer to this is there: the others know then that it is not.
    this.#announced = new Set(this.clusters.filter((cluster) => this.#announced.has(cluster)));
    return {
      kind: "commit",
      conditions: [modRevision === null ? { key, createRevision: 0 } : { key, modRevision }],
      changes: [this.#own({ isGone: false }), ...this.#forgotten],
      keys: this.#keys,
      prefix: INSTANCES,
    };
  }

  /** What it has said of a cluster before it served it. */
  get #forgotten(): readonly Change[] {
    const { id } = this.self;
    return this.clusters.filter((cluster) => !this.#announced.has(cluster)).flatMap((cluster) =>
      (["acks", "views"] as const).map((folder) =>
        ({ kind: "remove", key: clusterKey(cluster, folder, id) }) as const
      )
    );
  }

  #own({ isGone }: { readonly isGone: boolean }): Change {
    const { id, ...self } = this.self;
    const { ttlMs } = this;
    const value: InstanceValue = { ...self, ttlMs, clusters: this.#served, counter: this.#counter, isGone };
    return { kind: "put", key: instanceKey(id), value: JSON.stringify(value) };
  }

  /** Nobody leads, or who did has no permit any more; or this instance does, and others see more. */
  #campaign(nowMs: number): MembershipCall | null {
    if (this.#hasLead) return this.#yields || this.sight.yields(nowMs) ? this.#yield(nowMs) : null;
    if (!this.#rules.mayLead(this.#isLed()) || !this.#understands || this.sight.refrains(nowMs)) return null;
    const { id, incarnation } = this.self;
    const free: Condition = this.#lead.entry === null
      ? { key: LEADER, createRevision: 0 }
      : { key: LEADER, modRevision: this.#lead.entry.modRevision };
    return {
      kind: "commit",
      conditions: [
        { key: instanceKey(id), modRevision: this.#revision! },
        free,
        ...this.#still(leaderOf(this.#lead.entry)?.id),
      ],
      changes: [{ kind: "put", key: LEADER, value: JSON.stringify({ id, incarnation }) }],
      keys: this.#keys,
    };
  }

  /** Whether somebody else may lead. */
  #isLed(): boolean {
    const hasLooked = this.roll.hasLooked(this.#lead.sinceMs);
    if (this.#lead.entry === null) {
      // Somebody has removed the entry by hand, of whomever it was. Who leads hears of it with his next renewal, or has no permit any more.
      return !hasLooked && this.roll.holders().some(({ id }) => id !== this.self.id);
    }
    const leader = leaderOf(this.#lead.entry);
    if (leader === null || leader.incarnation === this.self.incarnation) return false;
    const { id, incarnation } = leader;
    // One whose entry was never seen here may have a permit for a lease: that, too, may have been removed.
    return (!this.roll.hasSeen(id, incarnation) && !hasLooked) || this.roll.isHolder(id, incarnation);
  }

  /** Who led has not renewed since it was seen to stand still: else it would have a permit again, and know of nobody else who leads. */
  #still(id: number | undefined): readonly Condition[] {
    if (id === undefined || id === this.self.id || !this.#rules.comparesRenewal()) return [];
    const key = instanceKey(id);
    const entry = this.roll.entryOf(id);
    return [entry === null ? { key, createRevision: 0 } : { key, modRevision: entry.modRevision }];
  }

  #yield(nowMs: number): MembershipCall {
    this.#yields = true;
    this.sight.yielded(nowMs);
    return {
      kind: "commit",
      conditions: [{ key: LEADER, modRevision: this.#lead.entry!.modRevision }],
      changes: [{ kind: "put", key: LEADER, value: NO_LEADER }],
      keys: this.#keys,
    };
  }

  /** Of one that is gone for long nothing is kept. */
  #forget(nowMs: number): MembershipCall | null {
    const leading = this.leading(nowMs);
    if (leading === null) return null;
    const gone = this.roll.members().find(({ id }) =>
      this.roll.ageMs(id, nowMs)! > FORGET_LEASES * this.roll.leaseMs(id)
    );
    if (gone === undefined) return null;
    const key = instanceKey(gone.id);
    const entry = this.roll.entryOf(gone.id)!;
    this.roll.forget(gone.id);
    const folders = this.clusters.flatMap((cluster) => [
      clusterKey(cluster, "acks", gone.id),
      clusterKey(cluster, "views", gone.id),
    ]);
    return {
      kind: "commit",
      conditions: [leading, { key, modRevision: entry.modRevision }],
      changes: [key, ...folders].map((key): Change => ({ kind: "remove", key })),
      keys: [],
    };
  }

  /** Whether the store has this instance as the one that leads, as far as is known. */
  get #hasLead(): boolean {
    return !this.#reclaims && leaderOf(this.#lead.entry)?.incarnation === this.self.incarnation;
  }

  get #keys(): string[] {
    return [LEADER, ...(this.#rules.readsRecords() ? this.clusters.map(recordKey) : [])];
  }

  #showed(
    clusters: readonly string[],
    { entries: [leader = null, ...records], revision }: Committed,
    { sentMs, nowMs }: { readonly sentMs: number; readonly nowMs: number },
  ): void {
    this.#lead.saw(leader, { revision, sentMs, nowMs });
    this.#understands = records.every((entry) => entry === null || "record" in recordIn(entry.value));
    const byCluster = clusters.map((name, at) => [name, records[at] ?? null] as const);
    this.#glance = { revision, records: new Map(byCluster), sentMs, permitSinceMs: this.#permitSinceMs };
  }
}
