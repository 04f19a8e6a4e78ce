import type { Clock, Timer } from "../kernel/mod.ts";
import type { Outbox } from "../transport/mod.ts";

/**
 * How soon it is looked whether the client is there. Each further look waits twice as long; behind the longest wait it counts as
 * gone, 3.1 seconds after its end, or after the last that it was sent.
 */
const FIRST_LOOK_MS = 100;
const LONGEST_MS = 1600;

/** By which it is found out whether a client takes what it is sent. */
export type PresenceOut = Pick<Outbox, "flush" | "written" | "writing" | "broken">;

/** What is said to a client that may be gone. */
export interface PresenceHost {
  /** Puts something in front of the client that changes nothing for it, unless it is in the middle of a message. */
  sayNothing(): void;
  /** The client is gone; told once. */
  left(): void;
}

/**
 * Whether a client that sends no more is still there. It may have ended its side only, as `nc -N` does: then it reads on, and
 * PostgreSQL answers it. One that is gone answers what is sent to it with a reset, so that the next write fails. As nobody can be
 * told from one that waits for a long statement, or reads nothing, that is not done for ever.
 */
export class Presence {
  readonly #clock: Clock;
  readonly #out: PresenceOut;
  readonly #host: PresenceHost;
  #timer: Timer | null = null;
  #waitMs = FIRST_LOOK_MS;
  #written = 0;
  #over = false;

  constructor(clock: Clock, out: PresenceOut, host: PresenceHost) {
    this.#clock = clock;
    this.#out = out;
    this.#host = host;
  }

  /** Begins to look, until the client is found to be gone, or {@link close} is called. Safe to call again. */
  watch(): void {
    if (this.#timer === null && !this.#over) this.#again();
  }

  close(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  #again(): void {
    this.#written = this.#out.written;
    this.#timer = this.#clock.after(this.#waitMs, () => this.#look());
  }

  #look(): void {
    const out = this.#out;
    const late = this.#waitMs >= LONGEST_MS;
    const reads = out.written > this.#written;
    this.#waitMs = reads ? FIRST_LOOK_MS : this.#waitMs * 2;
    if (!out.writing) this.#host.sayNothing();
    void out.flush();
    if (!out.broken && (reads || !late)) return this.#again();
    this.#over = true;
    this.#host.left();
  }
}
