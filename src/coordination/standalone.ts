import type {
  ClusterRecord,
  Command,
  CommandAnswer,
  Coordination,
  CoordinationListener,
  InstanceInfo,
  StoredRecord,
  SwapResult,
} from "../arbiter/mod.ts";
import type { Clock } from "../kernel/mod.ts";
import type { State } from "./state_encoding.ts";
import type { StateFile } from "./state_file.ts";

/** What it needs of a state file. */
export type StateStore =
  & Pick<StateFile<ClusterRecord>, "path" | "read" | "write" | "putAside">
  & Partial<Disposable>;

/** The only instance. */
export type SelfAlone = Omit<InstanceInfo, "isLeading" | "isThere" | "leaseMs">;

/** What was found at the start: `fresh`: no file, so nothing is remembered; `damaged`: one that cannot be read was put aside. */
export type Memory = { readonly kind: "known" | "fresh" } | {
  readonly kind: "damaged";
  readonly reason: string;
};

/** A disk that takes longer for a few kilobytes hangs. */
const WRITE_TIMEOUT_MS = 5_000;

const HANGS = "the disk does not answer";

/**
 * The coordination of an instance that decides alone: always the leader, permits without end, records in a state file.
 *
 * Records are in memory as the file has them. A write of which nobody knows whether it is in the file makes them unknown; the next
 * call reads the file again.
 */
export class Standalone implements Coordination {
  /** What was remembered when it was opened. */
  readonly memory: Memory;
  readonly isLeading = true;
  readonly #self: SelfAlone;
  readonly #file: StateStore;
  readonly #clock: Clock;
  /** Null while it has to be read again. */
  #state: State<ClusterRecord> | null;
  #last: Promise<unknown> = Promise.resolve();
  /** A look that has not come to its end, and behind which nothing is written. */
  #looking: Promise<State<ClusterRecord>> | null = null;
  readonly #listeners = new Map<string, CoordinationListener>();

  private constructor(
    { file, clock, self }: { readonly file: StateStore; readonly clock: Clock; readonly self: SelfAlone },
    state: State<ClusterRecord>,
    memory: Memory,
  ) {
    this.#self = self;
    this.#file = file;
    this.#clock = clock;
    this.#state = state;
    this.memory = memory;
  }

  /**
   * Reads what `file` remembers. One that is damaged is put aside: what it said is lost, and {@link memory} says so; timelines have
   * to tell.
   *
   * @throws Error where the file cannot be read or put aside
   */
  static async open(file: StateStore, clock: Clock, self: SelfAlone): Promise<Standalone> {
    const found = await file.read();
    switch (found.kind) {
      case "state":
        return new Standalone({ file, clock, self }, found.state, { kind: "known" });
      case "absent":
        return new Standalone({ file, clock, self }, new Map(), { kind: "fresh" });
      case "damaged":
        await file.putAside();
        return new Standalone({ file, clock, self }, new Map(), {
          kind: "damaged",
          reason: found.reason,
        });
    }
  }

  permitUntilMs(): number {
    return Infinity;
  }

  instancesOf(): readonly number[] {
    return [this.#self.id];
  }

  /** As {@link acknowledge}. */
  serve(): void {}

  members(): readonly InstanceInfo[] {
    return [{ ...this.#self, isLeading: true, isThere: true, leaseMs: null }];
  }

  async record(cluster: string): Promise<StoredRecord | null> {
    const state = await this.#inTime(this.#look());
    if (state === null) throw new Error(`${this.#file.path}: ${HANGS}`);
    return state.get(cluster) ?? null;
  }

  swap(cluster: string, revision: number, record: ClusterRecord): Promise<SwapResult> {
    // Who looks behind this is to see it.
    this.#looking = null;
    const swapping = this.#inTurn(async (): Promise<SwapResult> => {
      let state: State<ClusterRecord>;
      try {
        state = await this.#known();
      } catch (thrown) {
        return { kind: "failed", reason: thrown instanceof Error ? thrown.message : String(thrown) };
      }
      const stored = state.get(cluster) ?? null;
      if ((stored?.revision ?? 0) !== revision) return { kind: "conflict", stored };
      const next = new Map(state).set(cluster, { revision: revision + 1, record });
      const outcome = await this.#file.write(next);
      if (outcome.kind !== "written") {
        if (outcome.kind === "unknown") this.#state = null;
        return outcome;
      }
      this.#state = next;
      return { kind: "written", revision: revision + 1 };
    });
    return this.#inTime(swapping).then((swapped) =>
      swapped ?? { kind: "unknown", reason: `${this.#file.path}: ${HANGS}` }
    );
  }

  /** There is nobody else who would want to know. */
  acknowledge(): void {}

  /** As {@link acknowledge}. */
  publish(): void {}

  ask(cluster: string, command: Command, by: string): Promise<CommandAnswer> {
    const listener = this.#listeners.get(cluster);
    if (listener !== undefined) return listener.command(command, by);
    return Promise.resolve({ ok: false, text: `pgplex moves nothing in cluster "${cluster}"` });
  }

  listen(cluster: string, listener: CoordinationListener): () => void {
    this.#listeners.set(cluster, listener);
    return () => {
      if (this.#listeners.get(cluster) === listener) this.#listeners.delete(cluster);
    };
  }

  /** Its permit has no end. */
  look(): void {}

  /** Gives the file up, behind what is being written: another process may have it then. */
  async leave(): Promise<void> {
    await this.#inTime(this.#inTurn(() => Promise.resolve(this.#file[Symbol.dispose]?.())));
  }

  /** What is known when everything before has had its turn. While a disk hangs all who ask share one look, or they would pile up. */
  #look(): Promise<State<ClusterRecord>> {
    if (this.#looking !== null) return this.#looking;
    const looking = this.#inTurn(() => this.#known());
    const end = () => {
      if (this.#looking === looking) this.#looking = null;
    };
    looking.then(end, end);
    return this.#looking = looking;
  }

  /** @throws Error where the file says nothing */
  async #known(): Promise<State<ClusterRecord>> {
    if (this.#state !== null) return this.#state;
    const failed = (thrown: unknown) => ({ kind: "damaged", reason: String(thrown) } as const);
    const found = await this.#file.read().catch(failed);
    if (found.kind === "damaged") throw new Error(`${this.#file.path} cannot be read: ${found.reason}`);
    this.#state = found.kind === "state" ? found.state : new Map();
    return this.#state;
  }

  /** One call behind the other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** What a call has come to; null where its turn, or its end, does not come in time: the disk hangs. It may still come later. */
  async #inTime<T>(done: Promise<T>): Promise<T | null> {
    const late = Promise.withResolvers<null>();
    const timer = this.#clock.after(WRITE_TIMEOUT_MS, () => late.resolve(null));
    try {
      return await Promise.race([done, late.promise]);
    } finally {
      timer.cancel();
    }
  }
}
