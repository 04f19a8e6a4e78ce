import { strictEqual as equal } from "node:assert/strict";
import { sqlLiteral } from "./sql_literal.ts";

Deno.test("sqlLiteral is ASCII whatever the text, with quotes and backslashes doubled", () => {
  for (
    const [text, unicode, literal] of [
      ["", true, "''"],
      ["it's", true, "'it''s'"],
      ["a\\'b", false, "E'a\\\\''b'"],
      ["\u8868\\", true, "E'\\U00008868\\\\'"],
      ["\u8868\\", false, "E'?\\\\'"],
      ["\u{1f418}\n", true, "E'\\U0001f418\\U0000000a'"],
      ["\u{1f418}\n", false, "'??'"],
    ] as const
  ) equal(sqlLiteral(text, { unicode }), literal);
});
