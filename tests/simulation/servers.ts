import { fraction, type Random } from "../../src/kernel/mod.ts";
import type { Agenda } from "./agenda.ts";
import { ModelNode, type Reach } from "./model_node.ts";
import type { Plan } from "./plan.ts";

/** A broken invariant. */
export class Violation extends Error {
  override name = "Violation";
  /** `rule` is a word or two, the same for all of its kind. */
  constructor(readonly rule: string, detail: string) {
    super(`${rule}: ${detail}`);
  }
}

/** The store that instances share, as an end of a link. */
export const STORE = 9;

/** An instance as an end of a link; they are numbered from 0. */
export function placeOf(instance: number): number {
  return -1 - instance;
}

/** How often a standby without a connection looks for its upstream. */
const RECEIVER_MS = 400;

/** The servers of one cluster, the links between them, and streaming replication. */
export class Servers {
  readonly nodes: readonly ModelNode[];
  readonly agenda: Agenda;
  readonly #random: Random;
  readonly #plan: Plan;
  readonly #cut = new Map<number, number>();
  readonly #slow = new Map<number, number>();
  readonly #slowed = new Map<number, number>();
  readonly #broken = new Map<number, number>();
  readonly #shipping = new Set<ModelNode>();
  readonly tell: (text: string) => void;
  /** Called when connections to a node end. */
  onEnd: (node: ModelNode) => void = () => {};
  /** What pg_rewind does breaks off in the middle. */
  breaksRewinds = false;

  constructor({ agenda, random, plan, tell }: {
    readonly agenda: Agenda;
    readonly random: Random;
    readonly plan: Plan;
    readonly tell: (text: string) => void;
  }) {
    this.agenda = agenda;
    this.#random = random;
    this.#plan = plan;
    this.tell = tell;
    this.nodes = Array.from({ length: plan.nodes }, (_, id) =>
      new ModelNode({
        id,
        system: plan.foreign === id ? "999" : "111",
        priority: plan.priorities[id]!,
        promote: !plan.excluded.includes(id),
        canRunPrograms: plan.canRunPrograms,
        idleAgeMs: plan.idleAgeMs,
        receiverTimeoutMs: plan.receiverTimeoutMs,
        instances: plan.instances,
      }));
    const [first] = this.nodes;
    const base = first!.append(-1);
    for (const node of this.nodes) {
      node.names = plan.synchronous;
      if (node === first) continue;
      node.isStandby = true;
      if (plan.foreign === node.id) {
        node.log = [{ lsn: 1e9, item: -1 }];
        continue;
      }
      node.log = [base];
      node.replayed = 1;
      node.upstream = plan.cascaded === node.id ? this.nodes[1]! : first!;
      if (plan.delayed === node.id) node.applyDelayMs = 60_000;
    }
    for (const node of this.nodes) this.#receiverLoop(node);
  }

