/** A timer that has not fired yet. Cancelling one that fired does nothing. */
export interface Timer {
  cancel(): void;
}

/** Time as a parameter: the real one is made in `main.ts`, tests move a {@link VirtualClock}. */
export interface Clock {
  /** Milliseconds that only rise; their zero means nothing. They may stand still while events of one moment are served. */
  nowMs(): number;
  /** As {@link nowMs}, but never standing still: for work that looks how long it has taken. */
  exactMs(): number;
  /** Milliseconds since 1970-01-01 UTC, for people and certificates. */
  wallMs(): number;
  /** Calls `fire` once, `delayMs` or more from now, never from inside this call. */
  after(delayMs: number, fire: () => void): Timer;
}

/** Time as what serves events in rounds has it. */
export interface Rounds {
  /** A round begins: until the next one, or {@link release}, the time stands still. @returns it, as in {@link Clock.nowMs} */
  hold(): number;
  /** The time goes on. */
  release(): void;
}

/** A clock that can be held: to look at the time costs as much as a small message does, and a round of events lasts no time. */
export class RoundClock implements Clock, Rounds {
  /** Called when a round begins, before anything is served in it; null: nobody is. */
  onRound: (() => void) | null = null;
  readonly #clock: Clock;
  #heldMs = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowMs(): number {
    return this.#heldMs >= 0 ? this.#heldMs : this.#clock.nowMs();
  }

  exactMs(): number {
    return this.#clock.exactMs();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  after(delayMs: number, fire: () => void): Timer {
    return this.#clock.after(delayMs, fire);
  }

  hold(): number {
    this.#heldMs = this.#clock.exactMs();
    if (this.onRound !== null) this.onRound();
    return this.#heldMs;
  }

  release(): void {
    this.#heldMs = -1;
  }
}

/** A clock that stands until {@link VirtualClock.advance} moves it; timers fire in order of their time, then of their making. */
export class VirtualClock implements Clock {
  #nowMs = 0;
  #serial = 0;
  #timers: { atMs: number; serial: number; fire: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  exactMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, fire: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), serial: this.#serial++, fire };
    this.#timers.push(timer);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index >= 0) this.#timers.splice(index, 1);
      },
    };
  }

  /** Number of timers that have neither fired nor been cancelled. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Moves time forward by `ms`, firing on the way whatever is due, including timers made by those that fire. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      let next = -1;
      for (let i = 0; i < this.#timers.length; i++) {
        const a = this.#timers[i]!;
        if (a.atMs > untilMs) continue;
        const b = this.#timers[next];
        if (b === undefined || a.atMs < b.atMs || (a.atMs === b.atMs && a.serial < b.serial)) next = i;
      }
      if (next < 0) break;
      const [due] = this.#timers.splice(next, 1);
      this.#nowMs = Math.max(this.#nowMs, due!.atMs);
      due!.fire();
    }
    this.#nowMs = untilMs;
  }
}
