import { concat, type PgplexError } from "../kernel/mod.ts";
import { utf8 } from "./bytes.ts";

/** The one type of channel binding that PostgreSQL knows. */
export const CHANNEL_BINDING_TYPE = "tls-server-end-point";

/**
 * gs2-cbind-flag, RFC 5802, section 6: "n" a client that binds no channel, "y" one that would but believes that the server
 * cannot, "p" one that does.
 */
export type Gs2Flag = "n" | "y" | "p";

/** What a client repeats in client-final-message: its GS2 header, and with "p" the certificate's hash. */
export function cbindInput(flag: Gs2Flag, channelBinding: Uint8Array | null): Uint8Array {
  if (flag !== "p") return utf8(`${flag},,`);
  return concat(utf8(`p=${CHANNEL_BINDING_TYPE},,`), channelBinding ?? new Uint8Array(0));
}

/**
 * Reads `a=value,b=value` from left to right, RFC 5802, section 5.1. The text is one byte a character.
 *
 * Wrong input throws what `malformed` makes of a sentence; the sentences are PostgreSQL's (auth-scram.c), quote at most
 * one printable character of what came, and so carry no secret.
 */
export class AttributeReader {
  readonly text: string;
  readonly #malformed: (detail: string) => PgplexError;
  #at = 0;

  constructor(text: string, malformed: (detail: string) => PgplexError) {
    this.text = text;
    this.#malformed = malformed;
  }

  /** Where the next attribute begins. */
  get at(): number {
    return this.#at;
  }

  get done(): boolean {
    return this.#at >= this.text.length;
  }

  /** The next character without going past it, or "" at the end. */
  peek(): string {
    return this.text.charAt(this.#at);
  }

  /** What is left, without going past it. */
  rest(): string {
    return this.text.slice(this.#at);
  }

  /** Goes past the next character. */
  skip(): void {
    this.#at++;
  }

  /** Reads the value of the attribute that must come next. */
  read(name: string): string {
    if (this.peek() !== name) {
      throw this.#malformed(`Expected attribute "${name}" but found "${printable(this.peek())}".`);
    }
    return this.readAny().value;
  }

  /** Reads whichever attribute comes next. */
  readAny(): { name: string; value: string } {
    const name = this.peek();
    if (!/^[A-Za-z]$/.test(name)) {
      throw this.#malformed(`Attribute expected, but found invalid character "${printable(name)}".`);
    }
    if (this.text.charAt(this.#at + 1) !== "=") {
      throw this.#malformed(`Expected character "=" for attribute "${name}".`);
    }
    const comma = this.text.indexOf(",", this.#at);
    const end = comma < 0 ? this.text.length : comma;
    const value = this.text.slice(this.#at + 2, end);
    this.#at = end + 1;
    return { name, value };
  }
}

/** One character for an error text as sanitize_char in PostgreSQL writes it: quoted where it is printable ASCII, else its code. */
export function printable(character: string): string {
  if (/^[\x21-\x7e]$/.test(character)) return `'${character}'`;
  const code = character === "" ? 0 : character.charCodeAt(0);
  return `0x${code.toString(16).padStart(2, "0")}`;
}

/** Whether `nonce` is what RFC 5802 calls printable: ASCII from 0x21 to 0x7e without the comma, at least one. */
export function isNonce(nonce: string): boolean {
  return /^[\x21-\x2b\x2d-\x7e]+$/.test(nonce);
}
