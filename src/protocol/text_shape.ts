/**
 * A text of which short literals are left out: those of letters, digits and hyphens alone, as most values that differ from run to run
 * are. Of each its kind is kept: a name, which begins with a letter and has no hyphen, or another.
 *
 * Texts of one shape name the same settings in the same way, for all that reads them by patterns (`customSettingsIn`,
 * `literalsLikeSettings`, `namesWhatItSets`): what those look for has a point, an underscore or white space in it, or stands outside of
 * literals.
 */
export class TextShape {
  readonly #bytes: Uint8Array;

  /** That of the text from `start` to `end`, in which there is no zero byte but one at the end. */
  constructor(bytes: Uint8Array, start: number, end: number) {
    const shape = new Uint8Array(end - start);
    let [at, length] = [start, 0];
    while (at < end) {
      const byte = bytes[at++]!;
      const closes = byte === QUOTE ? plainLiteralEnd(bytes, at, end) : 0;
      if (closes === 0) shape[length++] = byte;
      else {
        // Two bytes for at least two.
        shape[length++] = LEFT_OUT;
        shape[length++] = closes > 0 ? NAME : OTHER;
        at = Math.abs(closes) + 1;
      }
    }
    this.#bytes = shape.slice(0, length);
  }

  /** Whether the text from `start` to `end` has this shape. */
  fits(bytes: Uint8Array, start: number, end: number): boolean {
    const shape = this.#bytes;
    let [at, length] = [start, 0];
    while (at < end) {
      const byte = bytes[at++]!;
      const closes = byte === QUOTE ? plainLiteralEnd(bytes, at, end) : 0;
      if (closes === 0) {
        if (shape[length++] !== byte) return false;
      } else {
        if (shape[length++] !== LEFT_OUT || shape[length++] !== (closes > 0 ? NAME : OTHER)) return false;
        at = Math.abs(closes) + 1;
      }
    }
    return length === shape.length;
  }
}

const QUOTE = 0x27;
/** No text has it in its midst. What was left out follows. */
const LEFT_OUT = 0;
const NAME = 1;
const OTHER = 2;

/** What a byte is in a literal that is left out: 1 a letter, 2 a digit, 3 a hyphen, 0 none of these. */
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return /[A-Za-z]/.test(character) ? 1 : /[0-9]/.test(character) ? 2 : character === "-" ? 3 : 0;
});

/** Where the literal ends whose first character is at `at`: less than zero where it is no name; 0 where it is not left out. */
function plainLiteralEnd(bytes: Uint8Array, at: number, end: number): number {
  let isName = KINDS[bytes[at]!] === 1;
  for (let i = at; i < end; i++) {
    const kind = KINDS[bytes[i]!];
    if (kind === 0) return bytes[i] !== QUOTE ? 0 : isName ? i : -i;
    if (kind === 3) isName = false;
  }
  return 0;
}
