import type { ArbiterEvent, ClusterRecord, Coordination, SwapResult } from "../arbiter/mod.ts";
import type { Clock } from "../kernel/mod.ts";

/** So long behind a read of the record that has failed it is read again, in milliseconds. */
const READ_AGAIN_MS = 200;

/** What it needs. */
export interface RecordCallsParts {
  readonly cluster: string;
  readonly store: Pick<Coordination, "record" | "swap">;
  readonly clock: Clock;
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
    if (!this.#hasEnded && !this.#isWriting && !this.#isReading) void this.read();
  }

  /** Until it is read. Where a write has begun by then nothing is told: the end of that tells. */
  read(): Promise<void> {
    return this.#read(this.#writes);
  }

  async #read(behind: number): Promise<void> {
    const { store, cluster, clock, tell } = this.#parts;
    this.#isReading = true;
    const stored = await store.record(cluster).catch(() => undefined);
    if (this.#hasEnded) return;
    if (stored === undefined) {
      clock.after(READ_AGAIN_MS, () => {
        if (!this.#hasEnded) void this.#read(behind);
      });
      return;
    }
    this.#isReading = false;
    if (behind === this.#writes) tell({ kind: "record", stored });
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
