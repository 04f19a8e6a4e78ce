import type {
  ClusterRecord,
  Command,
  CommandAnswer,
  Coordination,
  CoordinationListener,
  StoredRecord,
  SwapResult,
} from "../../src/arbiter/mod.ts";
import type { Servers } from "./servers.ts";
import type { ModelStore } from "./store.ts";

/** The coordination of an instance that decides alone, over a file that may break. */
export class Alone implements Coordination {
  readonly isLeading = true;
  readonly #store: ModelStore;
  readonly #servers: Servers;
  readonly #enter: (run: () => void) => void;
  #listener: CoordinationListener | null = null;

  constructor(store: ModelStore, { servers, enter }: {
    readonly servers: Servers;
    /** Runs what comes to the instance, unless it has crashed. */
    readonly enter: (run: () => void) => void;
  }) {
    this.#store = store;
    this.#servers = servers;
    this.#enter = enter;
  }

  permitUntilMs(): number {
    return Infinity;
  }

  instancesOf(): readonly number[] {
    return [1];
  }

  serve(): void {}

  members(): readonly [] {
    return [];
  }

  look(): void {}

  record(): Promise<StoredRecord | null> {
    return this.#later(this.#servers.between(1, 5), () => this.#store.read());
  }

  swap(_cluster: string, revision: number, record: ClusterRecord): Promise<SwapResult> {
    const store = this.#store;
    const { agenda } = this.#servers;
    const swap = (): SwapResult => {
      const written = store.swap(revision, record);
      return written === null ? { kind: "conflict", stored: store.read() } : {
        kind: "written",
        revision: written,
      };
    };
    store.onRecordSent(0);
    const draw = store.isBroken ? this.#servers.between(0, 1) : 1;
    if (draw < 0.3) return this.#later(5, () => ({ kind: "failed", reason: "no space" }));
    if (draw < 0.7) {
      // It may be stored, also behind a crash.
      const delayMs = this.#servers.between(1, 30);
      if (draw < 0.5) agenda.after(delayMs, () => void swap());
      return this.#later(delayMs + 10, () => ({ kind: "unknown", reason: "no answer" }));
    }
    const { promise, resolve } = Promise.withResolvers<SwapResult>();
    agenda.after(this.#servers.between(1, 15), () => {
      const result = swap();
      this.#enter(() => resolve(result));
    });
    return promise;
  }

  acknowledge(): void {}

  publish(): void {}

  ask(_cluster: string, command: Command, by: string): Promise<CommandAnswer> {
    return this.#listener!.command(command, by);
  }

  leave(): Promise<void> {
    return Promise.resolve();
  }

  listen(_cluster: string, listener: CoordinationListener): () => void {
    this.#listener = listener;
    return () => {};
  }

  #later<T>(delayMs: number, run: () => T): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#servers.agenda.after(delayMs, () => this.#enter(() => resolve(run())));
    return promise;
  }
}
