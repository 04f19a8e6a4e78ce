import { assert } from "../kernel/mod.ts";
import { type Asking, Calls } from "./calls.ts";
import type { ArbiterAction, Moment, ReportLevel } from "./events.ts";
import {
  type ClusterRecord,
  HISTORY_MAX,
  type Move,
  type MoveStep,
  type PastMove,
  type StoredRecord,
} from "./record.ts";
import type { Rules } from "./rules.ts";
import type { ArbiterNode, ArbiterSettings } from "./settings.ts";
import type { Standing } from "./standing.ts";
import type { Frozen, Upstream, Verb, VerbResult } from "./verbs.ts";
import {
  type Acknowledgement,
  furthest,
  type Inspected,
  type InstanceView,
  type NodeView,
  positionOf,
  type Said,
  type SeenPosition,
  UNKNOWN_INSTANCE,
} from "./views.ts";

/** More moves than are begun and taken back in the time in which an instance may not hear of them. */
const UNHEARD_EPOCHS = 10;

/** A node of the file with all that is known of it. */
export interface Known {
  readonly node: ArbiterNode;
  view: NodeView | null;
  inspected: Inspected | null;
  /** When it was first seen to start, where it is starting now. */
  startingSinceMs: number;
}

/** An operator's wish that waits, or whose move runs. */
export interface Wish {
  readonly id: number;
  readonly by: string;
}

/** The end of an automatic failover, and when it was known to be stored: later than it was decided where the store has not answered for a while. */
export interface KnownEnd {
  readonly epoch: number;
  /** In clock milliseconds: the wall clock may jump. */
  readonly atMs: number;
}

/** What the steps of a machine share: what is known, what is asked, what is to be done. The steps are functions over it. */
export class Work {
  settings: ArbiterSettings;
  readonly rules: Rules;
  now: Moment;
  stored: StoredRecord | null;
  /** The record that is being written; null while none is. */
  writing: ClusterRecord | null = null;
  writingSinceMs = 0;
  readonly nodes = new Map<string, Known>();
  readonly calls: Calls;
  /** Of this epoch, by node. */
  readonly frozen = new Map<string, Frozen>();
  /** This one. */
  readonly instance: number;
  /** Which may hold a permit. */
  instances: readonly number[];
  /** Another one may have one, of which the store has nothing any more. */
  mayMissOne = false;
  /** Of the others among them. */
  views: readonly InstanceView[] = [];
  readonly acknowledged = new Map<number, Omit<Acknowledgement, "instance">>();
  /** The highest epoch that this life of the machine has tried to write, or was heard of before. */
  #triedEpoch: number;
  /** Whose move runs; null: nobody waits for an answer. */
  wish: Wish | null = null;
  /** When the present step began in this life of the machine. */
  stepSinceMs: number;
  /** The last position of the primary that any instance has seen; null where none has. */
  seen: SeenPosition | null = null;
  /** What a switchover that holds its clients waits for, for people; null: nothing is known to be missing. */
  missing: string | null = null;
  /** Since when the primary says that it is a standby; null while it does not. */
  demotedSinceMs: number | null = null;
  /** The last automatic failover of whose end this instance has heard; null before. */
  ended: KnownEnd | null = null;
  /** Since when the candidate is known to be promoted; null before. */
  confirmedSinceMs: number | null = null;
  /**
   * Whom this life of the machine has chosen, and when, while nobody can have asked for the promotion yet; null: somebody may have asked.
   */
  unasked: { readonly name: string; readonly sinceMs: number } | null = null;
  /** Since when each instance holds, its clients' transactions at their end; null before. */
  heldSinceMs: number | null = null;
  /** Standbys that follow nobody, and since when. */
  readonly astray = new Map<string, number>();
  /** How the others stood to the primary when that was known last, by node. */
  readonly standings = new Map<string, Standing>();
  /**
   * When this life of the machine began with the running rejoin, when a node that is to stay as it is had stopped receiving, and when the script
   * was started; null before. `token`: of the script's result.
   */
  rejoinSinceMs: {
    readonly atMs: number;
    stillMs: number | null;
    sentMs: number | null;
    readonly token: string;
  } | null = null;
  #out: ArbiterAction[] = [];
  readonly #said = new Map<string, string>();

  constructor({ settings, rules, stored, instance, now, heardEpoch = 0 }: {
    readonly settings: ArbiterSettings;
    readonly rules: Rules;
    readonly stored: StoredRecord | null;
    readonly instance: number;
    readonly now: Moment;
    readonly heardEpoch?: number;
  }) {
    this.#triedEpoch = heardEpoch;
    this.rules = rules;
    this.now = now;
    this.stored = stored;
    this.instance = instance;
    this.instances = [instance];
    this.stepSinceMs = now.nowMs;
    this.calls = new Calls((action) => this.#out.push(action));
    this.settings = settings;
    this.configure(settings);
  }

  /** Another file: what is known of nodes that stay is kept. */
  configure(settings: ArbiterSettings): void {
    this.settings = settings;
    for (const name of this.nodes.keys()) {
      if (settings.nodes.some((node) => node.name === name)) continue;
      this.nodes.delete(name);
      this.#forget(name);
    }
    for (const node of settings.nodes) {
      const known = this.nodes.get(node.name);
      const isThere = known !== undefined && known.node.host === node.host && known.node.port === node.port;
      if (!isThere) this.#forget(node.name);
      this.nodes.set(node.name, {
        node,
        view: isThere ? known.view : null,
        inspected: isThere ? known.inspected : null,
        startingSinceMs: isThere ? known.startingSinceMs : this.now.nowMs,
      });
    }
  }

  /** What was asked of a server, and found there, is not so of another one; nor has a new session at the same one taken it over. */
  #forget(name: string): void {
    this.calls.forgetNode(name);
    this.frozen.delete(name);
  }

