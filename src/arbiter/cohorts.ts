import type { ClusterRecord, EarlierNames, SynchronousNames } from "./record.ts";
import { foldedName, isSameName } from "./standby_names.ts";
import type { Said } from "./views.ts";

/** Earlier names that are remembered; who changes them more often, within seconds, waits for the oldest of these. */
const EARLIER_MAX = 16;

/**
 * By whose acknowledgement a primary commits may change while it runs. What was acknowledged before may lie on standbys that do not count
 * any more, and not yet on those that do. So the earlier names are kept, until enough of the present ones have what was written under
 * those: a failover heeds all of them.
 *
 * @param said what the primary says now
 * @returns the record as it has to be; null where nothing is to be changed
 */
export function noteNames(record: ClusterRecord, said: Said): ClusterRecord | null {
  const earlier = record.earlier ?? [];
  if (!sameNames(said.synchronous, record.synchronous)) {
    const all = [...earlier, { synchronous: record.synchronous, lsn: null }];
    return { ...record, synchronous: said.synchronous, earlier: all.slice(-EARLIER_MAX) };
  }
  // WAL senders take names up a moment behind the session that was asked: a later position counts.
  const known = earlier.map(({ synchronous, lsn }) => ({ synchronous, lsn: lsn ?? said.lsn }));
  const open = known.filter(({ lsn }) => !isCovered(said, lsn));
  const isSame = open.length === earlier.length && open.every((one, at) => one.lsn === earlier[at]!.lsn);
  return isSame ? null : { ...record, earlier: open };
}

/** Those that a failover has to heed besides the record's: the earlier ones, and those that were said and are not recorded yet. */
export function earlierNames(record: ClusterRecord, said: Said | null): readonly EarlierNames[] {
  const earlier = record.earlier ?? [];
  if (said === null || said.recovering || said.timeline !== record.timeline) return earlier;
  if (sameNames(said.synchronous, record.synchronous)) return earlier;
  return [...earlier, { synchronous: said.synchronous, lsn: null }];
}

/** Whether any who could be promoted by the present names have all up to this position. */
function isCovered({ synchronous, replicas }: Said, lsn: bigint): boolean {
  const streaming = replicas.filter(({ state }) => state === "streaming");
  const has = streaming.filter(({ flushLsn }) => flushLsn !== null && flushLsn >= lsn);
  if (synchronous === null) return has.length === streaming.length;
  const { k, names } = synchronous;
  const counted = names.includes("*")
    ? has
    : has.filter((one) => names.some((name) => isSameName(name, one.name)));
  return new Set(counted.map(({ name }) => foldedName(name))).size >= k;
}

function sameNames(a: SynchronousNames | null, b: SynchronousNames | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
