import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import {
  isBlank,
  isLiteral,
  isName,
  lowerCase,
  nameNumber,
  nameOf,
  sqlTokens,
  sqlWords,
  truncated,
  wordOf,
} from "./sql_tokens.ts";

const tokens = (text: string, backslashes = false) =>
  [...sqlTokens(text, backslashes)].map(({ token }) => token);

Deno.test("sqlTokens keeps strings, comments, names in quotes and dollar quotes whole", () => {
  for (
    const text of [
      "'it''s; --'",
      "E'\\'; --'",
      "E'a' --'\n \r--\n\t'\\'; --'",
      `"a""b;"`,
      `U&"d\\0061t"`,
      "$$ '; $x$ $$",
      "$tag$ $$ $tag$",
      "/* a /* b */ ; */",
      "-- it's",
    ]
  ) deepEqual(tokens(`${text}\n;`), [text, "\n", ";"], text);
});

Deno.test("sqlTokens takes what is not closed up to the end", () => {
  for (const text of ["'a;", "$$a;", "$a$b$c$", "/* /* */ ;", '"a;']) deepEqual(tokens(text), [text], text);
});

Deno.test("sqlTokens lets a backslash escape in a plain string only where it is told so", () => {
  deepEqual(tokens("'\\' ;"), ["'\\'", " ", ";"]);
  deepEqual(tokens("'\\' ;", true), ["'\\' ;"]);
});

Deno.test("sqlTokens takes a string behind another for a part of it where a line ends between, and nothing but blanks is there", () => {
  deepEqual(tokens("E'a'\n'\\'';"), ["E'a'\n'\\''", ";"]);
  for (const gap of [" ", "/*\n*/", "\n/**/", "\n-", "\nx", "--\\n"]) {
    deepEqual(tokens(`E'a'${gap}'\\'`)[0], "E'a'", gap);
  }
  deepEqual(tokens("E'a'\n"), ["E'a'", "\n"]);
});

Deno.test("sqlTokens tells parameters, numbers and names with dollar signs apart", () => {
  deepEqual(tokens("$1+1.5e3-a$b$c"), ["$1", "+", "1.5e3", "-", "a$b$c"]);
  deepEqual(tokens("0xFF+1_0e-5+1into+2a$x$"), ["0xFF", "+", "1_0e-5", "+", "1", "into", "+", "2", "a$x$"]);
});

Deno.test("sqlTokens gives every byte of any text once, with its place", () => {
  const piece = fc.constantFrom(
    "'",
    '"',
    "$",
    "$a$",
    "/*",
    "*/",
    "--",
    "\n",
    "\\",
    "U&",
    "e",
    "1",
    "\u00e4",
    ";",
    "E'",
  );
  fc.assert(
    fc.property(fc.array(piece).map((pieces) => pieces.join("")), fc.boolean(), (text, backslashes) => {
      let at = 0;
      for (const { token, index } of sqlTokens(text, backslashes)) {
        equal(index, at);
        equal(token.length > 0, true);
        at += token.length;
      }
      equal(at, text.length);
      equal(tokens(text, backslashes).join(""), text);
    }),
  );
});

Deno.test("isBlank and isLiteral tell what says nothing, and what stands for a value", () => {
  deepEqual([" \t", "\n", "-- x", "/* x */", "-", "/", "x", ""].map(isBlank), [
    ...[true, true, true, true, false, false, false, false],
  ]);
  deepEqual(["'a'", "E'a'", "e'a'", "12", "$1", "$$a$$", "$", "e", '"a"', "a1"].map(isLiteral), [
    ...[true, true, true, true, true, true, false, false, false, false],
  ]);
});

Deno.test("wordOf hides values, folds names as servers do, and reads those in quotes", () => {
  const words: Record<string, string> = {
    "'a'": "?",
    "$1": "?",
    "SeLeCT": "select",
    "\u00c4B": "\u00c4b",
    '"A""b"': '"A"b',
    'U&"d\\0061t\\+000061\\\\"': '"data\\',
    'u&"\\00e4"': '"\u00c3\u00a4',
    'U&"\\d83d\\de00"': '"\u00f0\u009f\u0098\u0080',
    'U&"\\zzzz\\+110000"': '"\\zzzz\\+110000',
  };
  for (const [token, word] of Object.entries(words)) equal(wordOf(token), word, token);
});

Deno.test("sqlWords leaves out blanks and comments, and reads a name by its UESCAPE", () => {
  deepEqual(sqlWords("SELECT /* x */ A.b--y\n, 'c'"), ["select", "a", ".", "b", ",", "?"]);
  deepEqual(sqlWords(`SET U&"!0061b!!" UESCAPE '!' TO 1`), ["set", '"ab!', "uescape", "to", "?"]);
  deepEqual(sqlWords(`SELECT U&"!0061" = '!'`), ["select", '"!0061', "=", "?"]);
  deepEqual(sqlWords(`SET "a" UESCAPE '!'`), ["set", '"a', "uescape", "?"]);
});

Deno.test("isName and nameOf take plain names and those in quotes", () => {
  deepEqual(["a", "_a", "\u00e4", '"A b', "?", "1", ".", "("].map(isName), [
    ...[true, true, true, true, false, false, false, false],
  ]);
  deepEqual(["tab", '"Tab "x'].map(nameOf), ["tab", 'Tab "x']);
  equal(nameOf("x".repeat(64)), "x".repeat(63));
});

Deno.test("lowerCase folds ASCII alone", () => {
  equal(lowerCase("ABC\u00c4\u00d6Z_1"), "abc\u00c4\u00d6z_1");
});

Deno.test("truncated cuts at 63 bytes, and never in the middle of a character of UTF-8", () => {
  equal(truncated("x".repeat(63)), "x".repeat(63));
  equal(truncated("x".repeat(64)), "x".repeat(63));
  equal(truncated(`${"x".repeat(62)}\xc3\xa4`), "x".repeat(62));
  equal(truncated(`${"x".repeat(61)}\xc3\xa4y`), `${"x".repeat(61)}\xc3\xa4`);
  equal(truncated("\x80".repeat(70)), "");
});

Deno.test("nameNumber is FNV-1a of 32 bits, and one number for all names that are not ASCII", () => {
  equal(nameNumber(""), 0x811c9dc5);
  equal(nameNumber("a"), 0xe40c292c);
  equal(nameNumber("foobar"), 0xbf9cf968);
  deepEqual([nameNumber("\u00e4"), nameNumber("a\u00fc")], [0, 0]);
});
