import { type BinaryString, binaryString } from "./bytes.ts";

/** So much is kept of each literal: names are shorter. */
const LITERAL_KEPT = 128;

/** What is left may be so long. */
const REDUCED_MAX = 1 << 18;

/**
 * What a word at hand is: `$` goes on with a name, and ends a number and a parameter. `Escape` is the name `e`, which
 * makes a string of escapes of the one behind it.
 */
const Word = { None: 0, Number: 1, Parameter: 2, Escape: 3, Name: 4 } as const;

/** What the byte at hand is part of. */
const Mode = { Plain: 0, Line: 1, Block: 2, String: 3, StringEnd: 4, Name: 5, Tag: 6, Dollar: 7 } as const;

const [QUOTE, DOUBLE, DASH, STAR, SLASH] = [0x27, 0x22, 0x2d, 0x2a, 0x2f];
const [DOLLAR, BACKSLASH, DOT] = [0x24, 0x5c, 0x2e];

/**
 * Reads a text of any length in one pass, as its bytes come: what is left are its words, and the beginnings of its literals.
 * The lexical rules are those of PostgreSQL's scan.l.
 */
export class LongText {
  readonly #backslashes: boolean;
  #out = "";
  /** The last character of {@link #out}. */
  #before = 0;
  #word: number = Word.None;
  #mode: number = Mode.Plain;
  #cut = false;
  /** Characters of the literal at hand. */
  #length = 0;
  #escapes = false;
  #escaped = false;
  /** A string of escapes ended, and nothing but blanks is behind it: a quote may open its next part. */
  #mayGoOn = false;
  #goesOn = false;
  #depth = 0;
  /** The last character of the comment at hand. */
  #last = 0;
  /** The dollar quote at hand, and how much of another one has come. */
  #tag = "";
  #matched = 0;

  /** @param backslashes standard_conforming_strings is off, so that a backslash escapes in every string */
  constructor(backslashes: boolean) {
    this.#backslashes = backslashes;
  }

  /** What is left of what was read; null where that is too long too, or holds a string of escapes in several parts. */
  get reduced(): BinaryString | null {
    if (this.#out.length > REDUCED_MAX || this.#goesOn) return null;
    return this.#out + (this.#mode === Mode.StringEnd ? "'" : this.#mode === Mode.Tag ? this.#tag : "");
  }

  /** Whether a literal was cut. */
  get cut(): boolean {
    return this.#cut;
  }

  /** More of it lies from `start` to `end`. */
  read(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      switch (this.#mode) {
        case Mode.Plain:
          at = this.#plain(bytes, at, end);
          break;
        case Mode.Line:
          at = this.#line(bytes, at, end);
          break;
        case Mode.Block:
          this.#block(bytes[at++]!);
          break;
        case Mode.String:
          at = this.#string(bytes, at, end);
          break;
        case Mode.StringEnd:
          if (bytes[at] === QUOTE) {
            this.#keep("''");
            this.#mode = Mode.String;
            at++;
          } else {
            this.#mayGoOn = this.#escapes;
            this.#ends("'");
          }
          break;
        case Mode.Name:
          at = this.#name(bytes, at, end);
          break;
        case Mode.Tag:
          at = this.#tagGoesOn(bytes, at);
          break;
        default:
          this.#dollar(bytes[at++]!);
      }
    }
  }

