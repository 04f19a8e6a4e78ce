import type { ArbiterEvent, ClusterRecord, Coordination, StoredRecord, SwapResult } from "../arbiter/mod.ts";
import type { Clock } from "../kernel/mod.ts";
import type { ReadFailures } from "./read_failures.ts";

/** So long behind a read of the record that has failed it is read again, in milliseconds. */
const READ_AGAIN_MS = 200;

/** What it needs. */
export interface RecordCallsParts {
  readonly cluster: string;
  readonly store: Pick<Coordination, "record" | "swap">;
  readonly clock: Clock;
  readonly failures: ReadFailures;
  /** What a call has come to. */
  readonly tell: (event: ArbiterEvent) => void;
  /** Whether a newer record was heard of than the one that is known. */
  readonly isBehind: () => boolean;
}

/** The reads and writes of a cluster's record by one arbiter, or by one follower. */
export class RecordCalls {
  readonly #parts: RecordCallsParts;
  #isWriting = false;
  /** How many were begun. */
  #writes = 0;
  #isReading = false;
  /** Behind which write it was asked last to read. */
  #readBehind = 0;
  #hasEnded = false;

  constructor(parts: RecordCallsParts) {
    this.#parts = parts;
  }

  /** Tells nothing any more. */
  end(): void {
    this.#hasEnded = true;
  }

  async write(record: ClusterRecord, revision: number): Promise<void> {
    const { store, cluster, tell } = this.#parts;
    this.#isWriting = true;
    const number = ++this.#writes;
    const result = await store.swap(cluster, revision, record);
    // Where a read has told of it already, and another one has begun, its end would be taken for that one's.
    if (this.#hasEnded || number !== this.#writes) return;
    this.#isWriting = false;
    tell(eventOf(result));
    this.catchUp();
  }

  /** A write whose end was unknown may have come to the store after all, when nobody looked for it any more. */
  catchUp(): void {
    if (this.#parts.isBehind()) this.lookAgain();
  }

  /** It may not be what it was, unless a call is on its way that shows that. */
  lookAgain(): void {
    if (!this.#hasEnded && !this.#isWriting && !this.#isReading) this.read();
  }

  /**
   * Reads until it is read, one call at a time, whoever asks meanwhile. What was sent before the last write began is not told: the end of that
   * tells, or a read that is asked for behind it.
   */
  read(): void {
    this.#readBehind = this.#writes;
    if (this.#isReading) return;
    this.#isReading = true;
    void this.#read();
  }

  async #read(): Promise<void> {
    const { store, cluster, clock, failures, tell } = this.#parts;
    const behind = this.#writes;
    let stored: StoredRecord | null;
    try {
      stored = await store.record(cluster);
    } catch (thrown) {
      if (this.#hasEnded) return;
      failures.failed(thrown);
      clock.after(READ_AGAIN_MS, () => this.#readOn());
      return;
    }
    if (this.#hasEnded) return;
    failures.over();
    if (behind !== this.#writes) return this.#readOn();
    this.#isReading = false;
    tell({ kind: "record", stored });
  }

  #readOn(): void {
    if (this.#hasEnded) return;
    if (this.#readBehind === this.#writes) void this.#read();
    else this.#isReading = false;
  }
}

function eventOf(result: SwapResult): ArbiterEvent {
  switch (result.kind) {
    case "written":
      return { kind: "written", revision: result.revision };
    case "conflict":
      return { kind: "record", stored: result.stored };
    case "failed":
      return { kind: "write failed", reason: result.reason };
    case "unknown":
      return { kind: "write unknown", reason: result.reason };
  }
}
