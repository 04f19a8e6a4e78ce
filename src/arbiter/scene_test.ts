import type { NodeHealth } from "../topology/mod.ts";
import {
  type Acknowledgement,
  Arbiter,
  type ArbiterAction,
  type ArbiterEvent,
  type ArbiterSettings,
  type ClusterRecord,
  type Inspected,
  RULES,
  type Rules,
  type StoredRecord,
  type Verb,
  type VerbKind,
  type VerbResult,
} from "./mod.ts";
import type { Frozen } from "./verbs.ts";
import { type KnownEnd, Work } from "./work.ts";

/** Settings of a cluster of n1, n2 and n3. */
export function settings(changed: Partial<ArbiterSettings> = {}): ArbiterSettings {
  return {
    mode: "auto",
    nodes: [1, 2, 3].map((at) => ({
      name: `n${at}`,
      host: `10.0.0.${at}`,
      port: 5432,
      priority: 100,
      promote: true,
    })),
    rejoin: "sql",
    fence: "sql",
    maxFailoverLagBytes: 1_000,
    syncWaitMs: 5_000,
    switchoverTimeoutMs: 30_000,
    promoteTimeoutMs: 60_000,
    failoverIntervalMs: 5_000,
    failureTimeoutMs: 3_000,
    primaryStartTimeoutMs: 30_000,
    ...changed,
  };
}

/** A standby that has stopped receiving, with `changed`. */
export function stopped(changed: Partial<Frozen> = {}, system = "111"): VerbResult<"freeze"> {
  const frozen = { lsn: 5_000n, replayLsn: 5_000n, timeline: 1, isReplayed: true, xidWatermark: null };
  return { ok: true, frozen: { ...frozen, ...changed }, system };
}

/** What a standby of n1 on timeline 1 says, with `changed`. */
export function inspected(changed: Partial<Inspected> = {}): Inspected {
  return {
    askedMs: 0,
    recovering: true,
    system: "111",
    timeline: 1,
    lsn: 5_000n,
    replayLsn: 5_000n,
    receiver: { status: "streaming", timeline: 1, fromHost: "10.0.0.1", fromPort: 5432, heardAgeMs: 10 },
    synchronous: null,
    replicas: [],
    forks: [],
    hasUpstream: true,
    isPaused: false,
    applyDelayMs: 0,
    isReplayIdle: true,
    canRewind: true,
    dataDirMode: "0700",
    canRunPrograms: true,
    openTransactions: 0,
    isFenced: false,
    standbyName: null,
    ...changed,
  };
}

/** What the primary of timeline 1 says. */
export function primarySays(changed: Partial<Inspected> = {}): Inspected {
  return inspected({ recovering: false, receiver: null, hasUpstream: false, ...changed });
}

/** n1 is served, on timeline 1. */
export function record(changed: Partial<ClusterRecord> = {}): ClusterRecord {
  return {
    system: "111",
    epoch: 7,
    phase: "serving",
    primary: "n1",
    timeline: 1,
    sinceMs: 0,
    synchronous: null,
    move: null,
    history: [],
    rejoins: [],
    moved: [],
    disowned: [],
    ...changed,
  };
}

/** A {@link Work} with what its nodes say; who says nothing is down. */
export function workWith(
  nodes: Readonly<Record<string, Inspected | NodeHealth>>,
  { changed = {}, stored = record(), nowMs = 10_000, rules = RULES }: {
    readonly changed?: Partial<ArbiterSettings>;
    readonly stored?: ClusterRecord | null;
    readonly nowMs?: number;
    readonly rules?: Rules;
  } = {},
): Work {
  const work = new Work({
    settings: settings(changed),
    rules,
    stored: stored === null ? null : { revision: 1, record: stored },
    instance: 1,
    now: { nowMs, wallMs: nowMs },
  });
  for (const [node, says] of Object.entries(nodes)) {
    const known = work.nodes.get(node)!;
    const isUp = typeof says !== "string";
    known.view = {
      node,
      health: isUp ? "up" : says,
      sinceMs: 0,
      silentMs: isUp ? null : 5_000,
      isRefused: false,
      said: isUp ? says : null,
    };
    known.inspected = isUp ? says : null;
  }
  return work;
}

