import type { Clock } from "../kernel/mod.ts";
import type { State, Stored } from "./state_encoding.ts";
import type { StateFile } from "./state_file.ts";

/** What it needs of a state file. */
export type StateStore<R> = Pick<StateFile<R>, "path" | "read" | "write" | "putAside">;

/** What became of a swap. `unknown`: it may be stored, now or later. */
export type Swapped<R> =
  | { readonly kind: "written"; readonly revision: number }
  | { readonly kind: "conflict"; readonly stored: Stored<R> | null }
  | { readonly kind: "failed" | "unknown"; readonly reason: string };

/** What was found at the start: `fresh`: no file, so nothing is remembered; `damaged`: one that cannot be read was put aside. */
export type Memory = { readonly kind: "known" | "fresh" } | {
  readonly kind: "damaged";
  readonly reason: string;
};

/** A disk that takes longer for a few kilobytes hangs. */
const WRITE_TIMEOUT_MS = 5_000;

/**
 * The coordination of an instance that decides alone: always the leader, permits without end, records in a state file.
 *
 * Records are in memory as the file has them. A write of which nobody knows whether it is in the file makes them unknown; the next
 * call reads the file again.
 */
export class Standalone<
  R,
  View extends { readonly cluster: string },
  Ack extends { readonly cluster: string },
> {
  /** What was remembered when it was opened. */
  readonly memory: Memory;
  readonly #file: StateStore<R>;
  readonly #clock: Clock;
  /** Null while it has to be read again. */
  #state: State<R> | null;
  #last: Promise<unknown> = Promise.resolve();
  readonly #views = new Map<string, View>();
  readonly #acknowledgements = new Map<string, Ack>();
  readonly #watchers = new Map<string, Set<() => void>>();

  private constructor(file: StateStore<R>, clock: Clock, state: State<R>, memory: Memory) {
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
  static async open<R, View extends { readonly cluster: string }, Ack extends { readonly cluster: string }>(
    file: StateStore<R>,
    clock: Clock,
  ): Promise<Standalone<R, View, Ack>> {
    const found = await file.read();
    switch (found.kind) {
      case "state":
        return new Standalone(file, clock, found.state, { kind: "known" });
      case "absent":
        return new Standalone(file, clock, new Map(), { kind: "fresh" });
      case "damaged":
        await file.putAside();
        return new Standalone(file, clock, new Map(), { kind: "damaged", reason: found.reason });
    }
  }

  /** It may decide. */
  campaign(): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** The deadline of its permit, in clock milliseconds. */
  renew(): Promise<number> {
    return Promise.resolve(Infinity);
  }

  /** What is stored about a cluster; null: nothing, or nothing that can be read at the moment. */
  async record(cluster: string): Promise<Stored<R> | null> {
    const state = await this.#inTurn(() => this.#known());
    return state?.get(cluster) ?? null;
  }

  /** Puts a record in place of the one with `revision` (0: none). */
  swap(cluster: string, revision: number, record: R): Promise<Swapped<R>> {
    return this.#inTurn(async (): Promise<Swapped<R>> => {
      const state = await this.#known();
      if (state === null) return { kind: "failed", reason: `${this.#file.path} cannot be read` };
      const stored = state.get(cluster) ?? null;
      if ((stored?.revision ?? 0) !== revision) return { kind: "conflict", stored };
      const next = new Map(state).set(cluster, { revision: revision + 1, record });
      const outcome = await this.#file.write(next);
      if (outcome.kind !== "written") {
        if (outcome.kind === "unknown") this.#state = null;
        return outcome;
      }
      this.#state = next;
      for (const call of this.#watchers.get(cluster) ?? []) call();
      return { kind: "written", revision: revision + 1 };
    }).then((swapped) =>
      swapped ?? { kind: "unknown", reason: `${this.#file.path}: the disk does not answer` }
    );
  }

  /** What this instance knows of a cluster's nodes. */
  publish(view: View): Promise<void> {
    this.#views.set(view.cluster, view);
    return Promise.resolve();
  }

  /** What all instances know: this one. */
  views(cluster: string): Promise<readonly View[]> {
    const view = this.#views.get(cluster);
    return Promise.resolve(view === undefined ? [] : [view]);
  }

  /** This instance holds its clients for an epoch. */
  acknowledge(acknowledgement: Ack): Promise<void> {
    this.#acknowledgements.set(acknowledgement.cluster, acknowledgement);
    for (const call of this.#watchers.get(acknowledgement.cluster) ?? []) call();
    return Promise.resolve();
  }

  /** Who holds: this one. */
  acknowledgements(cluster: string): Promise<readonly Ack[]> {
    const acknowledgement = this.#acknowledgements.get(cluster);
    return Promise.resolve(acknowledgement === undefined ? [] : [acknowledgement]);
  }

  /** Calls back when a record or an acknowledgement of a cluster changes; the result ends that. */
  watch(cluster: string, call: () => void): () => void {
    const calls = this.#watchers.get(cluster) ?? new Set();
    this.#watchers.set(cluster, calls.add(call));
    return () => calls.delete(call);
  }

  async #known(): Promise<State<R> | null> {
    if (this.#state !== null) return this.#state;
    const found = await this.#file.read().catch(() => null);
    if (found?.kind === "state") this.#state = found.state;
    if (found?.kind === "absent") this.#state = new Map();
    return this.#state;
  }

  /** One call behind the other; null where its turn, or its end, does not come in time: the disk hangs. It may still come later. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T | null> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    const late = Promise.withResolvers<null>();
    const timer = this.#clock.after(WRITE_TIMEOUT_MS, () => late.resolve(null));
    try {
      return await Promise.race([done, late.promise]);
    } finally {
      timer.cancel();
    }
  }
}
