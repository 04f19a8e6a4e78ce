import type { ArbiterAction } from "./events.ts";
import type { Verb, VerbKind, VerbResult } from "./verbs.ts";

/** When a verb is asked for again. Milliseconds. */
export interface Asking {
  readonly timeoutMs?: number;
  /** Behind an end that was not good; Infinity: never. */
  readonly retryMs?: number;
  /** Behind a good one; Infinity (the default): never. */
  readonly refreshMs?: number;
}

interface Call {
  readonly id: number;
  readonly deadlineMs: number;
  isRunning: boolean;
  sentMs: number;
  endedMs: number;
  /** Of the last one that has ended. */
  result: VerbResult | null;
}

/** How long a verb may take where nobody says another time. */
export const VERB_TIMEOUT_MS = 3_000;

/** What a server cannot do is asked for again behind this time: somebody may have given it the right, or the program. */
const FUTILE_MS = 10_000;

/** Who executes verbs has so long to say that a deadline has passed. */
const GRACE_MS = 500;

/** What comes so long behind its deadline is not looked at any more. */
const LATE_MS = 60_000;

/**
 * The verbs that were asked for in the present step of a move, at most one of a kind at each node at a time. It is told what should be
 * known, and asks for it where it is not.
 */
export class Calls {
  #nextId = 1;
  readonly #calls = new Map<string, Call>();
  readonly #act: (action: ArbiterAction) => void;
  /** Of verbs that are on their way, also of earlier steps. */
  readonly #nodes = new Map<number, { readonly node: string; readonly deadlineMs: number }>();

  /** `act` takes the actions. */
  constructor(act: (action: ArbiterAction) => void) {
    this.#act = act;
  }

  /** Another step begins: what was asked before is forgotten; what is on its way may still happen. */
  reset(): void {
    this.#calls.clear();
  }

  /** Forgets one verb's result, so that it is asked for anew. */
  forget(node: string, kind: VerbKind): void {
    this.#calls.delete(`${node}/${kind}`);
  }

  /** The same of all verbs at a node: another server is there, or a session of its own is not there any more. */
  forgetNode(node: string): void {
    for (const key of [...this.#calls.keys()]) if (key.startsWith(`${node}/`)) this.#calls.delete(key);
  }

  /** What came of a verb, the last time; asks for it where nobody has yet. Null while there is no result. */
  ask<V extends Verb>(
    node: string,
    verb: V,
    nowMs: number,
    { timeoutMs = VERB_TIMEOUT_MS, retryMs = 500, refreshMs = Infinity }: Asking = {},
  ): VerbResult<V["kind"]> | null {
    const key = `${node}/${verb.kind}`;
    const call = this.#calls.get(key);
    if (call !== undefined) {
      const { result, isRunning } = call;
      if (isRunning) return result as VerbResult<V["kind"]> | null;
      const isFutile = result?.ok === false && result.kind === "not possible";
      const restMs = result?.ok === true ? refreshMs : isFutile ? Math.max(FUTILE_MS, retryMs) : retryMs;
      if (nowMs - call.endedMs < restMs) return result as VerbResult<V["kind"]> | null;
    }
    const id = this.#nextId++;
    const deadlineMs = nowMs + timeoutMs;
    const result = call?.result ?? null;
    this.#calls.set(key, { id, deadlineMs, isRunning: true, sentMs: nowMs, endedMs: 0, result });
    this.#nodes.set(id, { node, deadlineMs });
    this.#act({ kind: "verb", id, node, verb, deadlineMs });
    return result as VerbResult<V["kind"]> | null;
  }

  /** The result of a verb that was asked for in this step; does not ask. */
  peek<K extends VerbKind>(node: string, kind: K): VerbResult<K> | null {
    return (this.#calls.get(`${node}/${kind}`)?.result ?? null) as VerbResult<K> | null;
  }

  /** When the verb was sent last; null where it was not. */
  sentMs(node: string, kind: VerbKind): number | null {
    return this.#calls.get(`${node}/${kind}`)?.sentMs ?? null;
  }

  /** At which node a verb was asked for; null of one that has ended. */
  nodeOf(id: number): string | null {
    return this.#nodes.get(id)?.node ?? null;
  }

  /** A verb has ended. Of one that was forgotten nothing is noted. */
  ended(id: number, result: VerbResult, nowMs: number): void {
    this.#nodes.delete(id);
    for (const call of this.#calls.values()) {
      // Also of one that was taken for unknown since: whatever came later of it is the truth.
      if (call.id !== id) continue;
      call.isRunning = false;
      call.endedMs = nowMs;
      call.result = result;
      return;
    }
  }

  /** Time passes: a verb of whose end nobody has told is unknown. */
  tick(nowMs: number): void {
    for (const [id, { deadlineMs }] of this.#nodes) if (nowMs > deadlineMs + LATE_MS) this.#nodes.delete(id);
    for (const call of this.#calls.values()) {
      if (!call.isRunning || nowMs < call.deadlineMs + GRACE_MS) continue;
      call.isRunning = false;
      call.endedMs = nowMs;
      call.result = { ok: false, kind: "unknown", reason: "no answer in time" };
    }
  }
}
