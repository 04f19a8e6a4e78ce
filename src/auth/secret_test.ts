import assert from "node:assert/strict";
import fc from "fast-check";
import {
  buildScramSecret,
  formatMd5Secret,
  formatScramSecret,
  md5Secret,
  parseScramSecret,
  parseSecret,
} from "./secret.ts";

/** The SCRAM and md5 secrets of the empty password in PostgreSQL's src/test/regress/sql/password.sql. */
const SCRAM_OF_EMPTY =
  "SCRAM-SHA-256$4096:hpFyHTUsSWcR7O9P$LgZFIt6Oqdo27ZFKbZ2nV+vtnYM995pDh9ca6WSi120=:qVV5NeluNfUPkwm7Vqat25RjSPLkGeoZBQs6wVv+um4=";
const MD5_OF_EMPTY = "md585939a5ce845f1a1b620742e3c659e0a";

Deno.test("buildScramSecret and formatScramSecret write what PostgreSQL stores", () => {
  const { salt } = parseScramSecret(SCRAM_OF_EMPTY)!;
  assert.equal(formatScramSecret(buildScramSecret("", { salt, iterations: 4096 })), SCRAM_OF_EMPTY);
});

Deno.test("md5Secret and formatMd5Secret write what PostgreSQL stores", () => {
  assert.equal(formatMd5Secret(md5Secret("regress_passwd_empty", "")), MD5_OF_EMPTY);
});

Deno.test("parseSecret tells the three forms apart", () => {
  assert.equal(parseSecret(SCRAM_OF_EMPTY).kind, "scram");
  assert.deepEqual(parseSecret(MD5_OF_EMPTY), { kind: "md5", hex: MD5_OF_EMPTY.slice(3) });
  assert.deepEqual(parseSecret("hunter2"), { kind: "plain", password: "hunter2" });
  assert.deepEqual(parseSecret(""), { kind: "plain", password: "" });
});

Deno.test("parseSecret takes a broken md5 or SCRAM secret for a password, as PostgreSQL does", () => {
  const broken = [
    MD5_OF_EMPTY.toUpperCase(),
    MD5_OF_EMPTY.slice(0, -1),
    `${MD5_OF_EMPTY}0`,
    `${MD5_OF_EMPTY}\n`,
    SCRAM_OF_EMPTY.replace("SHA-256", "SHA-1"),
    SCRAM_OF_EMPTY.replace("4096", "0"),
    SCRAM_OF_EMPTY.replace("4096", "9999999999"),
    SCRAM_OF_EMPTY.replace("4096", "x"),
    SCRAM_OF_EMPTY.replace("hpFy", "hp!y"),
    SCRAM_OF_EMPTY.replace("LgZF", ""),
    `${SCRAM_OF_EMPTY}AAAA`,
    SCRAM_OF_EMPTY.slice(0, -1),
  ];
  for (const text of broken) assert.deepEqual(parseSecret(text), { kind: "plain", password: text });
});

Deno.test("parseScramSecret reads back whatever formatScramSecret wrote", () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(fc.property(
    fc.record({
      kind: fc.constant("scram" as const),
      iterations: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      salt: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      storedKey: key,
      serverKey: key,
    }, { noNullPrototype: true }),
    (secret) => assert.deepEqual(parseSecret(formatScramSecret(secret)), secret),
  ));
});
