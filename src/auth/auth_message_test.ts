import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { AUTH_REQUEST, authBody, cString, saslBody } from "./auth_message.ts";
import { bytesOf, textOf } from "./bytes.ts";

Deno.test("authBody is the code, then what belongs to it", () => {
  equal(textOf(authBody(AUTH_REQUEST.ok)), "\0\0\0\0");
  equal(textOf(authBody(AUTH_REQUEST.md5, Uint8Array.of(1, 2, 3, 4))), "\0\0\0\x05\x01\x02\x03\x04");
});

Deno.test("saslBody lists the mechanisms, and an empty one at the end", () => {
  equal(
    textOf(saslBody(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])),
    "\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
  );
  equal(textOf(saslBody([])), "\0\0\0\x0a\0");
});

Deno.test("cString ends at the first zero behind its place, and is null where none comes", () => {
  const bytes = bytesOf("ab\0\0c");
  deepEqual(
    [0, 1, 2, 3, 4, 5].map((at) => {
      const found = cString(bytes, at);
      return found === null ? null : textOf(found);
    }),
    ["ab", "b", "", "", null, null],
  );
});
