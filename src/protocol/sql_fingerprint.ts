/**
 * What of an SQL text a pooler must see: which texts are the same but for their literals. Bytes in, no string made.
 *
 * The lexical rules are those of PostgreSQL's scan.l: nested comments, dollar quotes, E'' strings, quoted identifiers.
 * Bytes above 127 count as letters, so any server encoding that keeps ASCII as it is reads right.
 */

import { continuationOf } from "./sql_continuation.ts";

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
  /** The last token where it was a literal or a parameter, else 0: a comma after it may belong to a list of such. */
  let listed = 0;
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
        at = (c | 32) === 0x65
          ? skipEscapes(bytes, quote, end)
          : skipQuoted(bytes, quote, end, 0x27, backslashes);
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
        listed = 0;
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
      at = token === PARAMETER ? digitsEnd(bytes, at + 1, end) : skipDollarQuoted(bytes, at, end);
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
      listed = 0;
      continue;
    } else {
      at++;
      if (c === 0x2c && listed !== 0 && !comma) {
        comma = true;
        continue;
      }
      token = c;
    }
    if (comma && token === listed) {
      // One more of a list: "1, 2, 3" is "1".
      comma = false;
      continue;
    }
    if (comma) {
      h1 = Math.imul(h1 ^ 0x2c, PRIME_1);
      comma = false;
    }
    h1 = Math.imul(h1 ^ token, PRIME_1);
    h2 = Math.imul((h2 ^ token) + (h2 >>> 15), PRIME_2);
    listed = token >= LITERAL ? token : 0;
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

/** The place of a quote behind the letter at `at`, where both begin a string; 0 where they do not. */
function quoteBehind(bytes: Uint8Array, at: number, end: number): number {
  if (at + 1 >= end || bytes[at + 1] !== 0x27) return 0;
  const letter = bytes[at]! | 32;
  return letter === 0x65 || letter === 0x62 || letter === 0x78 || letter === 0x6e ? at + 1 : 0;
}

/** Behind the identifier or keyword at `at`. */
export function wordEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && (KINDS[bytes[i]!]! >= Kind.Letter || bytes[i] === 0x24)) i++;
  return i;
}

/** Behind the number at `at`. Letters right behind it are a word to servers before 15. */
function numberEnd(bytes: Uint8Array, at: number, end: number): number {
  if (bytes[at] === 0x30 && at + 1 < end && BASES.includes(bytes[at + 1]! | 32)) {
    let i = at + 2;
    while (i < end && isHexOrUnderscore(bytes[i]!)) i++;
    return i;
  }
  let i = at + 1;
  for (; i < end; i++) {
    const c = bytes[i]!;
    if (c === 0x2e || KINDS[c] === Kind.Digit) continue;
    if (c !== 0x5f && (c | 32) !== 0x65) break;
    const isSign = c !== 0x5f && (bytes[i + 1] === 0x2b || bytes[i + 1] === 0x2d);
    const digit = isSign ? i + 2 : i + 1;
    if (digit >= end || KINDS[bytes[digit]!] !== Kind.Digit) break;
    i = digit;
  }
  return i;
}

/** x, o and b, in numbers that are not decimal. */
const BASES: readonly number[] = [0x78, 0x6f, 0x62];

function isHexOrUnderscore(c: number): boolean {
  return KINDS[c] === Kind.Digit || c === 0x5f || ((c | 32) >= 0x61 && (c | 32) <= 0x66);
}

function digitsEnd(bytes: Uint8Array, at: number, end: number): number {
  let i = at;
  while (i < end && KINDS[bytes[i]!] === Kind.Digit) i++;
  return i;
}

/** Behind a string of escapes, all its parts, whose first quote is at `quote`. */
function skipEscapes(bytes: Uint8Array, quote: number, end: number): number {
  const codeAt = (place: number) => bytes[place]!;
  let at = skipQuoted(bytes, quote, end, 0x27, true);
  for (let next = at; (next = continuationOf(codeAt, at, end)) > 0;) {
    at = skipQuoted(bytes, next - 1, end, 0x27, true);
  }
  return at;
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
