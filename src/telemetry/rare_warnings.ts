import type { Log, LogFields } from "./log.ts";

/** Of one kind so many are said in so long. */
const SAID_MAX = 5;
const WINDOW_MS = 60_000;

/** Kinds that are told apart; those of more share one count. */
const KINDS_MAX = 1000;

/** What was said of one kind since its time began. */
interface Window {
  sinceMs: number;
  said: number;
  leftOut: number;
}

/**
 * Warnings that a busy program could give thousands of times a second: five a minute of each kind are said, and the next one that is
 * says how many were left out.
 */
export class RareWarnings {
  readonly #log: Log;
  readonly #nowMs: () => number;
  readonly #windows = new Map<string, Window>();

  /** `nowMs` gives milliseconds that only rise. */
  constructor(log: Log, nowMs: () => number) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  /** Says it, unless its kind was said often enough. What makes a kind is the caller's to say. */
  say(kind: string, message: string, fields: LogFields): void {
    const nowMs = this.#nowMs();
    const window = this.#windowOf(kind, nowMs);
    if (nowMs - window.sinceMs >= WINDOW_MS) {
      window.sinceMs = nowMs;
      window.said = 0;
    }
    if (window.said === SAID_MAX) {
      window.leftOut++;
      return;
    }
    window.said++;
    const { leftOut } = window;
    window.leftOut = 0;
    this.#log.warning(message, leftOut === 0 ? fields : { ...fields, left_out: leftOut });
  }

  #windowOf(kind: string, nowMs: number): Window {
    const known = this.#windows.get(kind);
    if (known !== undefined) return known;
    if (this.#windows.size >= KINDS_MAX) {
      this.#forgetOld(nowMs);
      if (this.#windows.size >= KINDS_MAX && kind !== "") return this.#windowOf("", nowMs);
    }
    const window = { sinceMs: nowMs, said: 0, leftOut: 0 };
    this.#windows.set(kind, window);
    return window;
  }

  #forgetOld(nowMs: number): void {
    for (const [kind, { sinceMs, leftOut }] of this.#windows) {
      if (leftOut === 0 && nowMs - sinceMs >= WINDOW_MS) this.#windows.delete(kind);
    }
  }
}
