import type { Clock, Timer } from "../kernel/mod.ts";

/** Back to the first column, and nothing in the line. */
const ERASED = "\r\x1b[K";

/** Where a {@link ProgressLine} is shown. */
export interface ProgressPlace {
  /** Writes to a terminal. */
  readonly write: (text: string) => void;
  /** How wide the terminal is now. */
  readonly columns: () => number;
  readonly clock: Pick<Clock, "nowMs" | "after">;
}

/**
 * One line of a terminal that says what is being done, and for how many seconds already. It is gone when the work is done, and before
 * anything else is printed: see {@link end}.
 */
export class ProgressLine implements Disposable {
  readonly #place: ProgressPlace;
  #text = "";
  #sinceMs = 0;
  #timer: Timer | null = null;

  constructor(place: ProgressPlace) {
    this.#place = place;
  }

  /** Says what is being done from now on. */
  readonly step = (text: string): void => {
    this.#timer?.cancel();
    if (text !== this.#text) this.#sinceMs = this.#place.clock.nowMs();
    this.#text = text;
    this.#draw();
  };

  /** Takes the line away; the next {@link step} brings it back. */
  readonly end = (): void => {
    this.#timer?.cancel();
    if (this.#timer !== null) this.#place.write(ERASED);
    this.#timer = null;
    this.#text = "";
  };

  [Symbol.dispose](): void {
    this.end();
  }

  #draw(): void {
    const { write, columns, clock } = this.#place;
    const seconds = Math.floor((clock.nowMs() - this.#sinceMs) / 1000);
    const line = seconds === 0 ? `${this.#text} …` : `${this.#text} … ${seconds} s`;
    // A line that is broken by the terminal could not be taken away; names from files may hold anything.
    const shown = [...line.replaceAll(/\p{Cc}/gu, "?")].slice(0, Math.max(columns() - 1, 0)).join("");
    write(`${ERASED}${shown}`);
    this.#timer = clock.after(1000, () => this.#draw());
  }
}
