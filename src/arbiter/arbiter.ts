import { adopt, adoptHeld, rename } from "./adopt.ts";
import type { ArbiterAction, ArbiterEvent, Command, Moment } from "./events.ts";
import { promote, recruit } from "./failover.ts";
import {
  type ClusterRecord,
  isAdoption,
  lastFailover,
  type Move,
  type StoredRecord,
  whyBusy,
} from "./record.ts";
import { beginRejoin, rejoin } from "./rejoin.ts";
import { RULES, type Rules } from "./rules.ts";
import type { ArbiterSettings } from "./settings.ts";
import { beginFailover, failOver, follow, followHeld, noteSynchronous } from "./steady.ts";
import { beginSwitchover, demote, hold, prepare, takeBackFound } from "./switchover.ts";
import { showingOf, Shown } from "./showing.ts";
import type { NodeCondition } from "./standing.ts";
import { conditionOf, tend } from "./tend.ts";
import { UNKNOWN_INSTANCE } from "./views.ts";
import { type KnownEnd, type Wish, Work } from "./work.ts";

/** A write of which nobody tells is unknown behind this time. */
const WRITE_MS = 5_000;

/** A write that has failed is tried again behind this time. */
const WRITE_RETRY_MS = 1_000;

/** How long a command may wait for what it needs to know. */
const COMMAND_MS = 10_000;

/** How often time is told while something moves, and while nothing does. */
const [BUSY_MS, QUIET_MS] = [50, 500];

/** What an {@link Arbiter} is made of. */
export interface ArbiterOptions {
  readonly settings: ArbiterSettings;
  /** What is in the store; null: nothing is. */
  readonly stored: StoredRecord | null;
  /** The id of this instance. */
  readonly instance: number;
  readonly now: Moment;
  /** The last automatic failover of whose end this instance has heard; null: none. */
  readonly ended?: KnownEnd | null;
  /** The highest epoch of any record that this instance has heard of. */
  readonly heardEpoch?: number;
  /** For tests: what is left out. */
  readonly rules?: Rules;
}

/** {@link UNKNOWN_INSTANCE}, for people. */
const UNKNOWN = "one that the store does not show any more, to lose its lease";

interface Asked extends Wish {
  readonly command: Command;
  sinceMs: number;
}

/**
 * Decides for one cluster who its primary is. Events and time go in, actions come out; between two events nothing happens. It keeps
 * nothing that a crash may not take: whoever begins with the stored record goes on with its step, or takes it back.
 */
export class Arbiter {
  readonly #work: Work;
  #commands: Asked[] = [];
  #stepKey = "";
  readonly #shown = new Shown();
  #retryMs = 0;
  /** When a write of which nobody tells was looked up last. */
  #lookedMs = 0;
  #withinMs = 0;

  constructor(
    { settings, stored, instance, now, ended = null, heardEpoch = 0, rules = RULES }: ArbiterOptions,
  ) {
    this.#work = new Work({ settings, rules, stored, instance, now, heardEpoch });
    this.#work.ended = ended;
  }

  /** The record that is confirmed; null where there is none. */
  get record(): ClusterRecord | null {
    return this.#work.stored?.record ?? null;
  }

  /** The same with its revision. */
  get stored(): StoredRecord | null {
    return this.#work.stored;
  }

