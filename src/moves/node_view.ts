import {
  type ClusterRecord,
  furthest,
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

/** How far an instance has seen a primary: also where something else answers in its place since. */
export class SeenPrimary {
  #last: SeenPosition | null = null;
  #system = "";

  /** The furthest position of the primary of this record that was heard of; null where none was. */
  of(record: ClusterRecord | null, heard: ReadonlyMap<string, WatchedNode>): SeenPosition | null {
    if (record === null) return null;
    if (record.system !== this.#system) this.#last = null;
    this.#system = record.system;
    const answer = heard.get(record.primary)?.answer ?? null;
    const now = answer === null ? null : positionOf(record, saidOf(answer));
    return this.#last = furthest(record, [this.#last, now]);
  }
}

/** How this instance sees the nodes of the file, for the others. */
export function sightOf(
  record: ClusterRecord | null,
  heard: ReadonlyMap<string, WatchedNode>,
  nodes: readonly { readonly name: string }[],
  seen: SeenPosition | null,
): Omit<InstanceView, "instance"> {
  const healths = nodes.flatMap(({ name }) => {
    const node = heard.get(name);
    return node === undefined ? [] : [[name, node.state.health] as const];
  });
  // A primary that is served is elsewhere with each look: the others hear of that when it answers no more, or while it is being moved.
  const isServed = record !== null && record.move === null &&
    heard.get(record.primary)?.state.health === "up";
  return { healths: new Map(healths), seen: isServed ? null : seen };
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
