import type { Inspected, Said, SynchronousNames } from "../../src/arbiter/mod.ts";

/** A piece of WAL: a client's item, or something that the server writes by itself (item -1). Its identity is its content. */
export interface WalEntry {
  /** Where it ends, in bytes. */
  readonly lsn: number;
  readonly item: number;
}

/** A standby's connection to its upstream. */
export interface ModelReceiver {
  readonly from: ModelNode;
  readonly timeline: number;
  /** When something came last that was noted; while the connection is whole keep-alives come besides. */
  heardMs: number;
  /** Since when it is broken; null while it is whole. */
  brokenMs: number | null;
}

/** A commit that waits for standbys. */
export interface WaitingCommit {
  readonly lsn: number;
  readonly done: () => void;
}

/** What of a node never changes in a run. */
export interface ModelNodeOptions {
  readonly id: number;
  readonly system: string;
  readonly priority: number;
  readonly promote: boolean;
  readonly canRunPrograms: boolean;
  /** How old the last message of a healthy, idle upstream may be. */
  readonly idleAgeMs: number;
  readonly receiverTimeoutMs: number;
  /** How many instances look at it. */
  readonly instances: number;
}

/** When an instance lost a node last, and since when it can reach it again; null while it cannot. */
export interface Reach {
  lostMs: number;
  backMs: number | null;
}

/** An arbiter's session on a node, with the epoch by which it has claimed it; null before. */
export interface NodeSession {
  readonly instance: number;
  epoch: number | null;
}

/** Bytes of an entry. */
export const ITEM_BYTES = 100_000;
const CHECKPOINT_BYTES = 120;

const KEPT = [
  "log",
  "timeline",
  "forks",
  "isStandby",
  "upstream",
  "names",
  "isFenced",
  "checkpointTimeline",
  "replayed",
  "options",
] as const;

/** What of a node is on its disk, while another data directory is in its place. */
export type Kept = Pick<ModelNode, (typeof KEPT)[number]>;

/** A PostgreSQL server as docs/ARBITER.md and the measured facts describe it: what it keeps on disk, and what runs. */
export class ModelNode {
  readonly id: number;
  readonly name: string;
  readonly host: string;
  options: ModelNodeOptions;
  // On disk.
  log: WalEntry[] = [];
  timeline = 1;
  forks: (readonly [number, number])[] = [];
  isStandby = false;
  upstream: ModelNode | null = null;
  names: SynchronousNames | null = null;
  /** When these were changed last. */
  namesMs = -1e9;
  /** Its disk is full. */
  isFull = false;
  /** Its own data directory, while another one is in its place. */
  replaced: Kept | null = null;
  /** Its data directory is of no use. */
  isWrecked = false;
  isFenced = false;
  /** Its rows differ from what its WAL says: a rewind that was none. */
  isCorrupt = false;
  checkpointTimeline = 1;
  // What runs.
  process: "running" | "stopped" | "dead" = "running";
  startingUntilMs = 0;
  startingSinceMs = 0;
  /** Backends that outlive the postmaster go on until then. */
  zombieUntilMs = 0;
  /** Entries that it has replayed. */
  replayed = 0;
  isPaused = false;
  applyDelayMs = 0;
  promotePending = false;
  /** Somebody else has promoted it once. */
  isPromotedByHand = false;
  promotedMs = -1e9;
  isDenied = false;
  receiver: ModelReceiver | null = null;
  /** When it has received something last. */
  receivedMs = -1e9;
  /** By standby: what it has acknowledged. */
  readonly acks = new Map<ModelNode, number>();
  waiting: WaitingCommit[] = [];
  openTransactions = 0;
  /** Those of arbiters that are open. */
  readonly sessions = new Set<NodeSession>();
  /** What came while it was stopped. */
  inbox: (() => void)[] = [];
  rejoin: { token: string; state: "none" | "running" | "done" | "failed"; reason: string } = {
    token: "",
    state: "none",
    reason: "",
  };
  /** By instance. */
  readonly reach: readonly Reach[];
  /** When a fault last touched it. */
  disturbedMs = -1e9;

  constructor(options: ModelNodeOptions) {
    this.id = options.id;
    this.name = `n${options.id + 1}`;
    this.host = `10.0.0.${options.id + 1}`;
    this.options = options;
    this.reach = Array.from({ length: options.instances }, () => ({ lostMs: 0, backMs: 0 }));
  }

  /** What goes away with its data directory, and comes back with it. */
  get kept(): Kept {
    return Object.fromEntries(KEPT.map((key) => [key, this[key]])) as unknown as Kept;
  }

  /** A fault touches it, until then. */
  disturb(untilMs: number): void {
    this.disturbedMs = Math.max(this.disturbedMs, untilMs);
  }

  get lsn(): number {
    return this.log.at(-1)?.lsn ?? 0;
  }

