import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { putBinary } from "./bytes.ts";
import { LongText } from "./long_text.ts";
import { sqlWords } from "./sql_tokens.ts";

/** What is left of `text`, which comes in pieces of these sizes, over and over. */
function reduced(text: string, sizes: readonly number[] = [text.length || 1], backslashes = false) {
  const long = new LongText(backslashes);
  const bytes = new Uint8Array(text.length);
  putBinary(bytes, 0, text);
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = Math.min(bytes.length, at + sizes[i % sizes.length]!);
    long.read(bytes, at, end);
    at = end;
  }
  return { text: long.reduced, cut: long.cut };
}

Deno.test("LongText leaves words as they are, drops comments, and cuts literals", () => {
  const long = "x".repeat(5000);
  const kept = "x".repeat(128);
  const texts: readonly (readonly [text: string, left: string, cut: boolean])[] = [
    ["SELECT 1", "SELECT 1", false],
    [`SELECT /* ${long} */ 1 -- ${long}\n, 2`, "SELECT   1  , 2", false],
    [`/* a /* ${long} */ b */SET a = 1`, " SET a = 1", false],
    [`EXECUTE p('${long}')`, `EXECUTE p('${kept}')`, true],
    [`SELECT 'it''s', '${long}'''`, `SELECT 'it''s', '${kept}'`, true],
    [`SELECT E'\\'${long}', 2`, `SELECT E'x'${long}', 2`, false],
    [`SELECT $a$ ${long} $b$ $a$, $1`, `SELECT $a$ ${"x".repeat(127)}$a$, $1`, true],
    ["SELECT $1$$/*$$, 1$$'$$, $$--$$", "SELECT $1$$/*$$, 1$$'$$, $$--$$", false],
    [
      `SELECT $${"a".repeat(200)}$ ' $${"a".repeat(200)}$`,
      `SELECT $${"a".repeat(200)}$ ' $${"a".repeat(200)}$`,
      false,
    ],
    ["SELECT \"--\", '/*', a$$b FROM t", "SELECT \"--\", '/*', a$$b FROM t", false],
  ];
  for (const [text, left, cut] of texts.filter(([text]) => !text.includes("\\"))) {
    deepEqual(reduced(text), { text: left, cut }, text.slice(0, 60));
  }
});

Deno.test("LongText gives up on a string of escapes in several parts", () => {
  for (const text of ["E'a'\n'b'", "E'a' --x\n 'b'", "E''\n''"]) {
    for (const sizes of [[100], [1]]) equal(reduced(text, sizes).text, null, text);
  }
  for (const text of ["E'a', 'b'", "'a'\n'b'", "E'a' x 'b'", "E'a' \"x\" 'b'", "E'a'\n"]) {
    for (const sizes of [[100], [1]]) equal(reduced(text, sizes).text, text);
  }
});

Deno.test("LongText reads the same however its bytes come, and says the same words as the whole text", () => {
  const piece = fc.constantFrom(
    "SELECT ",
    "SET a.b = ",
    "'",
    "''",
    "E'",
    "\\",
    '"',
    "$$",
    "$x$",
    "$1",
    "1.",
    "--",
    "/*",
    "*/",
    "\n",
    "a",
    ";",
    " ",
    "(",
    ")",
  );
  fc.assert(fc.property(
    fc.array(piece, { maxLength: 40 }),
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }),
    fc.boolean(),
    (pieces, sizes, backslashes) => {
      const text = pieces.join("");
      const whole = reduced(text, undefined, backslashes);
      deepEqual(reduced(text, sizes, backslashes), whole);
      if (whole.text === null) return;
      // What is not closed ends nowhere.
      deepEqual(
        sqlWords(`${whole.text}`, backslashes).slice(0, -1),
        sqlWords(text, backslashes).slice(0, -1),
      );
    },
  ));
});

Deno.test("LongText gives up on a text that is long without its literals", () => {
  equal(reduced("SELECT " + "a, ".repeat(200_000)).text, null);
});
