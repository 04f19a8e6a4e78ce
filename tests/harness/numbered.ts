import { errorOf, waitFor, type WireClient } from "./mod.ts";

/** A client that writes numbers into a table `w (n int)`, one after the other, and knows which were acknowledged. */
export class NumberedWriter {
  readonly acknowledged: number[] = [];
  /** SQLSTATEs of what failed, in order, and its numbers. */
  readonly failed: string[] = [];
  readonly failedNumbers: number[] = [];
  /** When the last write was acknowledged, and the longest time between two, in milliseconds. */
  lastMs = performance.now();
  pauseMs = 0;
  /** When the writes that were acknowledged last began and were acknowledged. */
  readonly #recent: { readonly beganMs: number; readonly doneMs: number }[] = [];
  readonly #client: WireClient;
  readonly #step: number;
  #next: number;
  #stops = false;
  #running: Promise<void> | null = null;

  /** Its numbers are `first`, `first + step`, … */
  constructor(client: WireClient, { first = 1, step = 1 } = {}) {
    this.#client = client;
    this.#next = first;
    this.#step = step;
  }

  start(): void {
    this.lastMs = performance.now();
    this.#running = this.#run().catch((thrown) => void this.failed.push(String(thrown)));
  }

  /** Stops behind the write that is under way. */
  async stop(): Promise<void> {
    this.#stops = true;
    await this.#running;
  }

  /** Waits for so many more acknowledged writes. */
  async writes(count: number, deadlineMs = 20_000): Promise<void> {
    const enough = this.acknowledged.length + count;
    await waitFor(() => this.acknowledged.length >= enough, { what: "writes", everyMs: 5, deadlineMs });
  }

  /** When the first write was acknowledged that began behind `sinceMs`, of the last thousand; null: none was. */
  firstBehind(sinceMs: number): number | null {
    return this.#recent.find(({ beganMs }) => beganMs >= sinceMs)?.doneMs ?? null;
  }

  async #run(): Promise<void> {
    while (!this.#stops) {
      const mine = this.#next;
      this.#next += this.#step;
      const beganMs = performance.now();
      const error = errorOf(await this.#client.query(`INSERT INTO w VALUES (${mine})`));
      if (error !== null) {
        this.failed.push(error["C"]!);
        this.failedNumbers.push(mine);
        continue;
      }
      this.acknowledged.push(mine);
      const nowMs = performance.now();
      this.pauseMs = Math.max(this.pauseMs, nowMs - this.lastMs);
      this.lastMs = nowMs;
      this.#recent.push({ beganMs, doneMs: nowMs });
      if (this.#recent.length > 1000) this.#recent.shift();
    }
  }
}
