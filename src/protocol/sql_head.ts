import type { BinaryString } from "./bytes.ts";

/** One directive: what stands behind `--!pgplex`, and where in the text, counted in characters from 0. */
export interface DirectiveText {
  readonly arguments: BinaryString;
  readonly index: number;
}

/** A statement about one of pgplex's own options; `value` is null where it is DEFAULT. */
export type OptionStatement =
  | { readonly kind: "set"; readonly name: BinaryString; readonly value: BinaryString | null }
  | { readonly kind: "reset"; readonly name: BinaryString }
  | { readonly kind: "show"; readonly name: BinaryString };

/** How a text begins, as far as it concerns pgplex itself. */
export interface SqlHead {
  readonly directives: readonly DirectiveText[];
  /** Nothing but white space, comments and semicolons stands in the text, which is whole. */
  readonly empty: boolean;
  /** The text's only statement is about an option of pgplex; null otherwise. */
  readonly option: OptionStatement | null;
}

/** Bytes of a text's head that are searched for directives; what stands behind them is left alone. */
export const HEAD_BYTES_MAX = 4096;

const SPACE = /[ \t\r\n\f\v]*/y;
/** A directive as a line comment, or as a block comment for programs that take line comments away. */
const DIRECTIVE = /--!pgplex(?![\w$])([^\r\n]*)|\/\*!pgplex(?![\w$])((?:(?!\*\/|\/\*)[^])*)\*\//y;
const LINE_COMMENT = /--[^\r\n]*/y;
const BLOCK_MARK = /\/\*|\*\//g;

/** An option's name: `pgplex.tag`, `"pgplex"."tag"`, or `"pgplex.tag"`, which PostgreSQL takes for the same. */
const PREFIX = String
  .raw`(?:(?:pgplex|"pgplex")\s*\.\s*(?:([A-Za-z_][\w$]*)|"((?:[^"]|"")*)")|"pgplex\.((?:[^"]|"")*)")`;
const SET = new RegExp(
  String
    .raw`set\s+(?:session\s+|local\s+)?${PREFIX}\s*(?:=|\bto\b)\s*(?:'((?:[^']|'')*)'|"((?:[^"]|"")*)"|(-?[\w.+]+))\s*;?\s*`,
  "iy",
);
const SET_LIST = new RegExp(
  String.raw`set\s+(?:session\s+|local\s+)?${PREFIX}\s*(?:=|\bto\b)\s*([^;\s](?:[^;]*[^;\s])?)\s*;?\s*`,
  "iy",
);
const RESET = new RegExp(String.raw`reset\s+${PREFIX}\s*;?\s*`, "iy");
const SHOW = new RegExp(String.raw`show\s+${PREFIX}\s*;?\s*`, "iy");

/**
 * Whether a text may concern pgplex itself by how it begins: a comment, or a word of three bytes that SET, SHOW or RESET
 * begin with. Allocates nothing; most texts are told by their first bytes.
 *
 * The text goes to `textEnd`, of which what lies before `end` has come: where that does not tell yet, it may.
 */
export function headMayConcern(bytes: Uint8Array, start: number, end: number, textEnd: number): boolean {
  const whole = textEnd <= end || end - start >= HEAD_BYTES_MAX;
  if (textEnd < end) end = textEnd;
  let at = start;
  let c = 0;
  for (; at < end; at++) {
    c = bytes[at]!;
    if (c !== 0x20 && (c < 0x09 || c > 0x0d)) break;
  }
  if (at >= end) return !whole;
  if (c === 0x2d || c === 0x2f) return true; // - /
  c |= 0x20;
  if (c !== 0x73 && c !== 0x72) return false; // s r
  if (at + 3 > end) return !whole;
  const second = bytes[at + 1]! | 0x20;
  const third = bytes[at + 2]! | 0x20;
  if (c === 0x72) return second === 0x65 && third === 0x73; // res
  return second === 0x65 ? third === 0x74 : second === 0x68 && third === 0x6f; // set sho
}

/** Reads how `text` begins; where it is not `whole`, there is more behind it, and a directive that may be cut off is none. */
export function sqlHead(text: BinaryString, whole = true): SqlHead {
  const directives: DirectiveText[] = [];
  let at = skip(SPACE, text, 0);
  for (;;) {
    DIRECTIVE.lastIndex = at;
    const directive = DIRECTIVE.exec(text);
    if (directive !== null) {
      if (!whole && directive[1] !== undefined && DIRECTIVE.lastIndex === text.length) break;
      directives.push({ arguments: directive[1] ?? directive[2]!, index: at });
      at = DIRECTIVE.lastIndex;
    } else if (text.startsWith("--", at)) at = skip(LINE_COMMENT, text, at);
    else if (text.startsWith("/*", at)) at = blockEnd(text, at);
    else if (text[at] === ";") at++;
    else break;
    at = skip(SPACE, text, at);
  }
  return { directives, empty: whole && at >= text.length, option: whole ? optionAt(text, at) : null };
}

function optionAt(text: BinaryString, at: number): OptionStatement | null {
  const whole = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    return match !== null && onlyComments(text, pattern.lastIndex) ? match : null;
  };
  const nameOf = (match: RegExpExecArray) =>
    (match[1] ?? (match[2] ?? match[3]!).replaceAll('""', '"')).toLowerCase();
  let match = whole(SHOW);
  if (match !== null) return { kind: "show", name: nameOf(match) };
  match = whole(RESET);
  if (match !== null) return { kind: "reset", name: nameOf(match) };
  match = whole(SET);
  if (match !== null) {
    const quoted = match[4]?.replaceAll("''", "'") ?? match[5]?.replaceAll('""', '"');
    // Servers take a word without quotes in lower case, as any identifier.
    const value = quoted ?? match[6]!.toLowerCase();
    const isDefault = quoted === undefined && value === "default";
    return { kind: "set", name: nameOf(match), value: isDefault ? null : value };
  }
  match = whole(SET_LIST);
  return match === null ? null : { kind: "set", name: nameOf(match), value: match[4]! };
}

/** Whether nothing but white space and comments stands from `at` on. */
function onlyComments(text: BinaryString, at: number): boolean {
  for (;;) {
    if (text.startsWith("--", at)) at = skip(LINE_COMMENT, text, at);
    else if (text.startsWith("/*", at)) at = blockEnd(text, at);
    else break;
    at = skip(SPACE, text, at);
  }
  return at >= text.length;
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** The place behind a block comment, which may hold others. */
function blockEnd(text: string, at: number): number {
  BLOCK_MARK.lastIndex = at;
  let depth = 0;
  for (let mark = BLOCK_MARK.exec(text); mark !== null; mark = BLOCK_MARK.exec(text)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return BLOCK_MARK.lastIndex;
  }
  return text.length;
}
