import type {
  Answer,
  Change,
  Committed,
  Condition,
  Entry,
  KeyStore,
  Listing,
} from "../../src/instances/key_store.ts";
import { leaderOf, recordIn, recordKey } from "../../src/instances/values.ts";
import { type ClusterRecord, recordOf } from "../../src/arbiter/mod.ts";
import type { Agenda } from "./agenda.ts";
import { placeOf, type Servers, STORE } from "./servers.ts";

/** The cluster of a run. */
export const CLUSTER = "main";

/** Whoever waits longer for the store knows nothing, in milliseconds of its own clock. */
const CALL_MS = 1_000;

/** The store that instances share: what etcd does with keys, and what may become of calls to it. */
export class ModelKeys {
  readonly entries = new Map<string, Entry>();
  /** It was in use for long: a fresh one begins with 1. */
  revision = 100_000;
  /** How often it was replaced. */
  life = 0;
  /** It has no majority: nothing is read or written. */
  isStill = false;
  /** Its disk is full: nothing is put there. */
  isFull = false;
  /** How likely a call goes wrong, by instance. */
  readonly flaky: number[] = [];
  /** What becomes of calls of an instance for a while, by instance; nothing to say for those that go on as ever. */
  readonly straggling: (((writes: boolean, isRecord: boolean) => Fate | null) | null)[] = [];
  /** Called when an instance sends a write, by instance. */
  readonly onWrite: ((() => void) | null)[] = [];
  /** Watches are so late, by instance, in milliseconds. */
  readonly lateMs: number[] = [];
  /** Called behind each write of the record, with the one before. */
  onRecord: (before: ClusterRecord | null, record: ClusterRecord | null) => void = () => {};
  /** Called when an instance sends a record, which may come to the store much later. */
  onRecordSent: (instance: number) => void = () => {};
  /** Called when somebody takes the lead of another incarnation. */
  onLeadTaken: (from: string) => void = () => {};
  /** Called behind each write of the record by an instance, with its incarnation. */
  onRecordBy: (incarnation: string) => void = () => {};
  readonly agenda: Agenda;
  readonly servers: Servers;
  readonly #watches = new Set<() => void>();
  #record: ClusterRecord | null = null;
  /** Writes that came while there was no majority. */
  #queue: (() => void)[] = [];

  constructor(agenda: Agenda, servers: Servers) {
    this.agenda = agenda;
    this.servers = servers;
  }

  /** What is there now. */
  get record(): ClusterRecord | null {
    return this.#record;
  }

  get recordRevision(): number {
    return this.entries.get(recordKey(CLUSTER))?.modRevision ?? 0;
  }

  /** The incarnation of who leads. */
  get leader(): string | null {
    return leaderOf(this.entries.get("leader") ?? null)?.incarnation ?? null;
  }

  commit(
    conditions: readonly Condition[],
    changes: readonly Change[],
    keys: readonly string[] = [],
  ): Committed {
    const isWritten = conditions.every((condition) => {
      const entry = this.entries.get(condition.key);
      return "createRevision" in condition
        ? (entry?.createRevision ?? 0) === condition.createRevision
        : (entry?.modRevision ?? 0) === condition.modRevision;
    });
    if (isWritten && changes.length > 0) this.#write(changes);
    return {
      isWritten,
      revision: this.revision,
      entries: keys.map((key) => this.entries.get(key) ?? null),
    };
  }

