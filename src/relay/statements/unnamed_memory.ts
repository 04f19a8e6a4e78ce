import { Description } from "../../backend/mod.ts";
import { type Fingerprint, OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import type { StandingOrder } from "../../options/mod.ts";
import { type BinaryString, findNul, putBinary } from "../../protocol/mod.ts";

/** Parses longer than this are not kept for a later lease when they are unnamed. */
export const UNNAMED_BYTES_MAX = 1 << 20;

/** A buffer longer than this is not kept when its unnamed statement is gone. */
const BYTES_RETAINED = 65_536;

/**
 * The unnamed statement that a session has: its Parse's body, kept to be sent to another server connection, and what is known of it.
 * Pure.
 */
export class UnnamedMemory {
  #body: Uint8Array | null = null;
  #bytes = 0;
  #left = 0;
  #kept = false;
  #tooLarge = false;
  #holds = false;
  #fingerprint: Fingerprint = OPAQUE_FINGERPRINT;
  #order: StandingOrder | null = null;
  #told: Description | null = null;
  /** By what settings servers read the literals of the text; empty: by those that hold. */
  reading: BinaryString = "";
  #serial = 0;

  /** Changes whenever the statement does. */
  get serial(): number {
    return this.#serial;
  }

  /** The Parse's body, or null when there is none or it was too long to keep. */
  get body(): Uint8Array | null {
    return this.#kept ? this.#body!.subarray(0, this.#bytes) : null;
  }

  /** {@link body} with the types of parameters that the client was told. */
  get typedBody(): Uint8Array | null {
    const { body } = this;
    const parameters = this.#told?.parameters ?? null;
    if (body === null || parameters === null) return body;
    const textEnd = findNul(body, 1, body.length) + 1;
    const typed = new Uint8Array(textEnd + parameters.length);
    typed.set(body.subarray(0, textEnd));
    putBinary(typed, textEnd, parameters);
    return typed;
  }

  /** What it does is known, now that all of it was read. */
  turnsOut(fingerprint: Fingerprint): void {
    if (this.#fingerprint === OPAQUE_FINGERPRINT) this.#fingerprint = fingerprint;
  }

  /** Whether the body has not come as a whole yet. */
  get comes(): boolean {
    return this.#left > 0;
  }

  /** Whether there is a statement. */
  get exists(): boolean {
    return this.#kept || this.#tooLarge;
  }

  /** Whether there is a statement that was too long to keep. */
  get tooLarge(): boolean {
    return this.#tooLarge;
  }

  /** Whether it is on one server connection only, and was not bound yet. */
  get holds(): boolean {
    return this.#holds;
  }

  /** What is known of the text. */
  get fingerprint(): Fingerprint {
    return this.#fingerprint;
  }

  /** What the text asks of pgplex each time that it runs. */
  get order(): StandingOrder | null {
    return this.#order;
  }

  /** What the client has heard of the types; null: nothing. */
  get told(): Description | null {
    return this.#told;
  }

  /** A Parse begins; `bodyBytes` is what {@link record} will bring. */
  begin(
    bodyBytes: number,
    fingerprint: Fingerprint = OPAQUE_FINGERPRINT,
    order: StandingOrder | null = null,
  ): void {
    this.#fingerprint = fingerprint;
    this.#order = order;
    this.#serial++;
    this.#told = null;
    this.reading = "";
    this.#bytes = 0;
    this.#left = bodyBytes;
    this.#kept = bodyBytes <= UNNAMED_BYTES_MAX;
    this.#tooLarge = this.#holds = !this.#kept;
    if (!this.#kept) this.#body = null;
    else if (
      this.#body === null || this.#body.length < bodyBytes || this.#body.length > 4 * bodyBytes + 256
    ) {
      this.#body = new Uint8Array(bodyBytes + (bodyBytes >> 2));
    }
  }

  /** The next piece of the Parse's body. */
  record(bytes: Uint8Array, start: number, end: number): void {
    this.#left -= end - start;
    if (!this.#kept) return;
    const into = this.#body!;
    let at = this.#bytes;
    if (end - start <= 256) { for (let i = start; i < end; i++) into[at++] = bytes[i]!; }
    else {
      into.set(bytes.subarray(start, end), at);
      at += end - start;
    }
    this.#bytes = at;
  }

  /** Whether the body that is recorded is the one that lies there. */
  is(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.#kept || this.#bytes !== end - start) return false;
    const body = this.#body!;
    for (let i = start, j = 0; i < end; i++, j++) if (bytes[i] !== body[j]) return false;
    return true;
  }

  /** What `before` kept is the statement again. */
  restore(
    before: {
      readonly body: Uint8Array;
      readonly fingerprint: Fingerprint;
      readonly order: StandingOrder | null;
      readonly told: Description | null;
      readonly reading: BinaryString;
    },
  ): void {
    const { body, fingerprint, order, told, reading } = before;
    this.begin(body.length, fingerprint, order);
    this.record(body, 0, body.length);
    this.#told = told;
    this.reading = reading;
  }

  /** It is bound: should it be too long to keep, it is not waited for any more. */
  bound(): void {
    this.#holds = false;
  }

  /** The client hears of its types: where that is noted. */
  describe(): Description {
    return this.#told ??= new Description();
  }

  /** In session pooling, where servers have the statement: what it asks from now on. */
  setOrder(order: StandingOrder | null): void {
    this.#order = order;
  }

  /** It is gone: a simple Query came, or its Parse failed. */
  drop(): void {
    this.#serial++;
    this.#told = null;
    this.#kept = this.#tooLarge = this.#holds = false;
    this.#bytes = 0;
    if (this.#body !== null && this.#body.length > BYTES_RETAINED) this.#body = null;
  }

  /** There is one again that was too long to keep; no server connection has it. */
  lose(): void {
    this.drop();
    this.#tooLarge = true;
  }
}
