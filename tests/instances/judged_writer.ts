import { errorOf, rowsOf, WireClient, type WireTarget } from "../harness/mod.ts";

/** A pause between two tries to connect, and between two writes, in milliseconds. */
const [CONNECT_AGAIN_MS, WRITE_AGAIN_MS] = [100, 15];

/** The newest timeline on which any write was acknowledged, and rows that were written to an older one behind that. */
export class Timelines {
  newest = 0;
  readonly violations: string[] = [];
}

/** What inserts a number, and says on which timeline. */
function insertOf(n: number): string {
  return `INSERT INTO w VALUES (${n}) RETURNING substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), host(inet_server_addr())`;
}

/** A client of one instance that writes numbers into `w (n int)`, each once, and connects again when its connection has ended. */
export class JudgedWriter {
  readonly acknowledged: number[] = [];
  /** How often each SQLSTATE came; "lost" for a connection that has ended. */
  readonly failed = new Map<string, number>();
  /** When the last write was acknowledged, and where. */
  lastMs = performance.now();
  lastHost = "";
  readonly #target: () => WireTarget | null;
  readonly #options: {
    readonly timelines: Timelines;
    readonly inTransaction: boolean;
    readonly step: number;
  };
  #next: number;
  #client: WireClient | null = null;
  #stops = false;
  readonly #running: Promise<void>;

  /**
   * @param target where its instance listens; null while it does not run
   * @param options its numbers are `first`, `first + step`, …; `inTransaction`: between BEGIN and COMMIT
   */
  constructor(
    target: () => WireTarget | null,
    options: {
      readonly timelines: Timelines;
      readonly inTransaction: boolean;
      readonly first: number;
      readonly step: number;
    },
  ) {
    this.#target = target;
    this.#options = options;
    this.#next = options.first;
    this.#running = this.#run();
  }

  /** Ends it, also in the middle of a write. */
  async stop(): Promise<void> {
    this.#stops = true;
    await this.#client?.[Symbol.asyncDispose]();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stops) {
      try {
        const target = this.#target();
        this.#client ??= target === null ? null : await WireClient.connect(target, { user: "postgres" }, {
          deadlineMs: 60_000,
        });
        if (this.#client === null) await pause(CONNECT_AGAIN_MS);
        else await this.#write(this.#client);
      } catch {
        this.#count("lost");
        await this.#client?.[Symbol.asyncDispose]();
        this.#client = null;
        await pause(CONNECT_AGAIN_MS);
      }
    }
    await this.#client?.[Symbol.asyncDispose]();
  }

  async #write(client: WireClient): Promise<void> {
    const { step, inTransaction } = this.#options;
    const n = this.#next;
    this.#next += step;
    const isDone = inTransaction
      ? await this.#succeeds(client, "BEGIN") && await this.#inserts(client, n) &&
        await this.#succeeds(client, "COMMIT")
      : await this.#inserts(client, n);
    if (isDone) {
      this.acknowledged.push(n);
      this.lastMs = performance.now();
    } else if (client.status !== "I") await client.query("ROLLBACK");
    await pause(WRITE_AGAIN_MS);
  }

  /** Also a row that is rolled back, or whose end is unknown, must not be on an old timeline. */
  async #inserts(client: WireClient, n: number): Promise<boolean> {
    const { timelines } = this.#options;
    const atLeast = timelines.newest;
    const messages = await client.query(insertOf(n));
    const [row] = rowsOf(messages);
    if (row === undefined) return this.#failedBy(messages);
    const timeline = parseInt(row[0]!, 16);
    if (timeline < atLeast) {
      timelines.violations.push(
        `${n} was written on timeline ${timeline} at ${row[1]}, behind one on ${atLeast}`,
      );
    }
    const error = errorOf(messages);
    if (error !== null) return this.#failedBy(messages);
    if (client.status === "I") timelines.newest = Math.max(timelines.newest, timeline);
    this.lastHost = row[1]!;
    return true;
  }

  /** COMMIT that answers ROLLBACK has not succeeded. */
  async #succeeds(client: WireClient, text: string): Promise<boolean> {
    const messages = await client.query(text);
    if (errorOf(messages) !== null) return this.#failedBy(messages);
    return messages.some(({ tag }) => tag === text);
  }

  #failedBy(messages: Parameters<typeof errorOf>[0]): false {
    this.#count(errorOf(messages)?.["C"] ?? "no error");
    return false;
  }

  #count(what: string): void {
    if (!this.#stops) this.failed.set(what, (this.failed.get(what) ?? 0) + 1);
  }
}

/** Waits in a loop that has nothing to wait for. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