  between(low: number, high: number): number {
    return low + fraction(this.#random) * (high - low);
  }

  /** How long a message takes. */
  latencyMs(a: number, b: number): number {
    return 0.3 + fraction(this.#random) * 2 + (this.#slow.get(linkOf(a, b)) ?? 0);
  }

  isOpen(a: number, b: number): boolean {
    return (this.#cut.get(linkOf(a, b)) ?? 0) === 0;
  }

  /** When a link was last cut, mended or slowed down. */
  brokenMs(a: number, b: number): number {
    return this.#broken.get(linkOf(a, b)) ?? -1e9;
  }

  /** When a link was last made slow, or quick again. */
  slowedMs(a: number, b: number): number {
    return this.#slowed.get(linkOf(a, b)) ?? -1e9;
  }

  isSlow(a: number, b: number): boolean {
    return (this.#slow.get(linkOf(a, b)) ?? 0) > 0;
  }

  cut(a: number, b: number): void {
    this.#note();
    const link = linkOf(a, b);
    this.#cut.set(link, (this.#cut.get(link) ?? 0) + 1);
    this.#broken.set(link, this.agenda.nowMs);
    this.#look();
  }

  mend(a: number, b: number): void {
    this.#note();
    const link = linkOf(a, b);
    this.#cut.set(link, Math.max(0, (this.#cut.get(link) ?? 0) - 1));
    this.#broken.set(link, this.agenda.nowMs);
    this.#look();
  }

  slow(a: number, b: number, byMs: number): void {
    this.#slow.set(linkOf(a, b), byMs);
    this.#slowed.set(linkOf(a, b), this.agenda.nowMs);
    this.#broken.set(linkOf(a, b), this.agenda.nowMs);
  }

  mendAll(): void {
    this.#note();
    for (const links of [this.#cut, this.#slow]) {
      for (const link of links.keys()) this.#broken.set(link, this.agenda.nowMs);
      links.clear();
    }
    this.#look();
  }

  /** Something about a process changes: what receivers have heard until now is noted first. */
  change(node: ModelNode, change: () => void): void {
    this.#note();
    change();
    node.disturb(this.agenda.nowMs);
    this.#look();
  }

  #note(): void {
    for (const { receiver, options } of this.nodes) {
      if (receiver !== null && receiver.brokenMs === null) {
        receiver.heardMs = Math.max(receiver.heardMs, this.agenda.nowMs - options.idleAgeMs);
      }
    }
  }

  #look(): void {
    for (const node of this.nodes) {
      for (const [instance, reach] of node.reach.entries()) this.#lookFrom(instance, node, reach);
    }
    for (const node of this.nodes) {
      const { receiver } = node;
      if (receiver === null) continue;
      const { from } = receiver;
      const isWhole = this.isOpen(node.id, from.id) && from.process === "running";
      if (from.process === "dead") this.disconnect(node);
      else if (!isWhole) receiver.brokenMs ??= this.agenda.nowMs;
      else if (receiver.brokenMs !== null) {
        receiver.brokenMs = null;
        this.ship(from);
      }
    }
  }

  #lookFrom(instance: number, node: ModelNode, reach: Reach): void {
    const { nowMs } = this.agenda;
    if (node.isServing(nowMs) && this.isOpen(placeOf(instance), node.id)) reach.backMs ??= nowMs;
    else if (reach.backMs !== null) {
      // Who was there for a moment only may not have been heard.
      if (nowMs - reach.backMs >= 3_000) reach.lostMs = nowMs;
      reach.backMs = null;
    }
  }

  disconnect(node: ModelNode): void {
    node.receiver?.from.acks.delete(node);
    node.receiver = null;
  }

  /** A standby connects, or finds that its connection is silent for too long. */
  #receiverLoop(node: ModelNode): void {
    this.connect(node);
    this.agenda.after(RECEIVER_MS, () => this.#receiverLoop(node));
  }

  connect(node: ModelNode): void {
    const { nowMs } = this.agenda;
    const { receiver, upstream } = node;
    if (receiver !== null) {
      const isLost = receiver.brokenMs !== null && nowMs - receiver.heardMs > node.options.receiverTimeoutMs;
      if (isLost && node.process === "running") this.disconnect(node);
      return;
    }
    if (!node.isStandby || !node.isServing(nowMs) || upstream === null || node.promotePending) return;
    if (!upstream.isServing(nowMs) || !this.isOpen(node.id, upstream.id)) return;
    if (upstream.options.system !== node.options.system || !node.fits(upstream)) return;
    if (node.isCorrupt) {
      throw new Violation("rows diverge", `${node.name} streams, and has rows that its upstream never had`);
    }
    node.receiver = { from: upstream, timeline: upstream.timeline, heardMs: nowMs, brokenMs: null };
    if (node.timeline !== upstream.timeline) {
      node.timeline = upstream.timeline;
      node.forks = [...upstream.forks];
    }
    upstream.acks.set(node, node.lsn);
    this.ship(upstream);
    this.#acknowledge(node, upstream);
  }

  /** What a node has is sent to whoever receives from it. */
  ship(from: ModelNode): void {
    for (const node of this.nodes) {
      if (node.receiver?.from !== from || this.#shipping.has(node)) continue;
      this.#shipping.add(node);
      this.agenda.after(this.latencyMs(from.id, node.id), () => {
        this.#shipping.delete(node);
        this.#arrive(from, node);
      });
    }
  }

  #arrive(from: ModelNode, node: ModelNode): void {
    const { receiver } = node;
    if (receiver?.from !== from || node.process !== "running" || !this.isOpen(from.id, node.id)) return;
    if (from.timeline !== receiver.timeline || !node.fits(from)) return this.disconnect(node);
    if (from.process === "stopped") return;
    if (node.log.length < from.log.length) node.receivedMs = this.agenda.nowMs;
    for (let at = node.log.length; at < from.log.length; at++) node.log.push(from.log[at]!);
    receiver.heardMs = this.agenda.nowMs;
    this.#replay(node);
    this.#acknowledge(node, from);
    this.ship(node);
  }

  #acknowledge(node: ModelNode, to: ModelNode): void {
    const lsn = node.lsn;
    this.agenda.after(this.latencyMs(node.id, to.id), () => {
      if (node.receiver?.from !== to || !this.isOpen(node.id, to.id) || to.process !== "running") return;
      to.acks.set(node, Math.max(lsn, to.acks.get(node) ?? 0));
      to.settleWaiting();
    });
  }

  #replay(node: ModelNode): void {
    if (node.isPaused || node.applyDelayMs > 0) return;
    node.replayed = node.log.length;
  }

