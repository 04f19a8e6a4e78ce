import {
  type Acknowledgement,
  type ClusterRecord,
  type Command,
  type CommandAnswer,
  type Coordination,
  type CoordinationListener,
  type InstanceInfo,
  type InstanceView,
  recordText,
  type StoredRecord,
  type SwapResult,
  UNKNOWN_INSTANCE,
} from "../arbiter/mod.ts";
import type { Clock, Timer } from "../kernel/mod.ts";
import { Acknowledged } from "./acknowledged.ts";
import type { Glance } from "./glance.ts";
import { guarded } from "./guarded.ts";
import { healthsBy, viewsIn } from "./heard_views.ts";
import type { Answer, Committed, Condition, Entry, KeyStore, Listing } from "./key_store.ts";
import { Membership, type Self } from "./membership.ts";
import { OwnEntry } from "./own_entry.ts";
import { RecordEntry } from "./record_entry.ts";
import { Requests } from "./requests.ts";
import { INSTANCE_RULES, type InstanceRules } from "./rules.ts";
import type { SharedCluster } from "./shared_cluster.ts";
import {
  ackValue,
  clusterKey,
  clusterPartOf,
  CLUSTERS,
  INSTANCES,
  LEADER,
  recordKey,
  recordValue,
  seenValue,
  storedIn,
  viewValue,
} from "./values.ts";

/** What it needs of its process. */
export interface SharedParts {
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly log: Readonly<
    Record<"info" | "warning" | "error", (text: string, fields?: Readonly<Record<string, string>>) => void>
  >;
  readonly self: Self;
  /** How long an instance counts behind its last renewal, in milliseconds. */
  readonly ttlMs: number;
  /** An id that nobody else has. */
  readonly newId: () => string;
  /** For tests: what is left out. */
  readonly rules?: InstanceRules;
}

/** A look around behind a write that announces something is tried again behind this time. */
const LOOK_AGAIN_MS = 100;

/** So long behind a round that a defect has ended the next one begins. */
const FAILED_MS = 1_000;

/** The coordination of several instances, which agree by a {@link KeyStore}. */
export class SharedCoordination implements Coordination {
  readonly #parts: SharedParts;
  readonly #rules: InstanceRules;
  readonly #membership: Membership;
  readonly #requests: Requests;
  readonly #clusters = new Map<string, SharedCluster>();
  /** Clusters of which a write of the record is on its way, or has an unknown end. */
  readonly #unsettled = new Set<string>();
  #listing: Listing | null = null;
  #endWatch: () => void = () => {};
  #timer: Timer | null = null;
  #permitTimer: Timer | null = null;
  #stepping: Promise<void> | null = null;
  /** In whose moves it takes no part, and others. */
  #served: readonly string[] = [];
  /** When it began to be one of several; Infinity before. */
  #startedMs = Infinity;
  #toldStanding = "";
  #toldPermit = false;
  #left: PromiseWithResolvers<void> | null = null;

