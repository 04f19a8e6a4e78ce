import type { Clock } from "../../src/kernel/mod.ts";
import type { Verb, VerbResult } from "../../src/arbiter/mod.ts";
import type { Invariants } from "./invariants.ts";
import type { ModelNode, NodeSession } from "./model_node.ts";
import { placeOf, type Servers } from "./servers.ts";

/** What a runner needs of its instance. */
export interface RunnerParts {
  readonly instance: number;
  /** Of the life of the instance. */
  readonly life: number;
  readonly clock: Clock;
  readonly servers: Servers;
  readonly invariants: Invariants;
  /** Runs what comes to this life of the instance; while it is asleep that waits. */
  readonly enter: (run: () => void) => void;
  /** Whether the answer of a verb is lost. */
  readonly isLost: () => boolean;
  readonly tell: (text: string) => void;
}

/** How long verbs take at most. */
const LIMITS_MS: Partial<Record<Verb["kind"], number>> = { checkpoint: 30_000, fence: 5_000, witness: 4_000 };

/** A connection that is not there behind this time is given up. */
const CONNECT_MS = 2_000;

/** Verbs that change nothing. */
const LOOKS: readonly Verb["kind"][] = ["inspect", "witness", "rejoinState"];

/** Verbs that need room on the node's disk. */
const WRITES: readonly Verb["kind"][] = [
  "freeze",
  "repoint",
  "fence",
  "unfence",
  "checkpoint",
  "demote",
  "rejoin",
  "synchronousNames",
];

/** When a verb was asked for, in true time and by the clock of its instance. */
interface Asked {
  readonly atMs: number;
  readonly askedMs: number;
}

type Reply = (result: VerbResult, delayMs?: number) => void;

/** One arbiter's session on a model node: opened when a verb needs it, ended by a later arbiter's claim. */
export class ModelRunner {
  readonly #node: ModelNode;
  readonly #parts: RunnerParts;
  #session: NodeSession | null = null;
  #epoch: number | null = null;
  #system: string | null = null;
  #isClosed = false;
  /** What waits for a connection. */
  readonly #waiting: { readonly go: () => void; readonly failed: (result: VerbResult) => void }[] = [];

  constructor(node: ModelNode, parts: RunnerParts) {
    this.#node = node;
    this.#parts = parts;
  }

  close(): void {
    this.#isClosed = true;
    const session = this.#session;
    if (session !== null) this.#there(() => this.#node.sessions.delete(session));
  }

  run(verb: Verb): Promise<VerbResult> {
    const { clock, tell } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<VerbResult>();
    if (verb.kind !== "inspect") tell(`  ${verb.kind} at ${this.#node.name}`);
    const limitMs = verb.kind === "promote" ? verb.timeoutMs : LIMITS_MS[verb.kind] ?? 3_000;
    const asked: Asked = { atMs: this.#parts.servers.agenda.nowMs, askedMs: clock.nowMs() };
    let isOver = false;
    const end = (result: VerbResult) => {
      isOver = true;
      timer.cancel();
      resolve(result);
    };
    const timer = clock.after(
      limitMs,
      () => end({ ok: false, kind: "unknown", reason: "no answer in time" }),
    );
    // Of what comes back something may be lost; what was asked for is done all the same.
    const answer = (result: VerbResult) => {
      if (!isOver && !this.#parts.isLost()) end(result);
    };
    this.#connected(verb, answer, () => {
      if (!isOver) this.#send(verb, { ...asked, answer });
    });
    return promise;
  }

  /** Calls `run` at the node, a while later, if it can be reached then; what comes to a stopped one waits. */
  #there(run: (isLate: boolean) => void, isRefused: () => void = () => {}): void {
    const { servers, instance } = this.#parts;
    const [place, node] = [placeOf(instance), this.#node];
    servers.agenda.after(servers.latencyMs(place, node.id), () => {
      if (servers.isOpen(place, node.id) && !servers.at(node, run)) isRefused();
    });
  }

