import { type Command, type CommandAnswer, commandOf } from "../arbiter/mod.ts";
import type { Clock, Timer } from "../kernel/mod.ts";
import type { Entry, KeyStore, Listing } from "./key_store.ts";
import { INSTANCE_RULES, type InstanceRules } from "./rules.ts";
import { clusterKey, clusterPartOf, requestOf, type RequestValue } from "./values.ts";

/** What it needs. */
export interface RequestParts {
  readonly store: KeyStore;
  readonly clock: Clock;
  readonly self: { readonly id: number; readonly incarnation: string };
  readonly newId: () => string;
  /** For tests: what is left out. */
  readonly rules?: InstanceRules;
  readonly isLeading: () => boolean;
  readonly hasLeader: () => boolean;
  /** Whether an instance is still there. */
  readonly isThere: (id: number, incarnation: string) => boolean;
  /** Does what is asked for, at the instance that leads. */
  readonly perform: (cluster: string, command: Command, by: string) => Promise<CommandAnswer>;
}

/** Nobody waits longer for an answer, in milliseconds. */
const ANSWER_MS = 15 * 60_000;

/** A request that nobody has taken up behind this time is taken back, in milliseconds. */
const TAKE_UP_MS = 15_000;

/** Where the store does not answer that is tried for so long, in milliseconds. */
const GIVE_UP_MS = 60_000;

/** It may have been taken up, or may be yet. */
const UNKNOWN: CommandAnswer = {
  ok: false,
  text:
    "nobody can tell whether it was taken up, as the store that the instances share does not answer: see SHOW FAILOVERS",
};

/** Of one that was taken up nothing more is heard. */
const NO_ANSWER: CommandAnswer = { ok: false, text: "no answer has come: see SHOW FAILOVERS" };

interface Waiting {
  /** When it was asked for, in clock milliseconds. */
  readonly sinceMs: number;
  readonly resolve: (answer: CommandAnswer) => void;
  isTaken: boolean;
  timer: Timer;
}

/**
 * Operators' wishes that come to an instance which does not lead: put into the store, taken up by the one that leads, once, and
 * answered in the same place.
 */
export class Requests {
  readonly #parts: RequestParts;
  readonly #rules: InstanceRules;
  readonly #waiting = new Map<string, Waiting>();
  /** That this instance is about to take up, to answer, or to remove. */
  readonly #busy = new Set<string>();
  /** That it has begun: a late listing may show them as they were before. */
  readonly #begun = new Set<string>();
  /** What came of those that it has taken up, until that is written. */
  readonly #answers = new Map<string, CommandAnswer>();

  constructor(parts: RequestParts) {
    this.#parts = parts;
    this.#rules = parts.rules ?? INSTANCE_RULES;
  }