  constructor(parts: SharedParts) {
    const { self, ttlMs, clock, rules = INSTANCE_RULES } = parts;
    this.#parts = parts;
    this.#rules = rules;
    this.#membership = new Membership(self, { ttlMs, nowMs: clock.nowMs(), rules });
    this.#requests = new Requests({
      ...parts,
      rules,
      isLeading: () => this.isLeading,
      hasLeader: () => this.#membership.leaderId !== null,
      isThere: (id, incarnation) => this.#membership.roll.isHolder(id, incarnation),
      perform: (cluster, command, by) => this.#perform(cluster, command, by),
    });
  }

  /** Begins to be one of several. */
  start(): void {
    this.#startedMs = this.#nowMs;
    this.#endWatch = this.#parts.store.watch(CLUSTERS, (listing) => this.#heard(listing));
    this.#wake();
  }

  /** Lets go of all that this instance has, and tells the others, where the store answers in time. Closes the store. */
  async leave(): Promise<void> {
    this.#left = Promise.withResolvers();
    this.#membership.leave();
    this.#tellStanding();
    this.#wake();
    await this.#left.promise;
    this.#timer?.cancel();
    this.#permitTimer?.cancel();
    this.#requests.end("pgplex stops");
    this.#endWatch();
    await this.#parts.store.close();
  }

  permitUntilMs(cluster: string): number {
    return this.#membership.permitFor(cluster);
  }

  get isLeading(): boolean {
    // It has to know who else there may be: by what they have said of clusters, or as it has looked for a whole lease.
    const hasHeard = this.#listing !== null || this.#membership.roll.hasLooked(this.#startedMs);
    return hasHeard && this.#membership.leading(this.#nowMs) !== null;
  }

  instancesOf(cluster: string): readonly number[] {
    const { self, roll } = this.#membership;
    const others = [...roll.holders(cluster).map(({ id }) => id), ...roll.doubtful()];
    const unknown = this.#membership.mayMissOne ? [UNKNOWN_INSTANCE] : [];
    return [...new Set([...unknown, self.id, ...others])].sort((a, b) => a - b);
  }

  serve(clusters: Iterable<string>): void {
    this.#served = [...clusters];
    this.#announce();
  }

  /** The others are told at once what is served from now on: the permit for it waits for that. */
  #announce(): void {
    this.#membership.serve([...this.#clusters.keys()], this.#served);
    if (this.#startedMs < Infinity) this.#wake();
  }

  members(): readonly InstanceInfo[] {
    const { roll, leaderId } = this.#membership;
    return roll.members().map(({ id, name, address, version, sinceMs }) => {
      const isThere = roll.isHolder(id);
      const leaseMs = isThere ? Math.max(0, roll.leaseMs(id) - roll.ageMs(id, this.#nowMs)!) : 0;
      return { id, name, address, version, sinceMs, isThere, leaseMs, isLeading: isThere && id === leaderId };
    });
  }

  look(): void {
    if (this.#toldPermit && this.#nowMs >= this.#membership.permitUntilMs) this.#tellStanding();
  }

  async record(cluster: string): Promise<StoredRecord | null> {
    const [key, sentMs] = [recordKey(cluster), this.#nowMs];
    const answer = await this.#put(key, null, []);
    if (answer.kind !== "done") throw new Error(answer.reason);
    const known = this.#clusters.get(cluster);
    const times = { revision: answer.value.revision, sentMs, nowMs: this.#nowMs };
    if (known?.record.read(times) === "anew") known.listener.storeBeganAnew();
    const entry = await this.#settled(cluster, answer.value.entries[1] ?? null);
    const why = await this.#lookBehind();
    if (why !== null) throw new Error(why);
    return storedIn(entry);
  }

  /**
   * A write of this instance that is on its way, or whose end is unknown, may come to the store behind a read that does not show it. What is there is
   * written once more: the late one then finds another revision.
   *
   * @throws Error where that did not come about
   */
  async #settled(cluster: string, entry: Entry | null): Promise<Entry | null> {
    const leading = this.#membership.leading(this.#nowMs);
    if (!this.#unsettled.has(cluster) || entry === null || leading === null) return entry;
    const { key, value, modRevision } = entry;
    const answer = await this.#put(key, value, [leading, { key, modRevision }]);
    if (answer.kind !== "done") throw new Error(answer.reason);
    if (!answer.value.isWritten) throw new Error(`${key} has changed meanwhile`);
    this.#unsettled.delete(cluster);
    return answer.value.entries[1] ?? null;
  }

  async swap(cluster: string, revision: number, next: ClusterRecord): Promise<SwapResult> {
    const leading = this.#membership.leading(this.#nowMs);
    if (leading === null) return { kind: "failed", reason: "this instance does not lead any more" };
    const key = recordKey(cluster);
    const free: Condition = revision === 0 ? { key, createRevision: 0 } : { key, modRevision: revision };
    const wasSettled = !this.#unsettled.has(cluster);
    this.#unsettled.add(cluster);
    const conditions = this.#rules.comparesLeader() ? [leading, free] : [free];
    const sentMs = this.#nowMs;
    const answer = await this.#put(key, recordValue(recordText(next)), conditions);
    const isSettled = answer.kind === "done" && answer.value.isWritten;
    if (isSettled || (wasSettled && answer.kind !== "unknown")) this.#unsettled.delete(cluster);
    if (answer.kind !== "done") return answer;
    const { isWritten, entries: [, entry = null] } = answer.value;
    if (isWritten) return await this.#written(cluster, answer.value, sentMs);
    const why = await this.#lookBehind();
    if (why !== null) return { kind: "unknown", reason: why };
    try {
      return { kind: "conflict", stored: storedIn(entry) };
    } catch (thrown) {
      return { kind: "failed", reason: String(thrown instanceof Error ? thrown.message : thrown) };
    }
  }

  /** Puts a value there (null: puts none), and reads who leads, and then the key. */
  async #put(
    key: string,
    value: string | null,
    conditions: readonly Condition[],
  ): Promise<Answer<Committed>> {
    const changes = value === null ? [] : [{ kind: "put", key, value } as const];
    const sentMs = this.#nowMs;
    const answer = await this.#parts.store.commit(conditions, changes, [LEADER, key]);
    if (answer.kind !== "done") return answer;
    const { revision, entries: [leader = null] } = answer.value;
    this.#membership.sawLeader(leader, { revision, sentMs, nowMs: this.#nowMs });
    this.#tellStanding();
    return answer;
  }

  async #written(cluster: string, { revision }: Committed, sentMs: number): Promise<SwapResult> {
    const known = this.#clusters.get(cluster);
    if (known !== undefined) {
      if (known.record.wrote({ revision, sentMs, nowMs: this.#nowMs }) === "anew") {
        known.listener.storeBeganAnew();
      }
      known.foundMs = Math.max(known.foundMs, sentMs);
    }
    for (;;) {
      const why = await this.#lookBehind();
      if (why === null) return { kind: "written", revision };
      if (!this.isLeading) return { kind: "unknown", reason: why };
      await new Promise<void>((resolve) => this.#parts.clock.after(LOOK_AGAIN_MS, resolve));
    }
  }

  /**
   * Who came before a record was written knows nothing of it: all of those are in a list that is asked for behind it, or behind a read
   * that has shown it. Why there is none; null where there is.
   */
  async #lookBehind(): Promise<string | null> {
    if (!this.#rules.looksBehind()) return null;
    const sentMs = this.#nowMs;
    const answer = await this.#parts.store.list(INSTANCES);
    if (answer.kind !== "done") return answer.reason;
    this.#membership.roll.observe(answer.value.entries.values(), { sentMs, nowMs: this.#nowMs });
    this.#tellInstances();
    return null;
  }

  acknowledge(cluster: string, { seen, ...ack }: Omit<Acknowledgement, "instance">): void {
    const known = this.#clusters.get(cluster);
    if (known === undefined) return;
    const { incarnation } = this.#parts.self;
    known.ack.say(ackValue({ incarnation, ...ack, seen: seenValue(seen) }));
  }

  publish(cluster: string, { healths, seen }: Omit<InstanceView, "instance">): void {
    const known = this.#clusters.get(cluster);
    if (known === undefined) return;
    const { incarnation } = this.#parts.self;
    const text = viewValue({ incarnation, healths: Object.fromEntries(healths), seen: seenValue(seen) });
    if (known.view.text === text) return;
    known.healths = healths;
    known.view.say(text);
  }

  ask(cluster: string, command: Command, by: string): Promise<CommandAnswer> {
    return this.isLeading ? this.#perform(cluster, command, by) : this.#requests.ask(cluster, command, by);
  }

  listen(cluster: string, listener: CoordinationListener): () => void {
    const known: SharedCluster = {
      listener: guarded(listener, (thrown) => this.#failed(thrown, { cluster })),
      record: new RecordEntry(),
      foundMs: -Infinity,
      ack: this.#ownEntry(cluster, "acks"),
      view: this.#ownEntry(cluster, "views"),
      healths: new Map(),
      acks: new Acknowledged(),
      views: "",
      instances: "",
    };
    this.#clusters.set(cluster, known);
    this.#announce();
    if (this.#listing !== null) this.#tellListed(cluster, known, this.#listing);
    this.#tellAll();
    return () => {
      if (this.#clusters.get(cluster) !== known) return;
      this.#clusters.delete(cluster);
      this.#announce();
    };
  }

  get #nowMs(): number {
    return this.#parts.clock.nowMs();
  }

  #perform(cluster: string, command: Command, by: string): Promise<CommandAnswer> {
    const known = this.#clusters.get(cluster);
    if (known !== undefined) return known.listener.command(command, by);
    return Promise.resolve({
      ok: false,
      text: `the instance that leads moves nothing in cluster "${cluster}"`,
    });
  }

  #wake(): void {
    this.#timer?.cancel();
    this.#stepping ??= this.#stepOn();
  }

  /** Whatever becomes of a round, another one comes. */
  async #stepOn(): Promise<void> {
    let pauseMs = 0;
    try {
      await this.#step();
    } catch (thrown) {
      this.#failed(thrown);
      pauseMs = FAILED_MS;
    }
    this.#stepping = null;
    this.#sleep(pauseMs);
  }

  #sleep(leastMs: number): void {
    if (this.#left !== null && this.#membership.hasLeft) return this.#left.resolve();
    const { clock } = this.#parts;
    const delayMs = Math.max(leastMs, this.#membership.dueMs - this.#nowMs);
    this.#timer = clock.after(Math.min(delayMs, this.#parts.ttlMs), () => this.#wake());
  }

  #failed(thrown: unknown, fields: Readonly<Record<string, string>> = {}): void {
    const error = thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown);
    this.#parts.log.error("a defect in what instances agree upon, which goes on", { ...fields, error });
  }

  async #step(): Promise<void> {
    const { store } = this.#parts;
    const membership = this.#membership;
    for (let call = membership.next(this.#nowMs); call !== null; call = membership.next(this.#nowMs)) {
      // One that gives the lead up does nothing more as the one that leads.
      this.#tellStanding();
      if (call.kind === "list") membership.listed(await store.list(call.prefix), this.#nowMs);
      else {
        const { conditions, changes, keys, prefix } = call;
        const answer: Answer<Committed> = await store.commit(conditions, changes, keys, prefix);
        membership.committed(answer, this.#nowMs);
      }
      this.#tellRound();
    }
  }

  /** What an answer in the round of renewals has shown. */
  #tellRound(): void {
    for (const { level, text } of this.#membership.takeLines()) this.#parts.log[level](text);
    const glance = this.#membership.takeGlance();
    for (const [cluster, entry] of glance?.records ?? []) {
      const known = this.#clusters.get(cluster);
      if (known !== undefined) this.#tellFound(known, entry, glance!);
    }
    this.#tellStanding();
    this.#tellInstances();
    this.#tellAll();
    if (glance === null) return;
    for (const { ack, view } of this.#clusters.values()) {
      void ack.write();
      void view.write();
    }
  }

  #tellStanding(): void {
    const { permitUntilMs, announced } = this.#membership;
    const nowMs = this.#nowMs;
    const hasPermit = nowMs < permitUntilMs;
    this.#permitTimer?.cancel();
    if (hasPermit) {
      this.#permitTimer = this.#parts.clock.after(permitUntilMs - nowMs, () => this.#tellStanding());
    }
    this.#toldPermit = hasPermit;
    const standing = `${this.isLeading}, ${hasPermit} for ${[...announced]}`;
    if (standing === this.#toldStanding) return;
    this.#toldStanding = standing;
    for (const { listener } of [...this.#clusters.values()]) listener.standing();
  }

  #tellInstances(): void {
    const members = this.#membership.roll.members();
    for (const [cluster, known] of [...this.#clusters]) {
      for (const ack of known.acks.renounce(members)) known.listener.acknowledged(ack);
      const ids = this.instancesOf(cluster);
      if (`${ids}` === known.instances) continue;
      known.instances = `${ids}`;
      known.listener.instances(ids);
    }
  }

  #heard(listing: Listing): void {
    const before = this.#listing;
    this.#listing = listing;
    // Somebody has removed it by hand, and perhaps all else: who leads hears of that as soon as can be.
    const isLost = (key: string) => before?.entries.has(key) === true && !listing.entries.has(key);
    const isBack = before !== null && listing.revision < before.revision;
    if (isBack || [...this.#clusters.keys()].map(recordKey).some(isLost)) {
      this.#membership.lookNow();
      this.#wake();
    }
    for (const [cluster, known] of this.#clusters) {
      known.ack.heard(listing);
      known.view.heard(listing);
      this.#tellListed(cluster, known, listing);
    }
    this.#tellAll();
    this.#tellInstances();
    this.#tellStanding();
  }

  /** What the last listing says, as far as it was not told. */
  #tellAll(): void {
    const listing = this.#listing;
    if (listing === null) return;
    for (const entry of listing.entries.values()) {
      const part = clusterPartOf(entry.key);
      const known = part === null ? undefined : this.#clusters.get(part.cluster);
      if (part === null || known === undefined) continue;
      if (part.folder === "acks") this.#tellAck(known, Number(part.name), entry);
    }
    this.#tellViews(listing);
    this.#requests.heard(listing);
  }

  /** What the others see of the nodes, which is compared with what this instance does. */
  #tellViews(listing: Listing): void {
    const { roll, self: { id: selfId }, sight } = this.#membership;
    const views = viewsIn(listing, { clusters: this.#clusters, roll, selfId, nowMs: this.#nowMs });
    for (const [cluster, known] of this.#clusters) {
      const of = views.get(cluster) ?? [];
      const text = JSON.stringify(
        of.map(({ instance, healths, seen }) => [instance, seenValue(seen), ...healths]),
      );
      if (text === known.views) continue;
      known.views = text;
      known.listener.views(of);
    }
    const own = new Map([...this.#clusters].map(([cluster, { healths }]) => [cluster, healths]));
    const others = roll.holders().filter(({ id }) => id !== selfId).map(({ id }) => healthsBy(id, views));
    sight.compare(own, others, this.#nowMs);
  }

  #tellFound(known: SharedCluster, entry: Entry | null, { revision, sentMs, permitSinceMs }: Glance): void {
    if (entry !== null) known.foundMs = sentMs;
    const { worth, isNews } = known.record.saw(entry, { revision, sentMs, nowMs: this.#nowMs });
    if (worth === "anew") known.listener.storeBeganAnew();
    if (isNews) this.#tellRecord(known, entry);
    const isLost = worth !== "old" && entry === null && known.record.wasThere;
    if (isLost) known.listener.lost({ isOld: permitSinceMs > known.foundMs });
  }

  /** As a watch tells it. Where the store has begun anew the next renewal finds that out. */
  #tellListed(cluster: string, known: SharedCluster, { revision, entries }: Listing): void {
    const entry = entries.get(recordKey(cluster)) ?? null;
    const times = { revision, sentMs: -Infinity, nowMs: this.#nowMs };
    if (known.record.saw(entry, times).isNews) this.#tellRecord(known, entry);
  }

  #tellRecord({ listener }: SharedCluster, entry: Entry | null): void {
    try {
      const stored = storedIn(entry);
      if (stored !== null) listener.record(stored);
    } catch (thrown) {
      listener.misunderstood(String(thrown instanceof Error ? thrown.message : thrown));
    }
  }

  #tellAck({ acks, listener }: SharedCluster, instance: number, { value }: Entry): void {
    if (instance === this.#parts.self.id) return;
    const ack = acks.take(instance, value, this.#membership.roll.members());
    if (ack !== null) listener.acknowledged(ack);
  }

  #ownEntry(cluster: string, folder: "acks" | "views"): OwnEntry {
    const { store, self } = this.#parts;
    // What it says before it has announced that it serves the cluster is removed with that.
    const mayWrite = () => this.#membership.isMember && this.#membership.announced.has(cluster);
    return new OwnEntry({ store, key: clusterKey(cluster, folder, self.id), mayWrite });
  }
}