  get replayLsn(): number {
    return this.isStandby ? this.log[this.replayed - 1]?.lsn ?? 0 : this.lsn;
  }

  /** Whether it answers SQL. */
  isServing(nowMs: number): boolean {
    return this.process === "running" && nowMs >= this.startingUntilMs;
  }

  append(item: number): WalEntry {
    const entry = { lsn: this.lsn + (item < 0 ? CHECKPOINT_BYTES : ITEM_BYTES), item };
    this.log.push(entry);
    this.replayed = this.log.length;
    return entry;
  }

  /** It becomes the primary of a new timeline, with all that it has received. */
  finishPromotion(): void {
    this.forks = [...this.forks, [this.timeline, this.lsn]];
    this.timeline++;
    this.isStandby = false;
    this.promotePending = false;
    this.receiver = null;
    this.append(-1);
  }

  /** Whether the names have acknowledged a position. */
  isSynced(lsn: number): boolean {
    const { names } = this;
    if (names === null) return true;
    const listed = names.names;
    const has = (node: ModelNode) => (this.acks.get(node) ?? 0) >= lsn;
    const connected = [...this.acks.keys()].filter((node) => listed.includes(node.name));
    if (names.method === "any") return connected.filter(has).length >= names.k;
    const first = connected.toSorted((a, b) => listed.indexOf(a.name) - listed.indexOf(b.name)).slice(
      0,
      names.k,
    );
    return first.length >= names.k && first.every(has);
  }

  setNames(names: SynchronousNames | null, nowMs: number): void {
    this.names = names;
    this.namesMs = nowMs;
    this.settleWaiting();
  }

  /** Commits whose standbys have answered end. */
  settleWaiting(): void {
    const done = this.waiting.filter(({ lsn }) => this.isSynced(lsn));
    if (done.length === 0) return;
    this.waiting = this.waiting.filter((one) => !done.includes(one));
    for (const one of done) one.done();
  }

  /** Whether it may receive from `up`: its own WAL is a part of that one's history. */
  fits(up: ModelNode): boolean {
    const { log, lsn, timeline } = this;
    const isKnown = timeline === up.timeline ? lsn <= up.lsn : this.isBeforeFork(up);
    // Of two histories with the same numbers the first record that differs does not check out.
    return isKnown && (log.length === 0 || up.log[log.length - 1] === log.at(-1));
  }

  isBeforeFork(up: ModelNode): boolean {
    return up.forks.some(([left, at]) => left === this.timeline && this.lsn <= at);
  }

  /** The same as far as the history of its timelines tells, which is all that anybody can ask for: two promotions at one position look alike. */
  fitsByHistory(up: ModelNode): boolean {
    const isShared = this.forks.every(([left, at]) => up.forks.some(([l, a]) => l === left && a === at));
    return isShared && this.isBeforeFork(up);
  }

  said(askedMs: number, nowMs: number): Said {
    const { receiver, isStandby } = this;
    const names = this.names?.names ?? [];
    return {
      askedMs,
      recovering: isStandby,
      system: this.options.system,
      timeline: isStandby ? receiver?.timeline ?? null : this.timeline,
      lsn: BigInt(this.lsn),
      replayLsn: BigInt(this.replayLsn),
      receiver: receiver === null ? null : {
        status: "streaming",
        timeline: receiver.timeline,
        fromHost: receiver.from.host,
        fromPort: 5432,
        heardAgeMs: nowMs - this.heardMs(receiver, nowMs),
      },
      synchronous: this.names,
      replicas: [...this.acks].map(([node, lsn]) => ({
        name: node.name,
        state: "streaming",
        syncState: names.includes(node.name) ? "quorum" : "async",
        flushLsn: BigInt(lsn),
        replayLsn: null,
      })),
    };
  }

  inspected(askedMs: number, nowMs: number): Inspected {
    return {
      ...this.said(askedMs, nowMs),
      timeline: this.timeline,
      forks: this.forks.map(([timeline, lsn]) => [timeline, BigInt(lsn)] as const),
      hasUpstream: this.upstream !== null,
      isPaused: this.isPaused,
      applyDelayMs: this.applyDelayMs,
      isReplayIdle: !this.isStandby || this.replayLsn === this.lsn,
      canRewind: true,
      dataDirMode: "0700",
      canRunPrograms: this.options.canRunPrograms,
      openTransactions: this.openTransactions,
      isFenced: this.isFenced,
      standbyName: this.upstream === null ? null : this.name,
    };
  }

  /** When a standby's upstream was heard last. */
  heardMs(receiver: ModelReceiver, nowMs: number): number {
    return receiver.brokenMs === null
      ? Math.max(receiver.heardMs, nowMs - this.options.idleAgeMs)
      : receiver.heardMs;
  }
}
