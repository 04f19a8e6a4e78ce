/**
 * What of an SQL text a pooler must see: which texts are the same but for their literals. Bytes in, no string made.
 *
 * The lexical rules are those of PostgreSQL's scan.l: nested comments, dollar quotes, E'' strings, quoted identifiers.
 * Bytes above 127 count as letters, so any server encoding that keeps ASCII as it is reads right.
 */

const Kind = { Other: 0, Space: 1, Letter: 2, Digit: 3 } as const;

const KINDS: Readonly<Uint8Array> = kinds();

function kinds(): Uint8Array {
  const table = new Uint8Array(256);
  for (let c = 0; c < 256; c++) {
    if (c === 32 || (c >= 9 && c <= 13)) table[c] = Kind.Space;
    else if (c >= 48 && c <= 57) table[c] = Kind.Digit;
    else if ((c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c >= 128) table[c] = Kind.Letter;
  }
  return table;
}

/** What of a word counts, by its byte: letters as small ones, digits and `$` as they are; 0 for what ends it. */
const WORD_BYTES: Readonly<Uint8Array> = KINDS.map((kind, c) => {
  if (c >= 65 && c <= 90) return c | 32;
  return kind >= Kind.Letter || c === 0x24 ? c : 0;
});

const PRIME_1 = 0x01000193;
const PRIME_2 = 0x85ebca6b | 0;

/** Stands for any literal. */
const LITERAL = 0x100;
/** Stands for any parameter: what a text does may depend on whether something is one. */
const PARAMETER = 0x101;

/**
 * A 53-bit number that is the same for texts that differ only in literals, comments, white space, case of keywords, and the
 * length of lists of literals.
 *
 * `backslashes`: standard_conforming_strings is off, so that a backslash escapes in every string.
 */
export function sqlFingerprint(bytes: Uint8Array, start: number, end: number, backslashes = false): number {
  let h1 = 0x811c9dc5 | 0;
  let h2 = 0x1b873593;
  let at = start;
  /** The last token was a literal; a comma after it may belong to a list of literals. */
  let afterLiteral = false;
  let comma = false;
  while (at < end) {
    const c = bytes[at]!;
    const kind = KINDS[c]!;
    if (kind === Kind.Space) {
      at++;
      continue;
    }
    if (c === 0x2d && bytes[at + 1] === 0x2d) { // --
      while (at < end && bytes[at] !== 10 && bytes[at] !== 13) at++;
      continue;
    }
    if (c === 0x2f && bytes[at + 1] === 0x2a) { // /*
      at = skipComment(bytes, at, end);
      continue;
    }
    let token = -1;
    if (kind === Kind.Letter) {
      const quote = quoteBehind(bytes, at, end);
      if (quote > 0) { // E'…', B'…', X'…', N'…'
        const escapes = backslashes || (quote - at === 1 && (c | 32) === 0x65);
        at = skipQuoted(bytes, quote, end, 0x27, escapes);
        token = LITERAL;
      } else {
        if (comma) {
          h1 = Math.imul(h1 ^ 0x2c, PRIME_1);
          h2 = Math.imul(h2 ^ 0x2c, PRIME_2);
          comma = false;
        }
        // Two bytes at a time: each step has to wait for the one before.
        for (let first = WORD_BYTES[c]!; first !== 0;) {
          const second = ++at < end ? WORD_BYTES[bytes[at]!]! : 0;
          const pair = first | (second << 8);
          h1 = Math.imul(h1 ^ pair, PRIME_1);
          h2 = Math.imul((h2 ^ pair) + (h2 >>> 15), PRIME_2);
          first = second !== 0 && ++at < end ? WORD_BYTES[bytes[at]!]! : 0;
        }
        h1 = Math.imul(h1 ^ 0x20, PRIME_1);
        afterLiteral = false;
        continue;
      }
    } else if (kind === Kind.Digit || (c === 0x2e && KINDS[bytes[at + 1]!] === Kind.Digit)) {
      at = numberEnd(bytes, at, end);
      token = LITERAL;
    } else if (c === 0x27) {
      at = skipQuoted(bytes, at, end, 0x27, backslashes);
      token = LITERAL;
    } else if (c === 0x24) { // $1, $$…$$, $tag$…$tag$
      token = KINDS[bytes[at + 1]!] === Kind.Digit ? PARAMETER : LITERAL;
      at = token === PARAMETER ? numberEnd(bytes, at + 1, end) : skipDollarQuoted(bytes, at, end);
    } else if (c === 0x22) {
      const next = skipQuoted(bytes, at, end, 0x22, false);
      if (comma) {
        h1 = Math.imul(h1 ^ 0x2c, PRIME_1);
        comma = false;
      }
      for (let i = at; i < next; i++) {
        h1 = Math.imul(h1 ^ bytes[i]!, PRIME_1);
        h2 = Math.imul((h2 ^ bytes[i]!) + (h2 >>> 15), PRIME_2);
      }
      at = next;
      afterLiteral = false;
      continue;
    } else {
      at++;
      if (c === 0x2c && afterLiteral) {
        comma = true;
        afterLiteral = false;
        continue;
      }
      token = c;
    }
    if (token >= LITERAL && comma) {
      // One more of a list: "1, 2, 3" is "1".
      comma = false;
      afterLiteral = true;
      continue;
    }
    if (comma) {
      h1 = Math.imul(h1 ^ 0x2c, PRIME_1);
      comma = false;
    }
    h1 = Math.imul(h1 ^ token, PRIME_1);
    h2 = Math.imul((h2 ^ token) + (h2 >>> 15), PRIME_2);
    afterLiteral = token >= LITERAL;
  }
  h1 ^= h1 >>> 13;
  h2 ^= h2 >>> 16;
  return (h1 >>> 0) * 0x200000 + (h2 & 0x1fffff);
}

/** A 53-bit number that is the same for the same bytes. */
export function textHash(bytes: Uint8Array, start: number, end: number): number {
  let h1 = 0x811c9dc5 | 0;
  let h2 = 0x1b873593;
  for (let i = start; i < end; i++) {
    h1 = Math.imul(h1 ^ bytes[i]!, PRIME_1);
    h2 = Math.imul((h2 ^ bytes[i]!) + (h2 >>> 15), PRIME_2);
  }
  return (h1 >>> 0) * 0x200000 + (h2 & 0x1fffff);
}

/** The place of a quote behind a word of one or two letters at `at`; 0 where none is. */
function quoteBehind(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 < end && bytes[at + 1] === 0x27) return at + 1;
  return at + 2 < end && bytes[at + 2] === 0x27 && WORD_BYTES[bytes[at + 1]!] !== 0 ? at + 2 : 0;
}

