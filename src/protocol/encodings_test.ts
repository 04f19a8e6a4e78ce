import { strictEqual as equal } from "node:assert/strict";
import { isAscii, isWrittenIn, transcode } from "./encodings.ts";

Deno.test("transcode writes a text in another encoding, as servers do", () => {
  const cases: readonly [text: string, from: string, to: string, written: string | null][] = [
    ["p\xc3\xa9", "UTF8", "LATIN1", "p\xe9"],
    ["p\xe9", "LATIN1", "UTF8", "p\xc3\xa9"],
    ["\xa4", "LATIN9", "UTF8", "\xe2\x82\xac"],
    ["\xe2\x82\xac", "UTF8", "WIN1252", "\x80"],
    ["\xe2\x82\xac", "UTF8", "LATIN1", null],
    ["\xf0\x9f\x90\x98", "UTF8", "LATIN2", null],
    ["\xd0", "LATIN5", "UTF8", "\xc4\x9e"],
    ["\xc1", "KOI8R", "WIN1251", "\xe0"],
    ["\x82\xa0", "SJIS", "UTF8", "\xe3\x81\x82"],
    ["\xe3\x81\x82", "UTF8", "SJIS", null],
    ["\xe9", "UTF8", "LATIN1", null],
    ["\xe9", "JOHAB", "UTF8", null],
    ["\xe9", "LATIN1", "MULE_INTERNAL", null],
    ["\xe9", "SQL_ASCII", "UTF8", "\xe9"],
    ["\xe9", "LATIN1", "SQL_ASCII", "\xe9"],
    ["plain", "JOHAB", "UTF8", "plain"],
  ];
  for (const [text, from, to, written] of cases) equal(transcode(text, from, to), written, `${from} ${to}`);
});

Deno.test("isAscii is true where all encodings write a text alike", () => {
  equal(isAscii("a\x7f"), true);
  equal(isAscii("a\x80"), false);
});

Deno.test("isWrittenIn is false for bytes that are no text in an encoding, or in one that is not known here", () => {
  for (const encoding of ["UTF8", "SJIS", "JOHAB"]) equal(isWrittenIn("\xe9", encoding), false, encoding);
  for (const encoding of ["LATIN1", "SQL_ASCII", "WIN1251"]) {
    equal(isWrittenIn("\xe9", encoding), true, encoding);
  }
  equal(isWrittenIn("plain", "JOHAB"), true);
});