/** The verbs among actions, as `freeze n2`. */
export function verbs(actions: readonly ArbiterAction[]): string[] {
  return actions.flatMap((action) => action.kind === "verb" ? [`${action.verb.kind} ${action.node}`] : []);
}

/** An arbiter whose driver does everything at once, and remembers what it was. */
export class Scene {
  arbiter: Arbiter;
  nowMs = 0;
  /** How far the wall clock is off. */
  wallOffsetMs = 0;
  stored: StoredRecord | null;
  /** All that was done, as `freeze n2`, `epoch 8 recruit`, `serve n1`. */
  readonly done: string[] = [];
  readonly answers: string[] = [];
  /** What was reported. */
  readonly reports: string[] = [];
  /** What nodes say; a health in its place: they say nothing. */
  readonly nodes: Record<string, Inspected | NodeHealth>;
  /** Results of verbs that are not simply ok; null: no answer. */
  readonly results: Partial<Record<VerbKind, (node: string, verb: Verb) => VerbResult | null>> = {};
  /** Whether an instance acknowledges a hold, and whether its clients are at rest. */
  acknowledges: "drained" | "held" | "never" = "drained";
  /** How long the store takes for a record, in milliseconds. */
  storesFor: (record: ClusterRecord) => number = () => 0;
  /** Whether the store says what it has. */
  readable = true;
  #storing: { readonly dueMs: number; readonly store: () => void }[] = [];
  readonly #settings: ArbiterSettings;

  constructor({ changed = {}, stored = record(), nodes = {} }: {
    readonly changed?: Partial<ArbiterSettings>;
    readonly stored?: ClusterRecord | null;
    readonly nodes?: Readonly<Record<string, Inspected | NodeHealth>>;
  } = {}) {
    this.#settings = settings(changed);
    this.nodes = { n1: primarySays(), n2: inspected(), n3: inspected(), ...nodes };
    this.stored = stored === null ? null : { revision: 1, record: stored };
    this.arbiter = this.#begin();
  }

  get record(): ClusterRecord | null {
    return this.stored?.record ?? null;
  }

  /** pgplex dies and begins again; or it leads again, and has heard of the end of a move meanwhile. */
  restart(ended: KnownEnd | null = null): void {
    this.done.push("restart");
    this.arbiter = this.#begin(ended);
  }

