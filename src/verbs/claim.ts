import { literal } from "./programs.ts";

/** Who is the arbiter of a cluster. */
export interface Claim {
  /** Of the record that the arbiter acts by. */
  readonly epoch: number;
  /** Number of the instance, from 0 to 65535. */
  readonly instance: number;
  /** The system identifier of the cluster; a server of another one is left alone. Not there: whichever it is. */
  readonly system?: string;
}

/** The name of the arbiter's sessions on the servers. */
export const ARBITER_NAME = "pgplex arbiter";

/** The name of sessions that only look: the monitor's, and the arbiter's where it is not to be taken for another arbiter. */
export const MONITOR_NAME = "pgplex monitor";

/** The first of the two numbers of the advisory locks by which a claim is seen, less the instance: "pg" in its upper half. */
const LOCK_CLASS = 0x7067_0000;

/**
 * Puts up this session's mark: an advisory lock of its epoch and instance. It can be had on a standby too, and ends with the session.
 * It comes before the look at others, so that of two who claim at once the later epoch is seen by the other one.
 */
export function markStatement({ epoch, instance }: Claim): string {
  const mine = LOCK_CLASS + instance;
  return `SELECT pg_advisory_lock_shared(${mine}, ${epoch}) WHERE NOT EXISTS (SELECT FROM pg_locks
 WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objsubid = 2
 AND classid::bigint = ${mine} AND objid::bigint = ${epoch})`;
}

/** The system identifier of the server. */
export const SYSTEM_SQL = "SELECT system_identifier::text FROM pg_control_system()";

/** The other arbiters' sessions: pid, epoch and instance; the latter are NULL where one has put up no mark. */
export const OTHERS_SQL = `SELECT a.pid, l.objid::bigint, l.classid::bigint - ${LOCK_CLASS}
FROM pg_stat_activity a LEFT JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'advisory' AND l.objsubid = 2
 AND l.granted AND l.classid::bigint BETWEEN ${LOCK_CLASS} AND ${LOCK_CLASS + 0xffff}
WHERE a.application_name = ${literal(ARBITER_NAME)} AND a.pid <> pg_backend_pid()
 AND a.backend_type = 'client backend'`;

/**
 * What rows of {@link OTHERS_SQL} mean to a claim: whom it gives way to, as a reason, or null and the pids that it ends.
 *
 * Of two with the same epoch the one that claims first (`isFirst`) ends the other; one that connects again does not, unless the other
 * is its own, of a connection that was lost.
 */
export function judgeOthers(
  rows: readonly (readonly (string | null)[])[],
  { claim, isFirst }: { readonly claim: Claim; readonly isFirst: boolean },
): { readonly refusal: string | null; readonly pids: readonly number[] } {
  const later = rows.find(([, epoch, instance]) =>
    epoch != null &&
    (Number(epoch) > claim.epoch ||
      !isFirst && Number(epoch) === claim.epoch && Number(instance) !== claim.instance)
  );
  if (later === undefined) return { refusal: null, pids: rows.map(([pid]) => Number(pid)) };
  const [pid, epoch, instance] = later;
  return {
    refusal: `another arbiter has the node: epoch ${epoch}, instance ${instance}, pid ${pid}`,
    pids: [],
  };
}
