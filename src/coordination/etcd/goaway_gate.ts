/** A frame's header, RFC 9113, section 4.1: 24 bits of length, 8 of type, 8 of flags, 32 of stream. */
const HEADER_BYTES = 9;
/** Where the type stands in it. */
const TYPE_AT = 3;
/** RFC 9113, section 6.8. */
const GOAWAY = 7;

/**
 * Lets what an HTTP/2 server sends pass up to its first GOAWAY, whatever chunks it comes in, and then nothing: the client sees a
 * connection that ends, never the frame. It keeps no bytes: the three bytes of length in front of a GOAWAY's type may pass, and are no frame.
 *
 * Invariant: `bodyLeft` is 0 while a header is being read.
 */
export class GoawayGate {
  #headerAt = 0;
  #length = 0;
  #bodyLeft = 0;
  #isShut = false;

  /** Whether a GOAWAY was met. */
  get isShut(): boolean {
    return this.#isShut;
  }

  /** How many of the next `bytes` may pass: all, or those in front of a GOAWAY's type. */
  pass(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && !this.#isShut) {
      if (this.#bodyLeft > 0) {
        const count = Math.min(this.#bodyLeft, bytes.length - at);
        this.#bodyLeft -= count;
        at += count;
      } else if (this.#headerAt === TYPE_AT && bytes[at] === GOAWAY) {
        this.#isShut = true;
      } else at = this.#readHeader(bytes, at);
    }
    return at;
  }

  /** Takes one byte of a header. @returns where the next one is */
  #readHeader(bytes: Uint8Array, at: number): number {
    if (this.#headerAt < TYPE_AT) this.#length = this.#length * 256 + bytes[at]!;
    this.#headerAt++;
    if (this.#headerAt === HEADER_BYTES) {
      this.#headerAt = 0;
      this.#bodyLeft = this.#length;
      this.#length = 0;
    }
    return at + 1;
  }
}
