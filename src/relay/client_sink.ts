import type { ByteSink } from "../transport/mod.ts";

/** Where bytes for the client go: to it, or to something that keeps them while others must come first. */
export class ClientSink implements ByteSink {
  readonly #out: ByteSink;
  #to: ByteSink;
  /** Answers of pgplex that wait for the end of the message that is passing; null where none does. */
  #held: Uint8Array[] | null = null;

  constructor(out: ByteSink) {
    this.#out = this.#to = out;
  }

  forward(bytes: Uint8Array, start: number, end: number): void {
    this.#to.forward(bytes, start, end);
  }

  copy(bytes: Uint8Array, start: number, end: number): void {
    this.#to.copy(bytes, start, end);
  }

  put(bytes: Uint8Array): void {
    this.#to.put(bytes);
  }

  /** `keeper` takes what comes from here on. */
  divertTo(keeper: ByteSink): void {
    this.#to = keeper;
  }

  /** The client takes what comes from here on. */
  straighten(): void {
    this.#to = this.#out;
  }

  /** `reply` is put when {@link messageEnds}. */
  hold(reply: Uint8Array): void {
    (this.#held ??= []).push(reply);
  }

  /** Whether anything is held. */
  get holding(): boolean {
    return this.#held !== null;
  }

  /** The message that was passing has ended: what was held follows. */
  messageEnds(): void {
    const held = this.#held;
    this.#held = null;
    for (const reply of held ?? []) this.#to.put(reply);
  }
}
