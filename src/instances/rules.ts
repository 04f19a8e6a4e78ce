import type { KeyStore } from "./key_store.ts";

/**
 * Each check by which instances keep out of each other's way, as a predicate of its own: `tests/simulation/` replaces them one at a
 * time, and shows that the simulator finds out.
 */
export interface InstanceRules {
  /** How much before the end of a lease its holder lets go, for clocks whose rates differ. Milliseconds. */
  marginMs(ttlMs: number): number;
  /** How long an instance counts for another one, by the lease of this and of that one. Milliseconds. */
  leaseMs(ownMs: number, theirsMs: number): number;
  /** From when on a renewal counts that was sent, and answered, at these times. */
  renewedMs(sentMs: number, answeredMs: number): number;
  /** Whether a renewal that was found in the store counts although nothing is known of the records behind it. */
  countsUnread(): boolean;
  /** Whether a renewal reads the records. */
  readsRecords(): boolean;
  /** Whether a permit is for a cluster only from a renewal on that has announced it. */
  announcesFirst(): boolean;
  /** Whether the lead may be taken, where the one that has it may still have a permit or not. */
  mayLead(isLeaderThere: boolean): boolean;
  /** Whether it is compared, while the lead is taken, that who had it still stands still. */
  comparesRenewal(): boolean;
  /** Whether an instance is gone because its entry is. */
  trustsAbsence(): boolean;
  /** Whether a write of a record is made only while this instance leads. */
  comparesLeader(): boolean;
  /** Whether behind a record that was read or written it is looked who is there. */
  looksBehind(): boolean;
  /** Whether a request was taken up, where it is certain, or unknown. */
  isTaken(answer: Awaited<ReturnType<KeyStore["commit"]>>): boolean;
}

/** The rules as they are. */
export const INSTANCE_RULES: InstanceRules = Object.freeze({
  marginMs: (ttlMs: number) => Math.max(500, ttlMs / 10),
  leaseMs: (ownMs: number, theirsMs: number) => Math.max(ownMs, theirsMs),
  renewedMs: (sentMs: number) => sentMs,
  countsUnread: () => false,
  readsRecords: () => true,
  announcesFirst: () => true,
  mayLead: (isLeaderThere: boolean) => !isLeaderThere,
  comparesRenewal: () => true,
  trustsAbsence: () => false,
  comparesLeader: () => true,
  looksBehind: () => true,
  isTaken: (answer: Awaited<ReturnType<KeyStore["commit"]>>) =>
    answer.kind === "done" && answer.value.isWritten,
});
