/** One of those between which a read may choose. */
export interface Candidate {
  /** Its share among the others; 0: only where nobody else is left. */
  readonly weight: number;
  /** How busy it is: leases over what it may have; 1 and more: a lease would have to wait. */
  readonly load: number;
  /** How busy its host is: processes that want to run, for each CPU; 0 where nobody knows. */
  readonly hostLoad: number;
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
export function chooseReader<T extends Candidate>(candidates: readonly T[]): T | null {
  let free = false;
  for (const { weight, load, failing } of candidates) if (!failing && weight > 0 && load < 1) free = true;
  const anyHeavy = giveShares(candidates);
  if (anyHeavy === null) return null;
  const canServe = ({ failing, weight, load }: T) =>
    !failing && (weight > 0 || !anyHeavy) && (load < 1 || !free);
  let most = -Infinity;
  for (const candidate of candidates) {
    if (canServe(candidate) && candidate.credit > most) most = candidate.credit;
  }
  let best: T | null = null;
  for (const candidate of candidates) {
    if (!canServe(candidate) || candidate.credit <= most - TOLERANCE) continue;
    if (best === null || isBetter(candidate, best)) best = candidate;
  }
  take(best!);
  return best;
}

/** Less busy by its leases and its host together; of those that are as busy who is owed more. */
function isBetter(a: Candidate, b: Candidate): boolean {
  const [busyA, busyB] = [a.load + a.hostLoad, b.load + b.hostLoad];
  return busyA < busyB || (busyA === busyB && a.credit > b.credit);
}

/**
 * `chosen` serves one more read without having been asked for: its session had a lease there. Whether it may have another one so, as
 * it has not had too many in advance.
 */
export function countRead<T extends Candidate>(candidates: readonly T[], chosen: T): boolean {
  giveShares(candidates);
  take(chosen);
  return chosen.credit > -CREDIT_MAX || candidates.length === 1;
}

/** Gives each candidate that does not fail its share of one lease. @returns whether any of them has a weight; null: all fail */
function giveShares(candidates: readonly Candidate[]): boolean | null {
  let [total, count] = [0, 0];
  for (const { weight, failing } of candidates) {
    if (failing) continue;
    count++;
    total += weight;
  }
  if (count === 0) return null;
  for (const candidate of candidates) {
    if (candidate.failing) continue;
    const share = total > 0 ? candidate.weight / total : 1 / count;
    candidate.credit = Math.min(candidate.credit + share, CREDIT_MAX);
  }
  return total > 0;
}

function take(candidate: Candidate): void {
  candidate.credit = Math.max(candidate.credit - 1, -CREDIT_MAX);
}