  /** What there is to say of a node besides its role; null: nothing. */
  conditionOf(node: string): NodeCondition | null {
    const { record } = this;
    return record === null ? null : conditionOf(this.#work, record, node);
  }

  /** When `time` is to be told at the latest, in clock milliseconds. */
  get dueMs(): number {
    const { record, writing, now: { nowMs }, nodes } = this.#work;
    const isBusy = writing !== null || record === null || record.move !== null || this.#commands.length > 0 ||
      nodes.get(record.primary)?.view?.health !== "up" ||
      record.rejoins.some(({ state }) => state === "running");
    return nowMs + (isBusy ? BUSY_MS : QUIET_MS);
  }

  /** Another file is in force. */
  configure(settings: ArbiterSettings, now: Moment): ArbiterAction[] {
    this.#work.now = now;
    this.#work.configure(settings);
    this.#advance();
    return this.#work.takeActions();
  }

  /** Something has happened; the actions are to be begun in this order. */
  input(event: ArbiterEvent, now: Moment): ArbiterAction[] {
    this.#work.now = now;
    this.#absorb(event);
    this.#advance();
    return this.#work.takeActions();
  }

  #absorb(event: ArbiterEvent): void {
    const work = this.#work;
    const { nowMs } = work.now;
    switch (event.kind) {
      case "time":
        work.calls.tick(nowMs);
        if (work.writing !== null && nowMs - Math.max(work.writingSinceMs, this.#lookedMs) >= WRITE_MS) {
          this.#lookedMs = nowMs;
          work.act({ kind: "read" });
        }
        return;
      case "view": {
        const known = work.nodes.get(event.view.node);
        if (known === undefined) return;
        if (known.view?.health !== "starting") known.startingSinceMs = nowMs;
        known.view = event.view;
        return;
      }
      case "result":
        if (event.result.ok && "inspected" in event.result) this.#inspected(event.id, event.result.inspected);
        return work.calls.ended(event.id, event.result, nowMs);
      case "written":
        if (work.writing === null) return;
        work.stored = { revision: event.revision, record: work.writing };
        work.writing = null;
        return work.unsay("store");
      case "write failed":
        work.writing = null;
        this.#retryMs = nowMs + WRITE_RETRY_MS;
        return work.say("error", "store", `the record of the cluster cannot be written: ${event.reason}`);
      case "write unknown": {
        const text = `it is not known whether the record of the cluster is written: ${event.reason}`;
        work.say("warning", "store", text);
        return work.act({ kind: "read" });
      }
      case "record":
        work.writing = null;
        work.unsay("store");
        if (event.stored !== null) work.stored = event.stored;
        else if (work.stored !== null) work.stored = { revision: 0, record: work.stored.record };
        return;
      case "instances":
        work.instances = event.ids.filter((id) => id !== UNKNOWN_INSTANCE);
        work.mayMissOne = event.ids.includes(UNKNOWN_INSTANCE);
        return;
      case "views":
        work.views = event.views;
        return;
      case "acknowledged":
        work.acknowledged.set(event.instance, event);
        return;
      case "command":
        this.#commands.push({ id: event.id, by: event.by, command: event.command, sinceMs: nowMs });
        return;
    }
  }

  #inspected(id: number, inspected: NonNullable<ReturnType<Work["inspected"]>>): void {
    const node = this.#work.calls.nodeOf(id);
    const known = node === null ? undefined : this.#work.nodes.get(node);
    if (known === undefined) return;
    if (known.inspected === null || known.inspected.askedMs <= inspected.askedMs) known.inspected = inspected;
  }

  #advance(): void {
    const work = this.#work;
    this.#enter();
    work.notePosition();
    this.#show();
    if (work.writing !== null) return this.#answerUnwritten();
    if (work.now.nowMs < this.#retryMs) return;
    const { record } = work;
    // Who starts now finds nothing: it is put back before anything else.
    if (record !== null && work.stored?.revision === 0) return work.putBack(record);
    if (record?.move === null) {
      this.#answerWish("it could not be announced, so nothing has changed: try again");
    }
    if (record === null) this.#obeyWithoutRecord();
    else this.#decide(record);
    if (!work.rules.actsUnconfirmed()) return;
    this.#enter();
    this.#show();
  }

  /** Another step, or another epoch: what was asked before counts no more. */
  #enter(): void {
    const work = this.#work;
    const { record } = work;
    if (record === null) return;
    const { move, epoch } = record;
    const key = `${epoch}/${move?.step ?? "serving"}/${move?.candidate ?? ""}/${move?.abandoned.length ?? 0}`;
    if (key === this.#stepKey) return;
    const isEnd = move === null && this.#stepKey !== "";
    this.#stepKey = key;
    work.calls.reset();
    work.stepSinceMs = work.now.nowMs;
    work.confirmedSinceMs = null;
    work.heldSinceMs = null;
    work.missing = null;
    work.demotedSinceMs = null;
    if (move === null) work.frozen.clear();
    if (move?.step !== "promote") work.unasked = null;
    if (move !== null) work.rejoinSinceMs = null;
    for (const name of ["choice", "move", "follow", "death", "hold"]) work.unsay(name);
    if (isEnd) this.#ended(record);
  }

