/** Why the record of a cluster cannot be read, which is said once: until it is another reason, or it was read. */
export class ReadFailures {
  readonly #say: (error: string) => void;
  #last: string | null = null;

  constructor(say: (error: string) => void) {
    this.#say = say;
  }

  failed(thrown: unknown): void {
    const error = thrown instanceof Error ? thrown.message : String(thrown);
    if (error !== this.#last) this.#say(error);
    this.#last = error;
  }

  /** It was read. */
  over(): void {
    this.#last = null;
  }
}