/** Behind the identifier or keyword at `at`. */
export function wordEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && (KINDS[bytes[i]!]! >= Kind.Letter || bytes[i] === 0x24)) i++;
  return i;
}

function numberEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && (KINDS[bytes[i]!]! >= Kind.Letter || bytes[i] === 0x2e)) i++;
  return i;
}

function skipComment(bytes: Uint8Array, at: number, end: number): number {
  let depth = 1;
  let i = at + 2;
  while (i < end && depth > 0) {
    if (bytes[i] === 0x2a && bytes[i + 1] === 0x2f) {
      depth--;
      i += 2;
    } else if (bytes[i] === 0x2f && bytes[i + 1] === 0x2a) {
      depth++;
      i += 2;
    } else i++;
  }
  return Math.min(i, end);
}

/** Behind the closing quote; a doubled quote is part of the text. */
export function skipQuoted(
  bytes: Uint8Array,
  at: number,
  end: number,
  quote: number,
  escapes: boolean,
): number {
  let i = at + 1;
  while (i < end) {
    const b = bytes[i]!;
    if (b === quote) {
      if (bytes[i + 1] !== quote || i + 1 >= end) return i + 1;
      i += 2;
    } else i += escapes && b === 0x5c ? 2 : 1;
  }
  return end;
}

/** Behind a dollar-quoted string, or behind the dollar sign when none begins here. */
export function skipDollarQuoted(bytes: Uint8Array, at: number, end: number): number {
  let tagEnd = at + 1;
  while (tagEnd < end && KINDS[bytes[tagEnd]!]! >= Kind.Letter) tagEnd++;
  if (bytes[tagEnd] !== 0x24 || tagEnd >= end) return at + 1;
  const length = tagEnd + 1 - at;
  for (let i = tagEnd + 1; i + length <= end; i++) {
    if (bytes[i] !== 0x24) continue;
    let same = 1;
    while (same < length && bytes[i + same] === bytes[at + same]) same++;
    if (same === length) return i + length;
  }
  return end;
}