  /** A move has come to its end: whoever asked for it hears so. */
  #ended(record: ClusterRecord): void {
    const work = this.#work;
    const past = record.history.at(-1);
    if (past === undefined || past.epoch !== record.epoch) return;
    if (past === lastFailover(record)) work.ended = { epoch: past.epoch, atMs: work.now.nowMs };
    const steps = past.steps.map(({ step, atMs }, at) =>
      `${step} ${(past.steps[at + 1]?.atMs ?? past.endedAtMs) - atMs} ms`
    ).join(", ");
    const lost = past.lostBytes === null ? "unknown" : `${past.lostBytes}`;
    const ok = past.outcome === "done";
    const text = ok
      ? `${record.primary} is the primary, on timeline ${record.timeline} (${steps}; bytes lost: ${lost})`
      : `nothing has changed, ${record.primary} is the primary: ${past.why} (${steps})`;
    work.act({
      kind: "report",
      level: ok ? "info" : "warning",
      text: `${past.kind}: ${text}`,
      evidence: past.evidence,
    });
    if (work.wish !== null) work.act({ kind: "answer", id: work.wish.id, ok, text });
    work.wish = null;
  }

  /** Tells the clients what the record means for them. */
  #show(): void {
    const work = this.#work;
    const { record } = work;
    const said = record !== null && work.isUp(record.primary) ? work.said(record.primary) : null;
    const showing = showingOf(record, said, work.rules);
    if (showing.kind === "hold" && record?.phase === "moving" && !work.rules.holdsClients()) return;
    if (this.#shown.isNew(showing)) work.act(showing);
  }

  #decide(record: ClusterRecord): void {
    const work = this.#work;
    const { move } = record;
    if (this.#obey(record)) return;
    if (move !== null) return this.#move(record, move);
    if (rename(work, record)) return;
    if (noteSynchronous(work, record) || follow(work, record)) return;
    if (failOver(work, record)) return;
    if (tend(work, record)) return;
    rejoin(work, record);
  }

  #move(record: ClusterRecord, move: Move): void {
    const work = this.#work;
    const isFound = move.kind === "switchover" && work.wish === null &&
      (move.step === "prepare" || move.step === "hold");
    if (isFound) return takeBackFound(work, record, move);
    // Clients commit yet: by whose acknowledgement counts where the move fails later.
    if ((move.step === "prepare" || move.step === "hold") && noteSynchronous(work, record)) return;
    this.#sayWhoIsAwaited(record);
    switch (move.step) {
      case "prepare":
        return prepare(work, record, move);
      case "hold":
        if (isAdoption(move)) return adoptHeld(work, record);
        if (move.kind === "follow") return followHeld(work, record, move);
        return hold(work, record, move, this.#withinMs || work.settings.switchoverTimeoutMs);
      case "recruit":
        recruit(work, record, move);
        return this.#answerLate(COMMAND_MS);
      case "demote":
      case "fence":
        demote(work, record, move);
        return this.#answerLate(2 * COMMAND_MS);
      case "promote":
        promote(work, record, move);
        return this.#answerLate(work.settings.promoteTimeoutMs);
    }
  }

  /** An instance that does not answer is waited for until its lease ends; one that cannot hold its clients for longer. */
  #sayWhoIsAwaited({ phase, epoch }: ClusterRecord): void {
    const work = this.#work;
    const isLate = work.now.nowMs - work.stepSinceMs >= work.settings.failureTimeoutMs;
    const awaited = phase === "moving" && isLate ? work.awaited(epoch) : [];
    if (awaited.length === 0) return work.unsay("hold");
    const who = awaited.includes(UNKNOWN_INSTANCE)
      ? UNKNOWN
      : `instance ${awaited.join(", ")}, to hold its clients or to lose its lease`;
    work.say("warning", "hold", `waiting for ${who}`);
  }

  /** Whoever waits for a step that stands still hears why; the move goes on as soon as that changes. */
  #answerLate(limitMs: number): void {
    const work = this.#work;
    if (work.writing !== null || work.now.nowMs - work.stepSinceMs <= limitMs) return;
    const said = work.lastSaid("choice") ?? work.lastSaid("move") ?? work.lastSaid("hold");
    const why = said ?? "the nodes do not answer in time";
    const isOpen = work.record?.move?.step === "recruit";
    const end = isOpen ? "; then it goes on. Where failover is set to follow, it is taken back" : "";
    this.#answerWish(`${why}. Clients wait until that changes${end}`);
  }

  /** While a write is open nothing is begun: whoever has waited for long enough hears so. */
  #answerUnwritten(): void {
    const work = this.#work;
    const { nowMs } = work.now;
    const why = work.lastSaid("store") ?? "the record of the cluster is not written in time";
    if (nowMs - work.writingSinceMs >= COMMAND_MS) {
      this.#answerWish(`${why}. What becomes of the move stands in SHOW FAILOVERS`);
    }
    this.#commands = this.#commands.filter(({ id, sinceMs }) => {
      if (nowMs - sinceMs < COMMAND_MS) return true;
      work.act({ kind: "answer", id, ok: false, text: `nothing is begun: ${why}` });
      return false;
    });
  }

  /** Whose move runs hears that it has not ended as it was asked for, and waits no longer. */
  #answerWish(text: string): void {
    const work = this.#work;
    if (work.wish !== null) work.act({ kind: "answer", id: work.wish.id, ok: false, text });
    work.wish = null;
  }

  /** Commands that can be begun, or refused. Whether a record is written. */
  #obey(record: ClusterRecord): boolean {
    const work = this.#work;
    const { nowMs } = work.now;
    for (const asked of this.#commands) {
      if (asked.command.kind === "switchover" && work.mayMissOne) {
        // Clients are not to be held for one that nobody knows, and what is checked is to be of now.
        asked.sinceMs = nowMs;
        work.say("info", "move", `the switchover waits for ${UNKNOWN}`);
        continue;
      }
      const done = this.#obeyOne(record, asked);
      const isLate = nowMs - asked.sinceMs >= COMMAND_MS;
      if (!done && !isLate) continue;
      if (!done) {
        work.act({ kind: "answer", id: asked.id, ok: false, text: "the nodes do not answer in time" });
      }
      this.#commands = this.#commands.filter((one) => one !== asked);
      if (work.writing !== null) return true;
    }
    return false;
  }

  /** Whether the command is dealt with. */
  #obeyOne(record: ClusterRecord, { id, by, command, sinceMs }: Asked): boolean {
    const work = this.#work;
    const answer = (ok: boolean, text: string) => {
      work.act({ kind: "answer", id, ok, text });
      return true;
    };
    switch (command.kind) {
      case "switchover":
        if (record.move !== null) return answer(false, whyBusy(record.move));
        this.#withinMs = command.withinMs ?? 0;
        return beginSwitchover(work, record, { id, by, command, sinceMs });
      case "failover":
        return this.#failOver(record, { id, by }, command, answer);
      case "rejoin": {
        const done = beginRejoin(work, record, command.node, { id, by });
        if (done === false) return false;
        if (done === true) return answer(true, `${command.node} is made a standby`);
        return answer(false, done);
      }
    }
  }

  #failOver(
    record: ClusterRecord,
    wish: Wish,
    { to, isForced }: Command & { readonly kind: "failover" },
    answer: (ok: boolean, text: string) => boolean,
  ): boolean {
    const work = this.#work;
    if (work.settings.mode === "follow") {
      return answer(false, "failover is follow: nobody is promoted by pgplex");
    }
    if (to !== null && !work.nodes.has(to)) return answer(false, `there is no node ${to}`);
    const { move } = record;
    if (move !== null) {
      // One that is promoted already has its end within `sync_wait`.
      const isPending = move.step === "promote" && work.confirmedSinceMs === null;
      const isOpen = move.step === "recruit" || (isPending && isForced);
      if (!isOpen) return answer(false, whyBusy(move));
      const { candidate, abandoned } = move;
      this.#answerWish(`${wish.by} has asked for another one`);
      work.wish = wish;
      work.step(record, move, "recruit", {
        by: wish.by,
        target: to,
        isForced,
        candidate: null,
        abandoned: candidate === null ? abandoned : [...abandoned, candidate],
      });
      return true;
    }
    const said = work.isUp(record.primary) ? work.said(record.primary) : null;
    if (said !== null && !said.recovering && said.timeline === record.timeline && work.isOwn(said)) {
      return answer(false, `${record.primary} is well: say SWITCHOVER`);
    }
    if (to === record.primary) return answer(false, `${to} is the primary`);
    const health = work.nodes.get(record.primary)?.view?.health;
    if ((health === "suspect" || health === "unknown") && !isForced) {
      const text = `${record.primary} may be well: ${
        health === "suspect" ? "wait until it is known" : "it refuses pgplex's login, or was not asked yet"
      }`;
      return answer(false, text);
    }
    work.wish = wish;
    beginFailover(work, record, {
      by: wish.by,
      reason: "an operator has asked for it",
      evidence: [`${record.primary} is ${work.nodes.get(record.primary)?.view?.health ?? "not in the file"}`],
      target: to,
      isForced,
    });
    return true;
  }

  #obeyWithoutRecord(): void {
    const work = this.#work;
    const [asked] = this.#commands;
    if (asked !== undefined) {
      const { command, id, sinceMs } = asked;
      const isDone = command.kind === "failover" && command.to !== null &&
        adopt(work, { named: command.to, isForced: command.isForced });
      if (isDone) work.act({ kind: "answer", id, ok: true, text: `${command.to} is the primary` });
      if (isDone || work.now.nowMs - sinceMs >= COMMAND_MS) {
        if (!isDone) work.act({ kind: "answer", id, ok: false, text: "there is no record of the cluster" });
        this.#commands = this.#commands.filter((one) => one !== asked);
      }
      if (isDone) return;
    }
    adopt(work);
  }
}
