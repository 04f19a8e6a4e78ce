import type { PgplexError } from "../kernel/mod.ts";

/** What takes longer to come may be on its way to a server that does not answer, in milliseconds. */
const RECENT_MS = 250;

/** How attempts to make a resource went, and when the next one may be made; times in clock milliseconds. Pure. */
export class Attempts {
  #retryAtMs = 0;
  /** When the last one began. */
  #begunMs = -Infinity;
  /** When the minimum is filled up again, at the earliest, since an attempt failed for good. */
  #refillAtMs = 0;
  #failure: PgplexError | null = null;
  /** What was opened was lost before anybody could use it: that others open proves nothing, before one of them is used. */
  #spoilt = false;

  /** Why the last one failed, until one succeeds; one whose resource was {@link spoil}t failed too. */
  get failure(): PgplexError | null {
    return this.#failure;
  }

  /** Whether one may be made for somebody who waits. */
  mayOpen(nowMs: number): boolean {
    return nowMs >= this.#retryAtMs;
  }

  /** Whether one may be made for nobody in particular. */
  mayRefill(nowMs: number): boolean {
    return this.mayOpen(nowMs) && nowMs >= this.#refillAtMs;
  }

  /** One begins. As long as it is not known whether it goes well again, one at a time is made. */
  begins(nowMs: number, retryMs: number): void {
    this.#begunMs = nowMs;
    if (this.#failure !== null) this.#retryAtMs = nowMs + retryMs;
  }

  /** Whether the last one began so lately that it is likely to go well. */
  isRecent(nowMs: number): boolean {
    return nowMs - this.#begunMs < RECENT_MS;
  }

  /** One went well: that is known again of all, unless what was opened has been lost unused. */
  succeeded(): void {
    if (!this.#spoilt) this.forget();
  }

  /** One failed. */
  failed(error: PgplexError, nowMs: number, retryMs: number): void {
    this.#failure = error;
    this.#retryAtMs = nowMs + retryMs;
  }

  /** One for nobody in particular failed for good. */
  refillFailed(nowMs: number, retryMs: number): void {
    this.#refillAtMs = nowMs + retryMs;
  }

  /** What was opened was lost before anybody could use it. */
  spoil(error: PgplexError, nowMs: number, retryMs: number): void {
    this.#spoilt = true;
    this.failed(error, nowMs, retryMs);
  }

  /** A resource serves as it should. */
  proved(): void {
    if (this.#spoilt) this.forget();
  }

  /** Whatever failed may go well now. */
  forget(): void {
    this.#spoilt = false;
    this.#failure = null;
    this.#retryAtMs = this.#refillAtMs = 0;
  }
}
