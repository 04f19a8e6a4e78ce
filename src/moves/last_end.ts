import { type ClusterRecord, endedMs, type KnownEnd, lastFailover, type Moment } from "../arbiter/mod.ts";

/** When the last automatic failover has ended, as this instance has heard of it: whichever leads next, another one is not to come too soon. */
export class LastEnd {
  #known: KnownEnd | null = null;
  #isFirst = true;

  /** Null: there was none. */
  get known(): KnownEnd | null {
    return this.#known;
  }

  /** The record may be another one. */
  note(record: ClusterRecord | null, now: Moment): void {
    if (record === null) return;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const past = lastFailover(record);
    if (past === undefined || past.epoch === this.#known?.epoch) return;
    this.#known = { epoch: past.epoch, atMs: isFirst ? endedMs(past, now) : now.nowMs };
  }
}
