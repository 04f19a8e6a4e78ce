/**
 * A password, a password hash or a private key. Printing, logging, formatting or serialising one shows `***`; only
 * {@link Secret.reveal} gives the text, so each place that uses it can be found by that word.
 *
 * It does not survive `structuredClone`: what crosses to a worker must be revealed and wrapped again there.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself. Never hand it to a log, an error message or the console. */
  reveal(): string {
    return this.#text;
  }

  /** Whether both hold the same text. For comparing configurations; not constant in time, so never for authentication. */
  equals(other: Secret): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return "***";
  }

  toJSON(): string {
    return "***";
  }

  [Symbol.for("Deno.customInspect")](): string {
    return "***";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "***";
  }
}
