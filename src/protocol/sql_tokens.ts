import { NAME_BYTES_MAX } from "../kernel/mod.ts";
import { binaryFromUtf8, type BinaryString } from "./bytes.ts";
import { continuationOf } from "./sql_continuation.ts";

/**
 * A token, or how one begins that {@link tokenEnd} ends: a comment, a string, a dollar quote. `U&"…"` is one token, as in
 * scan.l; what stands behind its UESCAPE is another. White space is that of scan.l too: 0xa0 is a letter. Letters right behind a
 * number are a word to servers before 15.
 */
const TOKEN =
  /--[^\r\n]*|\/\*|[eE]?'|\$(?:[A-Za-z_\u0080-\u00ff][\w\u0080-\u00ff]*)?\$|(?:[uU]&)?"(?:[^"]|"")*"?|\$\d+|[A-Za-z_\u0080-\u00ff][\w$\u0080-\u00ff]*|0[xXoObB][0-9a-fA-F_]*|\d(?:[\d.]|_\d|[eE][+-]?\d)*|[ \t-\r]+|[\s\S]/y;

/**
 * The tokens of a text, white space and comments among them. Each place is looked at once, so that no text takes long.
 *
 * `backslashes`: standard_conforming_strings is off, so that a backslash escapes in every string.
 */
export function* sqlTokens(
  text: BinaryString,
  backslashes = false,
): Generator<{ token: string; index: number }> {
  const pattern = new RegExp(TOKEN);
  for (let index = 0; index < text.length;) {
    pattern.lastIndex = index;
    const end = tokenEnd(text, index, pattern.exec(text)![0], backslashes);
    yield { token: text.slice(index, end), index };
    index = end;
  }
}

/** Where the token ends that begins with `opening`; what is not closed goes to the end, and the server refuses it. */
function tokenEnd(text: string, index: number, opening: string, backslashes: boolean): number {
  const behind = index + opening.length;
  if (opening.startsWith("--") || opening.endsWith('"')) return behind;
  if (opening === "/*") return commentEnd(text, behind);
  if (opening === "'") return stringEnd(text, behind, backslashes);
  if (opening.endsWith("'")) return escapesEnd(text, behind);
  if (!opening.startsWith("$") || !opening.endsWith("$") || opening === "$") return behind;
  const close = text.indexOf(opening, behind);
  return close < 0 ? text.length : close + opening.length;
}

function commentEnd(text: string, behind: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = behind;
  for (let depth = 1; depth > 0;) {
    const found = mark.exec(text);
    if (found === null) return text.length;
    depth += found[0] === "/*" ? 1 : -1;
  }
  return mark.lastIndex;
}

/** Behind a string of escapes, all its parts. */
function escapesEnd(text: string, behind: number): number {
  const codeAt = (place: number) => text.charCodeAt(place);
  let end = stringEnd(text, behind, true);
  for (let next = end; (next = continuationOf(codeAt, end, text.length)) > 0;) {
    end = stringEnd(text, next, true);
  }
  return end;
}

function stringEnd(text: string, behind: number, escapes: boolean): number {
  let i = behind;
  for (; i < text.length; i++) {
    const c = text[i];
    if (c === "\\" && escapes) i++;
    else if (c === "'" && text[i + 1] === "'") i++;
    else if (c === "'") return i + 1;
  }
  return text.length;
}

/** Whether a token is white space or a comment. */
export function isBlank(token: string): boolean {
  return /^[ \t-\r]/.test(token) || token.startsWith("--") || token.startsWith("/*");
}

/** Whether a token is a string, a number or a parameter. */
export function isLiteral(token: string): boolean {
  return /^(?:[eE]?'|\d)/.test(token) || (token.startsWith("$") && token.length > 1);
}

/**
 * A token as what reads SQL here compares it: `?` for a literal, a name in quotes as it is behind one `"`, anything else in
 * lower case.
 */
export function wordOf(token: string): string {
  if (isLiteral(token)) return "?";
  if (token.startsWith('"')) return `"${token.slice(1, -1).replaceAll('""', '"')}`;
  if (/^[uU]&"/.test(token)) return `"${unescaped(token.slice(3, -1).replaceAll('""', '"'), "\\")}`;
  return lowerCase(token);
}

/**
 * The words of a text, without white space and comments: each is what {@link wordOf} makes of its token, but for names with
 * an UESCAPE behind them, which are read by it; the character is left out.
 */
export function sqlWords(text: BinaryString, backslashes = false): string[] {
  const words: string[] = [];
  let [before, last] = ["", ""];
  for (const { token } of sqlTokens(text, backslashes)) {
    if (isBlank(token)) continue;
    if (words.at(-1) === "uescape" && /^[uU]&"/.test(before) && /^'[^']'$/.test(token)) {
      words[words.length - 2] = `"${unescaped(before.slice(3, -1).replaceAll('""', '"'), token[1]!)}`;
    } else words.push(wordOf(token));
    [before, last] = [last, token];
  }
  return words;
}

/** Whether a word can be a name. */
export function isName(word: string): boolean {
  return /^["a-z_\u0080-\u00ff]/.test(word);
}

/** The name that a word is. */
export function nameOf(word: string): BinaryString {
  return truncated(word.startsWith('"') ? word.slice(1) : word);
}

/** What stands in `U&"…"` as the name that it is; what cannot be read stays, and the server refuses it. */
function unescaped(text: BinaryString, escape: string): BinaryString {
  const mark = escape === "\\" ? "\\\\" : escape.replace(/[^\w]/, "\\$&");
  const escapes = new RegExp(`${mark}(?:(${mark})|([0-9a-fA-F]{4})|\\+([0-9a-fA-F]{6}))`, "g");
  let surrogate = "";
  return text.replace(escapes, (whole, self?: string, short?: string, long?: string) => {
    if (self !== undefined) return self;
    const code = parseInt(short ?? long!, 16);
    if (code > 0x10ffff) return whole;
    const character = surrogate + String.fromCodePoint(code);
    // The first half of a pair says nothing without the second.
    surrogate = /^[\ud800-\udbff]$/.test(character) ? character : "";
    return surrogate === "" ? binaryFromUtf8(character) : "";
  });
}

/** As servers fold identifiers: bytes above 127 are parts of characters, of which nothing is known here. */
export function lowerCase(word: BinaryString): BinaryString {
  return word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** An identifier as servers cut it: at 63 bytes, between two characters of UTF-8 (truncate_identifier). */
export function truncated(name: BinaryString): BinaryString {
  if (name.length <= NAME_BYTES_MAX) return name;
  let end = NAME_BYTES_MAX;
  while (end > 0 && (name.charCodeAt(end) & 0xc0) === 0x80) end--;
  return name.slice(0, end);
}

/**
 * A number that is the same for the same name: 32 bits, FNV-1a. Names that are not ASCII have one number together, as their
 * bytes depend on the encoding in which they are read.
 */
export function nameNumber(name: BinaryString): number {
  let number = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c >= 0x80) return 0;
    number = Math.imul(number ^ c, 0x01000193);
  }
  return number >>> 0;
}
