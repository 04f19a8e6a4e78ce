import type { Clock, Timer } from "../kernel/mod.ts";

/** A connection that owes something, and sends nothing at all for so long, is lost. */
const SILENCE_MAX_MS = 3000;

/** A connection that is watched. */
export interface Watched {
  /** Bytes received so far. */
  readonly received: number;
  close(): void;
}

/** Closes a shared listener's connection when it owes an answer or a marker and has fallen silent. */
export class SilenceWatch {
  readonly #clock: Clock;
  #connection: Watched | null = null;
  #timer: Timer | null = null;
  /** Commands that were not answered yet. */
  #commands = 0;
  /** Serials of markers that have to come soon. */
  readonly #markers = new Set<number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `connection` is watched from now on. */
  begin(connection: Watched): void {
    this.#connection = connection;
  }

  /** Nothing comes from the connection any more. */
  end(): void {
    this.#connection = null;
    this.#timer?.cancel();
    this.#timer = null;
    this.#markers.clear();
  }

  /** An answer that is owed; resolves and rejects as it does. */
  async answered(answer: Promise<void>): Promise<void> {
    this.#commands++;
    this.#watch();
    try {
      await answer;
    } finally {
      this.#commands--;
    }
  }

  /** Marker `serial` is owed. */
  await(serial: number): void {
    this.#markers.add(serial);
    this.#watch();
  }

  /** Marker `serial` came, or is not owed any more. */
  forget(serial: number): void {
    this.#markers.delete(serial);
  }

  #watch(): void {
    const connection = this.#connection;
    if (this.#timer !== null || connection === null) return;
    const before = connection.received;
    this.#timer = this.#clock.after(SILENCE_MAX_MS, () => {
      this.#timer = null;
      if (this.#commands === 0 && this.#markers.size === 0) return;
      if (connection.received === before) connection.close();
      else this.#watch();
    });
  }
}