  #plain(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && !isSpecial(bytes[at]!)) this.#word = wordWith(this.#word, bytes[at++]!);
    if (at > start) {
      const text = binaryString(bytes, start, at);
      if (this.#mayGoOn && !isBlank(text)) this.#mayGoOn = false;
      this.#put(text);
    }
    if (at === end) return end;
    const c = bytes[at]!;
    if ((c === DASH && this.#before === DASH) || (c === STAR && this.#before === SLASH)) {
      this.#out = this.#out.slice(0, -1);
      this.#mode = c === DASH ? Mode.Line : Mode.Block;
      this.#depth = 1;
      this.#last = 0;
    } else if (c === DOLLAR && this.#word < Word.Escape) {
      this.#tag = "$";
      this.#mode = Mode.Tag;
    } else {
      if (c === QUOTE && this.#mayGoOn) this.#goesOn = true;
      this.#mayGoOn &&= c === DASH;
      if (c === QUOTE) this.#escapes = this.#backslashes || this.#word === Word.Escape;
      this.#word = c === DOLLAR ? Word.Name : Word.None;
      if (c === QUOTE) this.#mode = Mode.String;
      if (c === DOUBLE) this.#mode = Mode.Name;
      this.#length = 0;
      this.#put(String.fromCharCode(c));
    }
    return at + 1;
  }

  #line(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && bytes[at] !== 10 && bytes[at] !== 13) at++;
    if (at === end) return end;
    this.#ends(" ");
    return at + 1;
  }

  #block(c: number): void {
    const last = this.#last;
    this.#last = c;
    if (last === STAR && c === SLASH) {
      this.#last = 0;
      if (--this.#depth === 0) this.#ends(" ");
    } else if (last === SLASH && c === STAR) {
      this.#last = 0;
      this.#depth++;
    }
  }

  #string(bytes: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const c = bytes[at]!;
      if (this.#escaped) this.#escaped = false;
      else if (c === QUOTE) {
        this.#mode = Mode.StringEnd;
        return at + 1;
      } else if (this.#escapes && c === BACKSLASH) this.#escaped = true;
      // What an escape stands for is no part of a name.
      if (this.#length < LITERAL_KEPT) {
        this.#keep(c === QUOTE || c === BACKSLASH ? "x" : String.fromCharCode(c));
      } else this.#cut = true;
    }
    return end;
  }

  #name(bytes: Uint8Array, start: number, end: number): number {
    const close = bytes.indexOf(DOUBLE, start);
    const stop = close < 0 || close >= end ? end : close + 1;
    this.#put(binaryString(bytes, start, stop));
    if (stop > start && bytes[stop - 1] === DOUBLE) this.#mode = Mode.Plain;
    return stop;
  }

  #tagGoesOn(bytes: Uint8Array, at: number): number {
    const c = bytes[at]!;
    if (c === DOLLAR) {
      this.#tag += "$";
      this.#mode = Mode.Dollar;
      this.#length = this.#matched = 0;
      this.#put(this.#tag);
      return at + 1;
    }
    const isParameter = this.#tag === "$" && c >= 48 && c <= 57;
    if (isWord(c) && !isParameter && this.#tag.length <= REDUCED_MAX) {
      this.#tag += String.fromCharCode(c);
      return at + 1;
    }
    const isName = this.#tag.length > 1;
    this.#ends(this.#tag);
    this.#word = isParameter ? Word.Parameter : isName ? Word.Name : Word.None;
    return at;
  }

  #dollar(c: number): void {
    if (c === this.#tag.charCodeAt(this.#matched)) {
      if (++this.#matched === this.#tag.length) this.#ends(this.#tag);
      return;
    }
    if (this.#matched > 0) this.#keep(this.#tag.slice(0, this.#matched));
    this.#matched = c === DOLLAR ? 1 : 0;
    if (c !== DOLLAR) this.#keep(String.fromCharCode(c));
  }

  /** More of a literal. */
  #keep(text: BinaryString): void {
    this.#length += text.length;
    if (this.#length <= LITERAL_KEPT) this.#put(text);
    else this.#cut = true;
  }

  /** What was at hand ends with `text`. */
  #ends(text: BinaryString): void {
    this.#mode = Mode.Plain;
    this.#word = Word.None;
    this.#put(text);
  }

  #put(text: BinaryString): void {
    this.#before = text.charCodeAt(text.length - 1);
    if (this.#out.length <= REDUCED_MAX) this.#out += text;
  }
}

function isBlank(text: BinaryString): boolean {
  return /^[ \t-\r]*$/.test(text);
}

function isSpecial(c: number): boolean {
  return c === QUOTE || c === DOUBLE || c === DASH || c === STAR || c === DOLLAR;
}

/** What a word is with one more byte behind it, as in {@link sqlTokens}. */
function wordWith(word: number, c: number): number {
  if (word === Word.Number && c === DOT) return word;
  if (c >= 48 && c <= 57 && word < Word.Escape) return word === Word.None ? Word.Number : word;
  if (!isWord(c)) return Word.None;
  return word < Word.Escape && (c === 0x45 || c === 0x65) ? Word.Escape : Word.Name;
}

function isWord(c: number): boolean {
  return (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95 || c >= 128;
}
