import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { ClientEncoding } from "./client_encoding.ts";

function following(client: string, server = "UTF8"): ClientEncoding {
  const encoding = new ClientEncoding();
  encoding.follow(new Map([["client_encoding", client], ["server_encoding", server]]));
  return encoding;
}

Deno.test("ClientEncoding has names as the server keeps them, and back", () => {
  const encoding = following("LATIN1");
  equal(encoding.toServer("p\xe9"), "p\xc3\xa9");
  equal(encoding.toClient("p\xc3\xa9"), "p\xe9");
  equal(encoding.toClient("p\xc3\xa9", "UTF8"), "p\xc3\xa9");
  equal(encoding.toClient("\xe2\x98\x83"), null);
  deepEqual(encoding.allToServer(["a", "\xe9"]), ["a", "\xc3\xa9"]);
});

Deno.test("ClientEncoding leaves names as they are where both are the same, unknown, or not to be converted", () => {
  for (const encoding of [new ClientEncoding(), following("UTF8"), following("JOHAB")]) {
    equal(encoding.toServer("p\xe9"), "p\xe9");
  }
  equal(following("UTF8").differs, false);
  equal(following("LATIN1").differs, true);
});

Deno.test("ClientEncoding cuts names as the server does: in SQL between two characters", () => {
  const bytes = new Uint8Array(100).fill(0xe9);
  equal(following("LATIN1").statementName(bytes, 10, 12), "\xc3\xa9\xc3\xa9");
  equal(following("LATIN1").statementName(bytes, 0, 100).length, 63);
  equal(following("UTF8").statementName(bytes, 0, 100).length, 63);
  equal(following("LATIN1").toServer("\xe9".repeat(40)).length, 62);
});

Deno.test("ClientEncoding.mayMisname names that are not ASCII, but where both have UTF8", () => {
  for (const encoding of [new ClientEncoding(), following("UTF8")]) {
    equal(encoding.mayMisname(["\xc3\xa9"]), false);
  }
  for (
    const encoding of [following("LATIN1"), following("LATIN1", "LATIN1"), following("UTF8", "SQL_ASCII")]
  ) {
    deepEqual([["a"], [], ["a", "\xe9"]].map((names) => encoding.mayMisname(names)), [false, false, true]);
  }
});

Deno.test("ClientEncoding.hidesAscii where a backslash may be the second byte of a character", () => {
  deepEqual(["SJIS", "GBK", "UTF8", "EUC_JP", "LATIN1", ""].map((name) => following(name).hidesAscii), [
    ...[true, true, false, false, false, false],
  ]);
});