  /** The postmaster dies, and all with it; with `zombie` busy backends live on for two seconds. */
  kill(node: ModelNode, { zombie = false } = {}): void {
    if (node.process === "dead") return;
    this.change(node, () => {
      node.process = "dead";
      node.zombieUntilMs = zombie ? this.agenda.nowMs + 2_000 : 0;
      this.disconnect(node);
      node.acks.clear();
      node.waiting = [];
      node.inbox = [];
      node.openTransactions = 0;
      node.promotePending = false;
      node.sessions.clear();
    });
    this.onEnd(node);
  }

  /** It starts; a primary recovers from its crash, and writes a checkpoint at the end. */
  start(node: ModelNode, startMs: number): void {
    if (node.process !== "dead" || node.isWrecked) return;
    this.change(node, () => {
      node.process = "running";
      node.zombieUntilMs = 0;
      // Who dies while it starts, or within a second of that, and starts again, was not seen to be up.
      if (this.agenda.nowMs - node.startingUntilMs > 1_000) node.startingSinceMs = this.agenda.nowMs;
      node.startingUntilMs = this.agenda.nowMs + startMs;
    });
    const until = node.startingUntilMs;
    this.agenda.after(startMs + 0.001, () => {
      if (node.process !== "running" || node.startingUntilMs !== until) return;
      if (!node.isStandby) node.append(-1);
      else if (!node.isPaused && node.applyDelayMs === 0) node.replayed = node.log.length;
      node.disturb(this.agenda.nowMs);
      this.tell(
        `${node.name} is up as a ${node.isStandby ? "standby" : "primary"} on timeline ${node.timeline}`,
      );
    });
  }

  stop(node: ModelNode): void {
    if (node.process !== "running") return;
    this.change(node, () => node.process = "stopped");
  }

  /** It goes on with what came meanwhile. */
  go(node: ModelNode): void {
    if (node.process !== "stopped") return;
    this.change(node, () => node.process = "running");
    const { inbox } = node;
    node.inbox = [];
    for (const run of inbox) run();
    node.settleWaiting();
    this.ship(node);
  }

  /** Runs where the node is; what reaches a stopped one waits. `null`: nobody is there. */
  at(node: ModelNode, run: (isLate: boolean) => void): boolean {
    if (node.process === "dead") return false;
    if (node.process === "stopped") node.inbox.push(() => run(true));
    else run(false);
    return true;
  }

  /** Somebody promotes it past pgplex. */
  promoteByHand(node: ModelNode): void {
    node.disturb(this.agenda.nowMs);
    node.isPromotedByHand = true;
    this.beginPromotion(node);
  }