  /** Another file is in force. */
  configure(settings: ArbiterSettings): void {
    for (const action of this.arbiter.configure(settings, this.#now)) this.#act(action);
  }

  /** An instance says that it holds its clients, and perhaps how far it has seen the primary. */
  acknowledge(
    instance: number,
    epoch: number,
    { isDrained = true, seen = null }: Partial<Acknowledgement> = {},
  ): void {
    this.input({ kind: "acknowledged", instance, epoch, startedAtMs: null, isDrained, seen });
  }

  input(event: ArbiterEvent): void {
    for (const action of this.arbiter.input(event, this.#now)) this.#act(action);
  }

  /** Time passes in steps of 100 ms, at each of which every node is heard. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      this.nowMs += 100;
      const due = this.#storing.filter(({ dueMs }) => dueMs <= this.nowMs);
      this.#storing = this.#storing.filter(({ dueMs }) => dueMs > this.nowMs);
      for (const { store } of due) store();
      for (const [node, says] of Object.entries(this.nodes)) this.#view(node, says);
      this.input({ kind: "time" });
    }
  }

  #begin(ended: KnownEnd | null = null): Arbiter {
    return new Arbiter({ settings: this.#settings, stored: this.stored, instance: 1, now: this.#now, ended });
  }

  get #now() {
    return { nowMs: this.nowMs, wallMs: this.nowMs + this.wallOffsetMs };
  }

  readonly #since = new Map<string, { says: NodeHealth; ms: number }>();

  #view(node: string, says: Inspected | NodeHealth): void {
    const health = typeof says === "string" ? says : "up";
    if (this.#since.get(node)?.says !== health) this.#since.set(node, { says: health, ms: this.nowMs });
    const sinceMs = this.#since.get(node)!.ms;
    const said = typeof says === "string" ? null : { ...says, askedMs: this.nowMs };
    this.input({
      kind: "view",
      view: {
        node,
        health,
        sinceMs,
        silentMs: said === null ? sinceMs : null,
        isRefused: health === "down",
        said,
      },
    });
  }

  #act(action: ArbiterAction): void {
    switch (action.kind) {
      case "write": {
        const { record: next, revision } = action;
        const delayMs = this.storesFor(next);
        if (delayMs > 0) {
          const store = () => this.#store(next, revision);
          this.#storing.push({ dueMs: this.nowMs + delayMs, store });
          return;
        }
        return this.#store(next, revision);
      }
      case "read":
        return this.readable ? this.input({ kind: "record", stored: this.stored }) : undefined;
      case "verb": {
        if (action.verb.kind !== "inspect" && action.verb.kind !== "takeOver") {
          this.done.push(`${action.verb.kind} ${action.node}`);
        }
        const result = this.#resultOf(action.node, action.verb);
        return result === null ? undefined : this.input({ kind: "result", id: action.id, result });
      }
      case "serve":
        this.done.push(`serve ${action.primary}`);
        return;
      case "hold":
        this.done.push(`hold${action.cut ? " cut" : ""}`);
        if (this.acknowledges === "never") return;
        return this.input({
          kind: "acknowledged",
          instance: 1,
          epoch: action.epoch,
          startedAtMs: action.startedAtMs,
          isDrained: this.acknowledges === "drained",
          seen: null,
        });
      case "answer":
        this.answers.push(`${action.ok ? "done" : "refused"}: ${action.text}`);
        return;
      case "report":
        this.reports.push(action.text);
        return;
    }
  }

  #store(next: ClusterRecord, revision: number): void {
    if (revision !== (this.stored?.revision ?? 0)) {
      return this.input({ kind: "record", stored: this.stored });
    }
    this.stored = { revision: revision + 1, record: next };
    this.done.push(`epoch ${next.epoch} ${next.move?.step ?? `serving ${next.primary}`}`);
    return this.input({ kind: "written", revision: revision + 1 });
  }

  #resultOf(node: string, verb: Verb): VerbResult | null {
    const given = this.results[verb.kind];
    if (given !== undefined) return given(node, verb);
    const says = this.nodes[node]!;
    if (typeof says === "string") return { ok: false, kind: "failed", reason: "connection refused" };
    switch (verb.kind) {
      case "inspect":
        return { ok: true, inspected: { ...says, askedMs: this.nowMs } };
      case "freeze": {
        const { lsn, replayLsn, timeline } = says;
        this.nodes[node] = { ...says, receiver: null, hasUpstream: false };
        return stopped({ lsn, replayLsn, timeline: timeline!, xidWatermark: "77" }, says.system);
      }
      case "repoint": {
        const receiver = {
          status: "streaming",
          timeline: 1,
          fromHost: verb.upstream.host,
          fromPort: 5432,
          heardAgeMs: 1,
        };
        const up = this.nodes[verb.upstream.name]!;
        const timeline = typeof up === "string" ? 1 : up.timeline!;
        this.nodes[node] = { ...says, timeline, receiver: { ...receiver, timeline }, hasUpstream: true };
        return { ok: true };
      }
      case "promote": {
        const timeline = says.timeline! + 1;
        this.nodes[node] = {
          ...says,
          recovering: false,
          receiver: null,
          timeline,
          forks: [...says.forks, [says.timeline!, says.lsn]],
        };
        return { ok: true, timeline };
      }
      case "fence":
      case "unfence":
        this.nodes[node] = { ...says, isFenced: verb.kind === "fence" };
        return { ok: true };
      case "demote":
        this.nodes[node] = { ...says, recovering: true, receiver: null, hasUpstream: true };
        return { ok: true };
      case "stayPrimary":
        return says.recovering
          ? { ok: false, kind: "refused", reason: "it is a standby already" }
          : { ok: true };
      case "rejoin":
        this.nodes[node] = "down";
        return { ok: true };
      case "rejoinState":
        return { ok: true, state: "none", reason: "" };
      case "witness": {
        const of = this.nodes[verb.of.name]!;
        return { ok: true, sees: typeof of === "string" ? "down" : "up" };
      }
      case "endSessions":
        return { ok: true, count: 1 };
      case "takeOver":
      case "checkpoint":
      case "synchronousNames":
      case "recordEpoch":
        return { ok: true };
    }
  }
}
