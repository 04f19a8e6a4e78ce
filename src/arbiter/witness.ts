import type { ClusterRecord } from "./record.ts";
import { isSameName } from "./standby_names.ts";
import type { NodeView } from "./views.ts";

/** What a primary said longer ago says nothing of now, in milliseconds. */
export const WITNESS_MS = 3_000;

/**
 * Whether a primary shows by itself that no other node was promoted: each of `others`, all other nodes of the file, streams from it. It
 * knows its standbys by their application_name, which has to be the node's name.
 *
 * It is no proof: a standby that was cut off from the primary counts there until `wal_sender_timeout`.
 */
export function isWitnessed(
  { system, timeline }: ClusterRecord,
  { view, others, nowMs }: {
    /** Of the primary. */
    readonly view: NodeView | null;
    readonly others: readonly string[];
    readonly nowMs: number;
  },
): boolean {
  const said = view?.health === "up" ? view.said : null;
  if (said === null || nowMs - said.askedMs > WITNESS_MS) return false;
  if (said.recovering || said.system !== system || said.timeline !== timeline) return false;
  return others.every((other) =>
    said.replicas.some(({ name, state }) => isSameName(name, other) && state === "streaming")
  );
}
