import { strictEqual as equal } from "node:assert/strict";
import { binaryString } from "./bytes.ts";
import { peekBindStatement, statementName } from "./client_peek.ts";

const bytesOf = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

Deno.test("statementName keeps the 63 bytes that PostgreSQL compares", () => {
  const long = bytesOf("n".repeat(80) + "\0");
  equal(statementName(long, 0, 80), "n".repeat(63));
  equal(statementName(long, 0, 63), "n".repeat(63));
  equal(statementName(long, 0, 62), "n".repeat(62));
  equal(statementName(long, 80, 80), "");
});

Deno.test("peekBindStatement finds the statement's name behind the portal's", () => {
  for (
    const [body, name] of [
      ["\0s1\0\0\0", "s1"], // the unnamed portal
      ["portal\0s1\0\0\0", "s1"],
      ["portal\0\0\0\0", ""], // the unnamed statement
    ] as const
  ) {
    const bytes = bytesOf(`xx${body}`);
    const at = peekBindStatement(bytes, 2, bytes.length);
    equal(binaryString(bytes, at, bytes.indexOf(0, at)), name);
  }
});

Deno.test("peekBindStatement says -1 while the portal's name has no end yet", () => {
  equal(peekBindStatement(bytesOf("portal"), 0, 6), -1);
  equal(peekBindStatement(bytesOf("portal\0"), 0, 6), -1);
  equal(peekBindStatement(bytesOf(""), 0, 0), -1);
});
