import { assert } from "../kernel/mod.ts";

/** Whether all pools are held back: `paused` lets no lease begin, `suspended` stops clients where they are. */
export type PauseMode = "none" | "paused" | "suspended";

/**
 * What an operator holds back: all databases, or some by the name that {@link databaseNameOf} gives them. It only
 * remembers; {@link ServerPools.applyControl} makes it true of the pools, and sessions look here for themselves.
 */
export class PoolControl {
  #mode: PauseMode = "none";
  readonly #paused = new Set<string>();
  readonly #disabled = new Set<string>();
  readonly #resumed = new Set<() => void>();
  readonly #receded = new Set<() => void>();

  /** What holds for all databases. */
  get mode(): PauseMode {
    return this.#mode;
  }

  set mode(mode: PauseMode) {
    assert(this.#mode === "none" || mode === "none", "a pause ends before another begins");
    this.#mode = mode;
    if (mode === "suspended") return;
    this.receded(); // whoever waits for a pause that has ended is told
    for (const call of [...this.#resumed]) call();
  }

  /** Databases that are paused by name, in the order in which that happened. */
  get pausedNames(): readonly string[] {
    return [...this.#paused];
  }

  /** Databases that take no new clients. */
  get disabledNames(): readonly string[] {
    return [...this.#disabled];
  }

  /** Whether the database was paused by name. */
  isPaused(database: string): boolean {
    return this.#paused.has(database);
  }

  setPaused(database: string, paused: boolean): void {
    if (paused) this.#paused.add(database);
    else this.#paused.delete(database);
    this.receded();
  }

  /** Whether no lease of the database may begin, whatever the reason. */
  holds(database: string): boolean {
    return this.#mode === "paused" || this.#paused.has(database);
  }

  /** Whether new clients of the database are refused. */
  isDisabled(database: string): boolean {
    return this.#disabled.has(database);
  }

  setDisabled(database: string, disabled: boolean): void {
    if (disabled) this.#disabled.add(database);
    else this.#disabled.delete(database);
  }

  /** After a reload: what is said of names that are no database's any more is forgotten. */
  forget(isDatabase: (name: string) => boolean): void {
    for (const names of [this.#paused, this.#disabled]) {
      for (const name of names) if (!isDatabase(name)) names.delete(name);
    }
  }

  /** Calls `call` once when sessions go on; the result takes that back. */
  onResumed(call: () => void): () => void {
    return listen(this.#resumed, call);
  }

  /** Calls `call` each time that a server connection is gone which somebody may wait for; the result takes that back. */
  onReceded(call: () => void): () => void {
    return listen(this.#receded, call);
  }

  /** A server connection is gone, or a pause has ended: whoever waits looks again. */
  receded(): void {
    for (const call of [...this.#receded]) call();
  }
}

function listen(calls: Set<() => void>, call: () => void): () => void {
  calls.add(call);
  return () => void calls.delete(call);
}
