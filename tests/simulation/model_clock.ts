import type { Clock, Timer } from "../../src/kernel/mod.ts";
import type { Agenda } from "./agenda.ts";

/** The clock of one instance, which goes at a rate of its own. */
export class ModelClock implements Clock {
  /** How far its wall clock is off. */
  wallOffsetMs = 0;
  readonly #agenda: Agenda;
  readonly #rate: number;
  readonly #zeroMs: number;
  readonly #entry: () => (run: () => void) => void;

  constructor(agenda: Agenda, { rate, zeroMs, entry }: {
    /** Its milliseconds in one of the true ones. */
    readonly rate: number;
    readonly zeroMs: number;
    /** What runs what a timer calls that is made now. */
    readonly entry: () => (run: () => void) => void;
  }) {
    this.#agenda = agenda;
    this.#rate = rate;
    this.#zeroMs = zeroMs;
    this.#entry = entry;
  }

  nowMs(): number {
    return this.#zeroMs + this.#agenda.nowMs * this.#rate;
  }

  exactMs(): number {
    return this.nowMs();
  }

  wallMs(): number {
    return Math.round(this.#agenda.nowMs) + this.wallOffsetMs;
  }

  after(delayMs: number, fire: () => void): Timer {
    let isOver = false;
    const enter = this.#entry();
    const timer = this.#agenda.timer(Math.max(0, delayMs) / this.#rate + 0.001, () =>
      enter(() => {
        if (!isOver) fire();
      }));
    return {
      cancel: () => {
        isOver = true;
        timer.cancel();
      },
    };
  }
}
