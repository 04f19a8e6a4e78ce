/** One of those between which a read may choose. */
export interface Candidate {
  /** Its share among the others; 0: only where nobody else is left. */
  readonly weight: number;
  /** How busy it is: leases over what it may have; 1 and more: a lease would have to wait. */
  readonly load: number;
  /** Connections to it cannot be opened, and it is too early to try again. */
  readonly failing: boolean;
  /** Leases that it is owed by its share, or has had in advance (negative). {@link chooseReader} keeps it. */
  credit: number;
}

/** Candidates whose credits are no further apart than so many leases are alike: the least busy one of them gets the lease. */
const TOLERANCE = 1;

/** No candidate is owed more leases, or has had more in advance: who was full for a while is not flooded later. */
const CREDIT_MAX = 4;

/**
 * Chooses who serves a read: by weight, so that each has its share to within a few leases, however many there are; of those that are
 * alike the least busy one; none that is full while another is not, and none that fails. A smooth weighted choice: each lease
 * gives every candidate its share of one, and takes one from who serves it.
 *
 * @returns null where there is none, or all of them fail
 */
export function chooseReader<T extends Candidate>(candidates: Iterable<T>): T | null {
  let [total, heavy, free, count] = [0, false, false, 0];
  for (const { weight, load, failing } of candidates) {
    if (failing) continue;
    count++;
    total += weight;
    heavy ||= weight > 0;
    if (weight > 0 && load < 1) free = true;
  }
  if (count === 0) return null;
  let most = -Infinity;
  for (const candidate of candidates) {
    const share = heavy ? candidate.weight / total : 1 / count;
    if (candidate.failing || share === 0) continue;
    candidate.credit = Math.min(candidate.credit + share, CREDIT_MAX);
    if ((!free || candidate.load < 1) && candidate.credit > most) most = candidate.credit;
  }
  let best: T | null = null;
  for (const candidate of candidates) {
    const { failing, weight, load, credit } = candidate;
    if (failing || (heavy && weight === 0) || (free && load >= 1) || credit <= most - TOLERANCE) continue;
    if (best === null || load < best.load || (load === best.load && credit > best.credit)) best = candidate;
  }
  best!.credit = Math.max(best!.credit - 1, -CREDIT_MAX);
  return best;
}
