import type { Clock, Timer } from "../kernel/mod.ts";

/** How often it is looked whether the transactions on a primary have ended whose clients are held, in milliseconds. */
const DRAIN_LOOK_MS = 10;

/** How clients are held. */
export interface Drain {
  /** Of the move that holds them. */
  readonly epoch: number;
  /** Those that are in a transaction are cut, rather than waited for. */
  readonly cut: boolean;
  /** For people. */
  readonly reason: string;
}

/** How clients are held for a move. */
export interface MoveDrain extends Drain {
  /** When the move began, as its record says; 0: there is none. */
  readonly startedAtMs: number;
}

/** What it needs. */
export interface ClientHoldParts {
  readonly clock: Clock;
  /** Takes what clients have at the primary from them; whether nothing runs there any more. */
  readonly drain: (how: Drain) => boolean;
  /** They are not held any more, or anew. */
  readonly release: () => void;
  /** They are held for a move; told again when nothing runs any more. */
  readonly acknowledged: (how: MoveDrain, isDrained: boolean) => void;
}

/** Holds the clients of one cluster, and looks until nothing of theirs runs on the primary. */
export class ClientHold {
  readonly #parts: ClientHoldParts;
  #drain: MoveDrain | null = null;
  #timer: Timer | null = null;
  /** They are held as there is no permit, for which nobody waits. */
  #isCutOff = false;

  constructor(parts: ClientHoldParts) {
    this.#parts = parts;
  }

  /** Whether they are held by {@link cutOff}. */
  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  /** For a move: no transaction begins any more, which is acknowledged. */
  hold(drain: MoveDrain): void {
    this.#begin(drain);
  }

  /** As there is no permit. */
  cutOff(drain: Drain): void {
    this.#begin({ ...drain, startedAtMs: 0 }, true);
  }

  /** Where a move waits for their transactions these are cut, as there is no permit: it waits no longer. */
  cut(reason: string): void {
    const drain = this.#drain;
    if (drain !== null && !drain.cut) this.#begin({ ...drain, cut: true, reason });
  }

  /** They are held no more. */
  end(): void {
    if (this.#drain !== null) this.#parts.release();
    this.#drain = null;
    this.#isCutOff = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #begin(drain: MoveDrain, isCutOff = false): void {
    this.end();
    this.#drain = drain;
    this.#isCutOff = isCutOff;
    const isDrained = this.#parts.drain(drain);
    this.#acknowledge(drain, isDrained);
    if (!isDrained) this.#lookAgain();
  }

  #lookAgain(): void {
    this.#timer = this.#parts.clock.after(DRAIN_LOOK_MS, () => {
      const drain = this.#drain;
      if (drain === null) return;
      if (this.#parts.drain(drain)) this.#acknowledge(drain, true);
      else this.#lookAgain();
    });
  }

  #acknowledge(drain: MoveDrain, isDrained: boolean): void {
    if (!this.#isCutOff) this.#parts.acknowledged(drain, isDrained);
  }
}