  /** Asks whoever leads. Resolves with its answer, or with why there is none. */
  async ask(cluster: string, command: Command, by: string): Promise<CommandAnswer> {
    const { store, clock, self, newId, hasLeader } = this.#parts;
    if (!hasLeader()) return { ok: false, text: "no instance leads at the moment: try again" };
    const key = clusterKey(cluster, "requests", newId());
    const { id: instance, incarnation } = self;
    const value: RequestValue = { instance, incarnation, by, command, takenBy: null, answer: null };
    const { promise, resolve } = Promise.withResolvers<CommandAnswer>();
    const timer = clock.after(TAKE_UP_MS, () => void this.#takeBack(key));
    this.#waiting.set(key, { sinceMs: clock.nowMs(), resolve, isTaken: false, timer });
    const written = await store.commit([{ key, createRevision: 0 }], [
      { kind: "put", key, value: JSON.stringify(value) },
    ]);
    if (written.kind === "failed") {
      this.#answered(key, { ok: false, text: `the instance that leads cannot be asked: ${written.reason}` });
    }
    return await promise;
  }

  /** The store has changed. */
  heard({ entries }: Listing): void {
    for (const key of this.#begun) if (!entries.has(key) && !this.#busy.has(key)) this.#begun.delete(key);
    // Whoever leads removes what is asked for by one that was gone for a while.
    for (const [key, { isTaken }] of this.#waiting) {
      if (isTaken && !entries.has(key)) this.#answered(key, NO_ANSWER);
    }
    for (const entry of entries.values()) {
      const part = clusterPartOf(entry.key);
      if (part?.folder !== "requests" || this.#busy.has(entry.key)) continue;
      const request = requestOf(entry.value);
      if (request !== null) this.#look(part.cluster, entry, request);
    }
  }

  /** Nobody is answered any more. */
  end(why: string): void {
    for (const key of [...this.#waiting.keys()]) this.#answered(key, { ok: false, text: why });
  }

  #look(cluster: string, entry: Entry, request: RequestValue): void {
    const { self, isLeading, isThere, clock } = this.#parts;
    const { key } = entry;
    const waiting = this.#waiting.get(key);
    if (request.instance === self.id && request.incarnation === self.incarnation) {
      if (request.answer !== null) this.#answered(key, request.answer);
      // What nobody waits for any more must not be done later.
      const isGivenUp = waiting === undefined && request.takenBy === null;
      if (request.answer !== null || isGivenUp) return void this.#remove(entry);
    }
    if (waiting !== undefined && request.takenBy !== null && !waiting.isTaken) {
      waiting.isTaken = true;
      waiting.timer.cancel();
      waiting.timer = clock.after(ANSWER_MS, () => this.#answered(key, NO_ANSWER));
    }
    if (!isLeading()) return;
    if (!isThere(request.instance, request.incarnation)) return void this.#remove(entry);
    if (request.answer !== null) return;
    if (request.takenBy === null) return void this.#takeUp(cluster, entry, request);
    if (request.takenBy === self.incarnation) {
      // Where it is not begun yet nobody has told that it was taken up.
      return void (this.#answers.has(key)
        ? this.#answer(entry, request)
        : this.#perform(cluster, entry, request));
    }
    const text = "the instance that had begun it leads no more: see SHOW FAILOVERS";
    void this.#put(entry, { ...request, answer: { ok: false, text } });
  }

  async #takeUp(cluster: string, entry: Entry, request: RequestValue): Promise<void> {
    const { self } = this.#parts;
    const command = commandOf(request.command);
    const taken = { ...request, takenBy: self.incarnation };
    if (command === null) {
      const text = "the instance that leads does not understand it: it is of another version";
      return await this.#put(entry, { ...taken, answer: { ok: false, text } }).then(() => {});
    }
    const revision = await this.#put(entry, taken);
    if (revision !== null) await this.#perform(cluster, { ...entry, modRevision: revision }, taken);
  }

  /** It is taken up: so it is done, unless it was begun before. */
  async #perform(cluster: string, entry: Entry, request: RequestValue): Promise<void> {
    const { key } = entry;
    const command = commandOf(request.command);
    if (command === null || this.#begun.has(key)) return;
    this.#begun.add(key);
    this.#busy.add(key);
    const answer = await this.#parts.perform(cluster, command, request.by);
    this.#busy.delete(key);
    this.#answers.set(key, answer);
    await this.#answer(entry, request);
  }

  /** Where that fails it is tried again when the store is heard of the next time. */
  async #answer(entry: Entry, request: RequestValue): Promise<void> {
    const answer = this.#answers.get(entry.key);
    if (answer === undefined) return;
    if (await this.#put(entry, { ...request, answer }) !== null) this.#answers.delete(entry.key);
  }

  /** The new revision; null where somebody else has written it, or nobody knows. */
  async #put({ key, modRevision }: Entry, request: RequestValue): Promise<number | null> {
    if (this.#busy.has(key)) return null;
    this.#busy.add(key);
    const answer = await this.#parts.store.commit([{ key, modRevision }], [
      { kind: "put", key, value: JSON.stringify(request) },
    ]);
    this.#busy.delete(key);
    if (!this.#rules.isTaken(answer)) return null;
    return answer.kind === "done" ? answer.value.revision : modRevision;
  }

  async #remove({ key, modRevision }: Entry): Promise<boolean> {
    this.#busy.add(key);
    const answer = await this.#parts.store.commit([{ key, modRevision }], [{ kind: "remove", key }]);
    this.#busy.delete(key);
    return answer.kind === "done" && answer.value.isWritten;
  }

  /** Nobody has taken it up: it must not be done later. */
  async #takeBack(key: string): Promise<void> {
    const { store, clock } = this.#parts;
    const found = await store.commit([], [], [key]);
    const entry = found.kind === "done" ? found.value.entries[0] ?? null : null;
    const isFree = entry !== null && requestOf(entry.value)?.takenBy === null;
    const isRemoved = found.kind === "done" && (entry === null || (isFree && await this.#remove(entry)));
    if (isRemoved) return this.#answered(key, { ok: false, text: "no instance has taken it up: try again" });
    const waiting = this.#waiting.get(key);
    if (waiting === undefined || waiting.isTaken) return;
    if (clock.nowMs() - waiting.sinceMs >= GIVE_UP_MS) return this.#answered(key, UNKNOWN);
    waiting.timer = clock.after(TAKE_UP_MS, () => void this.#takeBack(key));
  }

  #answered(key: string, answer: CommandAnswer): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    waiting.timer.cancel();
    waiting.resolve(answer);
  }
}
