import type { ClusterRecord, StoredRecord } from "../../src/arbiter/mod.ts";
import { recordOf, recordText } from "../../src/arbiter/mod.ts";

/** The state file, which outlives pgplex. */
export class ModelStore {
  #text: string | null = null;
  #revision = 0;
  isBroken = false;
  /** Called behind each write, with the record before it. */
  onRecord: (before: ClusterRecord | null, record: ClusterRecord | null) => void = () => {};
  /** Called when an instance sends a record, which may be stored later. */
  onRecordSent: (instance: number) => void = () => {};
  #parsed: ClusterRecord | null = null;

  /** What is there now. */
  get record(): ClusterRecord | null {
    return this.#parsed;
  }

  get recordRevision(): number {
    return this.#parsed === null ? 0 : this.#revision;
  }

  /** As somebody reads it who starts. */
  read(): StoredRecord | null {
    const record = this.#text === null ? null : recordOf(this.#text);
    return record === null ? null : { revision: this.#revision, record };
  }

  /** The new revision; null where the one that was compared is not the one that is there. */
  swap(revision: number, record: ClusterRecord): number | null {
    if (revision !== this.recordRevision) return null;
    const before = this.#parsed;
    this.#text = recordText(record);
    this.#parsed = record;
    this.#revision++;
    this.onRecord(before, record);
    return this.#revision;
  }

  /** The disk has lost it. */
  lose(): void {
    this.#text = null;
    this.#parsed = null;
  }

  /** The disk has damaged it. */
  damage(): void {
    if (this.#text !== null) this.#text = this.#text.slice(0, this.#text.length >> 1);
    this.#parsed = null;
  }
}