  /** What a node has said comes back, if it can. */
  #back(run: () => void, delayMs = 0): void {
    const { servers, instance, enter } = this.#parts;
    const [place, node] = [placeOf(instance), this.#node];
    servers.agenda.after(delayMs + servers.latencyMs(place, node.id), () => {
      if (servers.isOpen(place, node.id) && node.process !== "stopped") enter(run);
    });
  }

  #connected(verb: Verb, answer: (result: VerbResult) => void, go: () => void): void {
    const node = this.#node;
    const { servers, instance } = this.#parts;
    const session = this.#session;
    if (session !== null && node.sessions.has(session)) return go();
    // One connection is opened at a time.
    const waiting = { go, failed: (result: VerbResult) => answer(result) };
    this.#waiting.push(waiting);
    if (this.#waiting.length > 1) return;
    const takeWaiting = () => this.#waiting.splice(0);
    this.#parts.clock.after(CONNECT_MS, () => {
      if (this.#waiting[0] === waiting) takeWaiting();
    });
    const failed = (reason: string, kind: "failed" | "refused" = "failed") =>
      this.#back(() => {
        for (const one of takeWaiting()) one.failed({ ok: false, kind, reason });
      });
    const isFirst = verb.kind === "takeOver";
    this.#there(() => {
      if (!node.isServing(servers.agenda.nowMs)) return failed("57P03 the database system is starting up");
      const epoch = isFirst ? null : this.#epoch;
      const isTaken = epoch !== null && [...node.sessions].some((other) =>
        other.epoch !== null &&
        (other.epoch > epoch || (other.epoch === epoch && other.instance !== instance))
      );
      if (isTaken) return failed("another arbiter has the node", "refused");
      if (epoch !== null && node.options.system !== this.#system) {
        return failed("it belongs to another cluster", "refused");
      }
      const opened: NodeSession = { instance, epoch };
      node.sessions.add(opened);
      this.#back(() => {
        if (this.#isClosed) return void node.sessions.delete(opened);
        this.#session = opened;
        for (const one of takeWaiting()) one.go();
      });
    }, () => failed("connection refused"));
  }

  #send(
    verb: Verb,
    { atMs, askedMs, answer }: Asked & { readonly answer: (result: VerbResult) => void },
  ): void {
    const node = this.#node;
    const { instance, life, servers, invariants } = this.#parts;
    const session = this.#session!;
    const isAct = !LOOKS.includes(verb.kind);
    if (isAct) invariants.acts(instance, node, verb);
    const reply: Reply = (result, delayMs = 0) => this.#back(() => answer(result), delayMs);
    this.#there((isLate) => {
      if (!node.isServing(servers.agenda.nowMs)) {
        return reply({ ok: false, kind: "failed", reason: "57P03 the database system is starting up" });
      }
      // A session that was ended executes nothing any more.
      if (!node.sessions.has(session)) return;
      if (verb.kind === "takeOver") return this.#takeOver(session, verb, reply);
      const isOwned = session.epoch !== null;
      invariants.executes(node, verb, { instance, life, isLate, isOwned, askedMs: atMs });
      this.#execute(verb, { askedMs, reply });
    }, () => answer({ ok: false, kind: "failed", reason: "connection refused" }));
  }

  #takeOver(
    session: NodeSession,
    { epoch, system }: Verb & { readonly kind: "takeOver" },
    reply: Reply,
  ): void {
    const { sessions, options } = this.#node;
    if (options.system !== system) {
      sessions.delete(session);
      return reply({ ok: false, kind: "refused", reason: "it belongs to another cluster" });
    }
    const later = [...sessions].find((other) => other !== session && (other.epoch ?? 0) > epoch);
    if (later !== undefined) {
      sessions.delete(session);
      return reply({ ok: false, kind: "refused", reason: `another arbiter has the node: ${later.epoch}` });
    }
    sessions.clear();
    sessions.add(session);
    session.epoch = epoch;
    this.#epoch = epoch;
    this.#system = system;
    reply({ ok: true });
  }

  #execute(verb: Verb, { askedMs, reply }: { readonly askedMs: number; readonly reply: Reply }): void {
    const node = this.#node;
    const { servers } = this.#parts;
    const { agenda } = servers;
    if (node.isFull && WRITES.includes(verb.kind)) {
      return reply({ ok: false, kind: "refused", reason: "53100 no space left on device" });
    }
    const upstreamOf = ({ name }: { readonly name: string }) =>
      servers.nodes.find((one) => one.name === name)!;
    switch (verb.kind) {
      case "takeOver":
        return;
      case "inspect":
        return reply({ ok: true, inspected: node.inspected(askedMs, agenda.nowMs) });
      case "freeze":
        if (!node.isStandby) return reply({ ok: false, kind: "refused", reason: "it is no standby" });
        return agenda.after(servers.between(10, 30), () => {
          if (!node.isStandby || node.process !== "running") return;
          node.upstream = null;
          servers.disconnect(node);
          const [lsn, replayLsn] = [BigInt(node.lsn), BigInt(node.replayLsn)];
          const { timeline } = node;
          const isReplayed = lsn === replayLsn;
          const frozen = { lsn, replayLsn, timeline, isReplayed, xidWatermark: "1" };
          reply({ ok: true, frozen, system: node.options.system });
        });
      case "repoint":
        if (!node.isStandby) return reply({ ok: false, kind: "refused", reason: "it is no standby" });
        node.upstream = upstreamOf(verb.upstream);
        servers.disconnect(node);
        agenda.after(servers.between(20, 60), () => servers.connect(node));
        return reply({ ok: true }, 30);
      case "promote": {
        if (!node.isStandby) {
          return reply({ ok: false, kind: "refused", reason: "55000 recovery is not in progress" });
        }
        servers.beginPromotion(node);
        const look = () => {
          if (node.process === "dead") {
            return reply({ ok: false, kind: "unknown", reason: "the connection broke" });
          }
          if (!node.isStandby) return reply({ ok: true, timeline: node.timeline });
          agenda.after(50, look);
        };
        return look();
      }
      case "fence":
        node.isFenced = true;
        return reply({ ok: true }, 40);
      case "unfence":
        node.isFenced = false;
        return reply({ ok: true });
      case "endSessions":
        return reply({ ok: true, count: node.openTransactions });
      case "checkpoint":
        if (!node.isStandby) node.append(-1);
        node.checkpointTimeline = node.timeline;
        servers.ship(node);
        return reply({ ok: true }, 20);
      case "demote":
        reply({ ok: true });
        return agenda.after(30, () => {
          if (node.process === "running") servers.demote(node, upstreamOf(verb.upstream));
        });
      case "stayPrimary":
        if (node.isStandby) return reply({ ok: false, kind: "refused", reason: "it is a standby already" });
        return reply({ ok: true });
      case "rejoin":
        reply({ ok: true });
        return agenda.after(30, () => {
          if (node.process === "running") {
            const { mode, token } = verb;
            servers.rejoin(node, { upstream: upstreamOf(verb.upstream), mode, token });
          }
        });
      case "rejoinState":
        return reply(
          verb.token === "" || verb.token === node.rejoin.token
            ? { ok: true, ...node.rejoin }
            : { ok: true, state: "none", reason: "" },
        );
      case "witness": {
        if (!node.options.canRunPrograms) {
          return reply({ ok: false, kind: "not possible", reason: "no right to run programs" });
        }
        const of = upstreamOf(verb.of);
        // One that is starting rejects connections: it is there.
        const isUp = servers.isOpen(node.id, of.id) && of.process === "running";
        const isRefused = servers.isOpen(node.id, of.id) && of.process === "dead";
        return reply({ ok: true, sees: isUp ? "up" : "down" }, isUp || isRefused ? 10 : 2_000);
      }
      case "synchronousNames":
      case "recordEpoch":
        return reply({ ok: true });
    }
  }
}