  #write(changes: readonly Change[]): void {
    this.revision++;
    const before = this.#record;
    const { leader } = this;
    let isRecord = false;
    for (const change of changes) {
      const { key } = change;
      isRecord ||= key === recordKey(CLUSTER);
      if (change.kind === "remove") {
        this.entries.delete(key);
        continue;
      }
      const createRevision = this.entries.get(key)?.createRevision ?? this.revision;
      this.entries.set(key, { key, value: change.value, createRevision, modRevision: this.revision });
    }
    if (isRecord) {
      const entry = this.entries.get(recordKey(CLUSTER));
      const found = entry === undefined ? null : recordIn(entry.value);
      this.#record = found !== null && "record" in found ? recordOf(found.record) : null;
      this.onRecord(before, this.#record);
    }
    if (leader !== null && this.leader !== null && leader !== this.leader) this.onLeadTaken(leader);
    for (const tell of this.#watches) tell();
  }

  list(prefix: string): Listing {
    const entries = new Map<string, Entry>();
    for (const [key, entry] of this.entries) if (key.startsWith(prefix)) entries.set(key, entry);
    return { revision: this.revision, entries };
  }

  /** Somebody removes a key by hand. */
  remove(key: string): void {
    if (this.entries.has(key)) this.#write([{ kind: "remove", key }]);
  }

  /** Somebody removes all of them by hand. */
  wipe(): void {
    this.#write([...this.entries.keys()].map((key) => ({ kind: "remove", key }) as const));
  }

  /** A fresh one takes its place, with nothing in it: what is on its way to the old one is lost. */
  replace(): void {
    // By chance what is known of a fresh one might be so in the next one too; of a real one nobody has the luck.
    if (this.life > 0) return this.wipe();
    this.life++;
    this.entries.clear();
    this.revision = 1;
    this.#queue = [];
    this.#record = null;
    for (const tell of this.#watches) tell();
  }

  /** Calls `tell` with each change; the result ends that. */
  watch(tell: () => void): () => void {
    this.#watches.add(tell);
    return () => this.#watches.delete(tell);
  }

  /** Runs now, or when there is a majority again. */
  run(run: () => void): void {
    if (!this.isStill) return run();
    // What came to a member without a majority is lost with it, or done later.
    if (this.servers.between(0, 1) < 0.5) this.#queue.push(run);
  }

  /** There is a majority again. */
  goOn(): void {
    this.isStill = false;
    const queue = this.#queue;
    this.#queue = [];
    for (const run of queue) run();
  }
}

/**
 * What becomes of a call. `refused`: it is not sent; `mute`: it is done, and its answer is lost; `lost`: it is not done; `late`: it is done so much
 * later, when nobody waits for its answer.
 */
export type Fate =
  | { readonly kind: "done" | "refused" | "mute" | "lost" }
  | { readonly kind: "late"; readonly byMs: number };

/** What an instance needs to call the store. */
export interface Caller {
  readonly number: number;
  readonly incarnation: string;
  /** Runs what comes to the instance, unless it has crashed; while it is asleep that waits. */
  enter(run: () => void): void;
  /** A timer on its clock. */
  after(delayMs: number, fire: () => void): { cancel(): void };
}

/** One life's way of an instance to the store. */
export class KeysOfInstance implements KeyStore {
  readonly callTimeoutMs = CALL_MS;
  readonly #keys: ModelKeys;
  readonly #caller: Caller;
  readonly #ends = new Set<() => void>();

  constructor(keys: ModelKeys, caller: Caller) {
    this.#keys = keys;
    this.#caller = caller;
  }

  commit(
    conditions: readonly Condition[],
    changes: readonly Change[],
    keys: readonly string[] = [],
  ): Promise<Answer<Committed>> {
    const { incarnation } = this.#caller;
    const isRecord = changes.some(({ key }) => key === recordKey(CLUSTER));
    return this.#call(
      () => {
        const committed = this.#keys.commit(conditions, changes, keys);
        if (isRecord && committed.isWritten) this.#keys.onRecordBy(incarnation);
        return committed;
      },
      changes,
    );
  }

  list(prefix: string): Promise<Answer<Listing>> {
    return this.#call(() => this.#keys.list(prefix), []);
  }

  watch(prefix: string, changed: (listing: Listing) => void): () => void {
    const { servers, agenda, lateMs } = this.#keys;
    const { number } = this.#caller;
    let isOver = false;
    let isOnItsWay = false;
    let arrivesMs = 0;
    const tell = () => {
      if (isOnItsWay || isOver) return;
      isOnItsWay = true;
      const send = () => {
        if (isOver) return;
        if (!servers.isOpen(placeOf(number), STORE) || this.#keys.isStill) return agenda.after(300, send);
        isOnItsWay = false;
        const listing = this.#keys.list(prefix);
        // One connection: what was sent first comes first.
        arrivesMs = Math.max(arrivesMs, agenda.nowMs + servers.latencyMs(placeOf(number), STORE));
        agenda.after(arrivesMs - agenda.nowMs, () => this.#caller.enter(() => isOver || changed(listing)));
      };
      agenda.after(servers.between(0, 20) + (lateMs[number] ?? 0), send);
    };
    const end = this.#keys.watch(tell);
    const again = () => {
      if (isOver) return;
      tell();
      agenda.after(5_000, again);
    };
    again();
    const stop = () => {
      isOver = true;
      end();
    };
    this.#ends.add(stop);
    return stop;
  }

  close(): Promise<void> {
    for (const end of this.#ends) end();
    return Promise.resolve();
  }

  #call<T>(run: () => T, changes: readonly Change[]): Promise<Answer<T>> {
    const writes = changes.length > 0;
    const isRecord = changes.some(({ key }) => key === recordKey(CLUSTER));
    const { servers, agenda } = this.#keys;
    const { number } = this.#caller;
    const { promise, resolve } = Promise.withResolvers<Answer<T>>();
    let isEnded = false;
    const end = (answer: Answer<T>) => {
      if (isEnded) return;
      isEnded = true;
      timer.cancel();
      resolve(answer);
    };
    const timer = this.#caller.after(
      CALL_MS,
      () => end({ kind: writes ? "unknown" : "failed", reason: "no answer" }),
    );
    const isOpen = () => servers.isOpen(placeOf(number), STORE);
    const { life } = this.#keys;
    const execute = () =>
      this.#keys.run(() => {
        if (life !== this.#keys.life) return;
        const hasRoom = !this.#keys.isFull || changes.every(({ kind }) => kind === "remove");
        const answer: Answer<T> = hasRoom
          ? { kind: "done", value: run() }
          : { kind: "failed", reason: "no space" };
        if (isLost) return;
        agenda.after(servers.latencyMs(placeOf(number), STORE) + servers.between(0, 6), () => {
          if (isOpen()) this.#caller.enter(() => end(answer));
        });
      });
    if (isRecord) this.#keys.onRecordSent(number);
    if (writes) this.#keys.onWrite[number]?.();
    const fate = this.#fate(writes, isRecord);
    const isLost = fate.kind !== "done";
    if (fate.kind === "refused") {
      agenda.after(2, () => this.#caller.enter(() => end({ kind: "failed", reason: "no connection" })));
    }
    if (fate.kind === "late") agenda.after(fate.byMs, execute);
    if (fate.kind !== "done" && fate.kind !== "mute") return promise;
    agenda.after(servers.latencyMs(placeOf(number), STORE), () => {
      if (isOpen()) execute();
    });
    return promise;
  }

  #fate(writes: boolean, isRecord: boolean): Fate {
    const { servers, flaky, straggling } = this.#keys;
    const { number } = this.#caller;
    const given = straggling[number]?.(writes, isRecord) ?? null;
    if (given !== null) return given;
    if (servers.between(0, 1) >= (flaky[number] ?? 0)) return { kind: "done" };
    const draw = servers.between(0, 1);
    if (draw < 0.15) return { kind: "refused" };
    if (draw < 0.5) return { kind: "mute" };
    if (draw < 0.7) return { kind: "lost" };
    return { kind: "late", byMs: servers.between(500, servers.between(0, 1) < 0.5 ? 3_000 : 14_000) };
  }
}
