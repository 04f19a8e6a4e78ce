import type { ClusterRecord, StoredRecord } from "../../src/arbiter/mod.ts";
import { recordOf, recordText } from "../../src/arbiter/mod.ts";

/** The state file, which outlives pgplex. */
export class ModelStore {
  #text: string | null = null;
  #revision = 0;
  /** The highest epoch since the file was last lost. */
  epochMax = 0;
  isBroken = false;
  #parsed: ClusterRecord | null = null;

  /** What is there now. */
  get record(): ClusterRecord | null {
    return this.#parsed;
  }

  /** As somebody reads it who starts. */
  read(): StoredRecord | null {
    const record = this.#text === null ? null : recordOf(this.#text);
    return record === null ? null : { revision: this.#revision, record };
  }

  /** The new revision; null where the one that was compared is not the one that is there. */
  swap(revision: number, record: ClusterRecord): number | null {
    if (revision !== (this.#parsed === null ? 0 : this.#revision)) return null;
    this.#text = recordText(record);
    this.#parsed = record;
    return ++this.#revision;
  }

  /** The disk has lost it. */
  lose(): void {
    this.#text = null;
    this.#parsed = null;
    this.epochMax = 0;
  }

  /** The disk has damaged it. */
  damage(): void {
    if (this.#text !== null) this.#text = this.#text.slice(0, this.#text.length >> 1);
    this.#parsed = null;
    this.epochMax = 0;
  }
}
