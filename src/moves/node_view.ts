import type { NodeView, Said, SynchronousNames } from "../arbiter/mod.ts";
import type { WatchedNode } from "../monitor/mod.ts";
import { parseSyncNames } from "../verbs/mod.ts";

/** What the monitor has found at a node, as the arbiter wants to know it. */
export function viewOf({ name, state, answer }: WatchedNode, nowMs: number): NodeView {
  return {
    node: name,
    health: state.health,
    sinceMs: state.silentMs ?? nowMs,
    silentMs: state.silentMs,
    isRefused: state.refusedMs !== null,
    said: answer === null ? null : saidOf(answer),
  };
}

function saidOf(answer: NonNullable<WatchedNode["answer"]>): Said {
  const { recovering, system, timeline, lsn, replayLsn, receiver, replicas, synchronousNames } = answer;
  return {
    askedMs: answer.sentMs,
    recovering,
    system,
    timeline,
    lsn,
    replayLsn,
    receiver,
    synchronous: namesOf(synchronousNames),
    replicas,
  };
}

/** A text that PostgreSQL would not take cannot be in force; null as for none. */
function namesOf(text: string): SynchronousNames | null {
  try {
    return parseSyncNames(text);
  } catch {
    return null;
  }
}
