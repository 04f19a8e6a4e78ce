import {
  type ClusterRecord,
  type InstanceView,
  type NodeView,
  positionOf,
  type Said,
  type SeenPosition,
  type SynchronousNames,
} from "../arbiter/mod.ts";
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

/** The last position of the primary that the monitor has heard of; null where it has heard of none. */
export function seenOf(
  record: ClusterRecord | null,
  heard: ReadonlyMap<string, WatchedNode>,
): SeenPosition | null {
  const answer = record === null ? null : heard.get(record.primary)?.answer ?? null;
  return record === null || answer === null ? null : positionOf(record, saidOf(answer));
}

/** How this instance sees the nodes of the file, for the others. */
export function sightOf(
  record: ClusterRecord | null,
  heard: ReadonlyMap<string, WatchedNode>,
  nodes: readonly { readonly name: string }[],
): Omit<InstanceView, "instance"> {
  const healths = nodes.flatMap(({ name }) => {
    const node = heard.get(name);
    return node === undefined ? [] : [[name, node.state.health] as const];
  });
  // A primary that answers is elsewhere with each look: the others hear of that when it answers no more, or when this instance holds its clients.
  const isUp = record !== null && heard.get(record.primary)?.state.health === "up";
  return { healths: new Map(healths), seen: isUp ? null : seenOf(record, heard) };
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
