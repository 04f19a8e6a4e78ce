/**
 * Whether messages to the server are looked at one by one: a statement has a time of its own, or may be SHOW of an option. Few
 * sessions pay for that.
 */
export class Attention {
  #on = false;

  /** Whether it is paid. */
  get on(): boolean {
    return this.#on;
  }

  /** There is something to look for. */
  begin(): void {
    this.#on = true;
  }

  /** It was looked for: it ends unless it is `needed` still. */
  keepIf(needed: boolean): void {
    this.#on = needed;
  }
}