  /** The record that holds: what is confirmed. */
  get record(): ClusterRecord | null {
    if (this.rules.actsUnconfirmed() && this.writing !== null) return this.writing;
    return this.stored?.record ?? null;
  }

  act(action: ArbiterAction): void {
    this.#out.push(action);
  }

  /** The actions since the last call. */
  takeActions(): ArbiterAction[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  ask<V extends Verb>(node: string, verb: V, asking?: Asking): VerbResult<V["kind"]> | null {
    return this.calls.ask(node, verb, this.now.nowMs, asking);
  }

  /** Says a thing once, until something else is said under the same key. */
  say(level: ReportLevel, key: string, text: string, evidence: readonly string[] = []): void {
    if (this.#said.get(key) === text) return;
    this.#said.set(key, text);
    this.act({ kind: "report", level, text, evidence });
  }

  /** What was said last under a key; null for nothing. */
  lastSaid(key: string): string | null {
    return this.#said.get(key) ?? null;
  }

  /** What was said under a key may be said again. */
  unsay(key: string): void {
    this.#said.delete(key);
  }

  write(record: ClusterRecord): void {
    assert(this.writing === null, "a record is written while another one is");
    const primary = this.nodes.get(record.primary)?.node;
    const written = primary === undefined ? record : { ...record, address: addressOf(primary) };
    this.writing = written;
    this.#triedEpoch = Math.max(this.#triedEpoch, record.epoch);
    this.writingSinceMs = this.now.nowMs;
    this.act({ kind: "write", record: written, revision: this.stored?.revision ?? 0 });
  }

  /** What a node said last, to whoever asked; null where it has said nothing. */
  said(name: string): Said | null {
    const known = this.nodes.get(name);
    const view = known?.view?.said ?? null;
    const inspected = known?.inspected ?? null;
    if (view === null || inspected === null) return view ?? inspected;
    return inspected.askedMs >= view.askedMs ? inspected : view;
  }

  /**
   * What the primary says of its position, to whichever instance, is kept, whatever is being done: what a failover loses is counted from
   * there, also where who has heard it is gone by then.
   */
  notePosition(): void {
    const { record, seen } = this;
    if (record === null) return;
    const others = this.rules.heedsOthersSight() ? [...this.views, ...this.acknowledged.values()] : [];
    const heard = others.map(({ seen }) => seen);
    this.seen = furthest(record, [seen, positionOf(record, this.said(record.primary)), ...heard]) ?? seen;
  }

  /** The last position of a primary that any instance has seen; null where none has. */
  lastLsn(of: Pick<SeenPosition, "primary" | "timeline">): bigint | null {
    return furthest(of, [this.seen])?.lsn ?? null;
  }

  /** The same where it was asked after `sinceMs`, and answers. */
  fresh(name: string, sinceMs: number): Said | null {
    const said = this.said(name);
    return said !== null && said.askedMs >= sinceMs && this.isUp(name) ? said : null;
  }

  /** An inspection that was asked for after `sinceMs`; asks for one where there is none. */
  inspected(name: string, sinceMs: number, asking: Asking = { refreshMs: 200 }): Inspected | null {
    const inspected = this.nodes.get(name)?.inspected ?? null;
    if (inspected !== null && inspected.askedMs >= sinceMs) return inspected;
    this.ask(name, { kind: "inspect" }, asking);
    return null;
  }

  isUp(name: string): boolean {
    return this.nodes.get(name)?.view?.health === "up";
  }

  /** Whether a node's own words say that it belongs to the cluster. */
  isOwn(said: Pick<Said, "system">): boolean {
    const { record } = this;
    return record === null || this.rules.isSameSystem(said.system, record.system);
  }

  upstream(name: string): Upstream {
    const { host, port } = this.nodes.get(name)!.node;
    return { name, host, port };
  }

  /** The nodes of the file but this one. */
  others(name: string): Known[] {
    return [...this.nodes.values()].filter(({ node }) => node.name !== name);
  }

  /** The session of earlier deciders on a node is ended; whether that is done. */
  tookOver(node: string, epoch: number): boolean {
    if (!this.rules.takesOver()) return true;
    return this.ask(node, { kind: "takeOver", epoch, system: this.record!.system })?.ok === true;
  }

  /** Whether each instance holds its clients for the record's epoch. `known`: those of which the store has nothing any more are not waited for. */
  isHeld(epoch: number, { drained = false, known = false } = {}): boolean {
    if (!this.rules.awaitsAcknowledgements() || !this.rules.holdsClients()) return true;
    const isDrained = () => this.instances.every((id) => this.acknowledged.get(id)?.isDrained);
    const awaited = this.awaited(epoch).filter((id) => !known || id !== UNKNOWN_INSTANCE);
    return awaited.length === 0 && (!drained || isDrained());
  }

  /** The instances that do not say that they hold their clients for an epoch. */
  awaited(epoch: number): number[] {
    // What was said before a record was lost, of a higher epoch or of the same one, is about another move.
    const moveMs = this.record?.move?.startedAtMs ?? 0;
    const unknown = this.mayMissOne ? [UNKNOWN_INSTANCE] : [];
    return [...unknown, ...this.instances].filter((id) => {
      const ack = this.acknowledged.get(id);
      return ack?.epoch !== epoch || (ack.startedAtMs ?? moveMs) !== moveMs;
    });
  }

  /**
   * Puts a record back that somebody has removed, under an epoch of its own: of the one that is known, or of later ones that only others have heard
   * of, they may have said that they hold.
   */
  putBack(record: ClusterRecord): void {
    this.say("error", "store", "the record of the cluster is lost: it is written again");
    this.write({ ...record, epoch: Math.max(this.unusedEpoch, record.epoch + UNHEARD_EPOCHS) });
  }

  /** An epoch for which nobody can hold, as far as is known. */
  get unusedEpoch(): number {
    const held = [...this.acknowledged.values()].map(({ epoch }) => epoch);
    return Math.max(this.record?.epoch ?? 0, this.#triedEpoch, ...held) + 1;
  }

  /** Announces a move. `raises`: clients are held for it, under a new epoch. */
  begin(
    record: ClusterRecord,
    move: NewMove,
    moved: readonly string[],
  ): void {
    const { wallMs } = this.now;
    const isHeld = move.step !== "prepare";
    this.write({
      ...record,
      epoch: isHeld ? this.rules.nextEpoch(record.epoch) : record.epoch,
      phase: isHeld ? "moving" : "serving",
      move: begun(move, wallMs),
      moved: [...new Set([...record.moved, ...moved])],
    });
  }

  /** Announces the next step of a move. */
  step(record: ClusterRecord, move: Move, step: MoveStep, more: Partial<Move> = {}): void {
    const steps = [...move.steps, { step, atMs: this.now.wallMs }];
    const isRaised = move.step === "prepare";
    // FORCE of a switchover ends transactions; that of a failover accepts a loss.
    const isForced = move.isForced &&
      (step !== "recruit" || move.steps.some((past) => past.step === "recruit"));
    this.write({
      ...record,
      epoch: isRaised ? this.rules.nextEpoch(record.epoch) : record.epoch,
      phase: "moving",
      move: { ...move, cuts: false, isForced, ...more, step, steps },
    });
  }

  /** The transactions that run on the old primary are to be cut, everywhere. */
  cut(record: ClusterRecord, move: Move): void {
    this.write({ ...record, move: { ...move, cuts: true } });
  }

  /** The move is at its end: its candidate is the primary. */
  finish(
    record: ClusterRecord,
    move: Move,
    { primary, timeline }: { primary: string; timeline: number },
  ): void {
    const { wallMs } = this.now;
    this.write({
      ...record,
      phase: "serving",
      primary,
      timeline,
      sinceMs: wallMs,
      move: null,
      history: withPast(record, {
        ...move,
        epoch: record.epoch,
        outcome: "done",
        why: "",
        timeline,
        endedAtMs: wallMs,
      }),
      disowned: [...new Set([...record.disowned, ...move.abandoned])].filter((name) => name !== primary),
      rejoins: record.rejoins.filter(({ node }) => node !== primary),
      moved: record.moved.filter((name) => name !== primary),
    });
  }

  /** The move is given up: the primary is the one that it was. */
  undo(record: ClusterRecord, move: Move, why: string): void {
    this.write({
      ...record,
      phase: "serving",
      move: null,
      history: withPast(record, {
        ...move,
        epoch: record.epoch,
        outcome: "undone",
        why,
        timeline: record.timeline,
        endedAtMs: this.now.wallMs,
      }),
      disowned: [...new Set([...record.disowned, ...move.abandoned])],
    });
  }
}

/** A move before it begins. */
export type NewMove = Omit<Move, "steps" | "startedAtMs" | "cuts">;

/** A move that begins at this time of the wall clock. */
export function begun(move: NewMove, wallMs: number): Move {
  return { ...move, cuts: false, startedAtMs: wallMs, steps: [{ step: move.step, atMs: wallMs }] };
}

/** By which a node is known again under another name. */
export function addressOf({ host, port }: Pick<ArbiterNode, "host" | "port">): string {
  return `${host}:${port}`;
}

function withPast({ history }: ClusterRecord, past: PastMove): readonly PastMove[] {
  return [...history, past].slice(-HISTORY_MAX);
}