  /** pg_promote: at once, or when replay has come so far. */
  beginPromotion(node: ModelNode): void {
    if (!node.isStandby || node.promotePending) return;
    node.promotePending = true;
    const delayMs = fraction(this.#random) < 0.1 ? this.between(500, 9_000) : this.between(50, 150);
    const finish = () => {
      if (!node.promotePending || node.process === "dead") return;
      if (node.process === "stopped") {
        node.inbox.push(finish);
        return;
      }
      if (node.receiver !== null) this.disconnect(node);
      node.finishPromotion();
      node.promotedMs = this.agenda.nowMs;
      this.tell(`${node.name} has promoted itself: timeline ${node.timeline}`);
      // The checkpoint behind a promotion comes by itself, later.
      const { timeline } = node;
      this.agenda.after(this.between(1_000, 3_000), () => {
        if (node.timeline === timeline && node.process === "running") node.checkpointTimeline = timeline;
      });
    };
    this.agenda.after(delayMs, finish);
  }

  /** A fast shutdown, whose checkpoint goes to whoever is connected, and a start as a standby. */
  demote(node: ModelNode, upstream: ModelNode): void {
    if (node.isStandby) return;
    const { nowMs } = this.agenda;
    node.append(-1);
    for (const other of this.nodes) {
      const { receiver } = other;
      if (receiver?.from !== node || receiver.brokenMs !== null || other.process !== "running") continue;
      if (!other.fits(node)) continue;
      for (let at = other.log.length; at < node.log.length; at++) other.log.push(node.log[at]!);
      this.#replay(other);
    }
    this.kill(node);
    node.isStandby = true;
    node.upstream = upstream;
    this.start(node, this.between(150, 240));
    node.disturb(nowMs);
  }

  /** The detached script: stop, rewind, start. */
  rejoin(
    node: ModelNode,
    { upstream, mode, token = "" }: { upstream: ModelNode; mode: "standby" | "rewind"; token?: string },
  ): void {
    node.rejoin = { token, state: "running", reason: "" };
    this.kill(node);
    const fail = (reason: string) => {
      node.rejoin = { token, state: "failed", reason };
      this.tell(`the rejoin of ${node.name} fails: ${reason}`);
    };
    this.agenda.after(this.between(500, 4_000), () => {
      if (node.process !== "dead") return fail("it was started by something else");
      if (mode === "rewind") {
        if (
          !upstream.isServing(this.agenda.nowMs) || upstream.isStandby || !this.isOpen(node.id, upstream.id)
        ) {
          return fail("the source does not answer");
        }
        if (this.breaksRewinds) {
          node.isWrecked = true;
          return fail("pg_rewind broke off");
        }
        this.#rewind(node, upstream);
      }
      node.isStandby = true;
      node.upstream = upstream;
      node.rejoin = { token, state: "done", reason: "" };
      this.start(node, this.between(100, 500));
    });
  }

  /** A person makes it anew from the primary. */
  baseBackup(node: ModelNode, upstream: ModelNode): void {
    this.kill(node);
    node.log = [...upstream.log];
    node.timeline = upstream.timeline;
    node.forks = [...upstream.forks];
    node.isStandby = true;
    node.isCorrupt = false;
    node.isWrecked = false;
    node.isFenced = false;
    node.upstream = upstream;
    this.start(node, 500);
  }

  /** Another cluster's server is started in a node's place. */
  replace(node: ModelNode, asStandby: boolean): void {
    this.kill(node);
    node.replaced = node.kept;
    const { options, timeline } = node;
    Object.assign(node, {
      options: { ...options, system: "777" },
      log: [{ lsn: 1e9, item: -1 }],
      timeline: fraction(this.#random) < 0.5 ? timeline : 1,
      forks: [],
      isStandby: asStandby,
      upstream: null,
      names: null,
      isFenced: false,
      replayed: 1,
    });
    this.start(node, 200);
  }

  /** Its own is there again. */
  restore(node: ModelNode): void {
    const { replaced } = node;
    if (replaced === null) return;
    this.kill(node);
    Object.assign(node, replaced);
    node.replaced = null;
    this.start(node, 200);
  }

  #rewind(node: ModelNode, upstream: ModelNode): void {
    let common = 0;
    while (common < node.log.length && node.log[common] === upstream.log[common]) common++;
    const hasDiverged = common < node.log.length;
    // Before the source's checkpoint its control file names the old timeline, and no rewind seems to be needed.
    if (hasDiverged && upstream.checkpointTimeline === node.timeline) node.isCorrupt = true;
    // It copies settings that lie in the data directory as well.
    node.log = upstream.log.slice(0, common);
    const fork = upstream.forks.find(([, lsn]) => lsn >= node.lsn);
    node.timeline = fork?.[0] ?? upstream.timeline;
    node.forks = upstream.forks.filter(([left]) => left < node.timeline);
    node.replayed = node.log.length;
  }

  /** The servers that a supervisor looks after. */
  get plan(): Plan {
    return this.#plan;
  }
}

function linkOf(a: number, b: number): number {
  return a < b ? (a + 8) * 32 + b + 8 : (b + 8) * 32 + a + 8;
}
