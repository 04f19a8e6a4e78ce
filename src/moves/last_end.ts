import {
  type ArbiterOptions,
  type ClusterRecord,
  endedMs,
  type KnownEnd,
  lastFailover,
  type Moment,
} from "../arbiter/mod.ts";

/**
 * What an instance has heard of a cluster's records, whichever instance led, and whatever becomes of the record: when the last automatic
 * failover has ended, as another one is not to come too soon, and the highest epoch, of which sessions on the nodes may be left.
 */
export class LastEnd {
  #known: KnownEnd | null = null;
  #epoch = 0;
  #isFirst = true;

  /** Null: there was none. */
  get known(): KnownEnd | null {
    return this.#known;
  }

  /** What an arbiter begins with. */
  get heard(): Pick<ArbiterOptions, "ended" | "heardEpoch"> {
    return { ended: this.#known, heardEpoch: this.#epoch };
  }

  /** The record may be another one. */
  note(record: ClusterRecord | null, now: Moment): void {
    if (record === null) return;
    this.#epoch = Math.max(this.#epoch, record.epoch);
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const past = lastFailover(record);
    if (past === undefined || past.epoch === this.#known?.epoch) return;
    this.#known = { epoch: past.epoch, atMs: isFirst ? endedMs(past, now) : now.nowMs };
  }
}
