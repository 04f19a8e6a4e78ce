import assert from "node:assert/strict";
import { certificatesIn, chainProblem, isVersion3, keyPairProblem } from "./tls_certificate.ts";

Deno.test("isVersion3 reads the version in a certificate's first bytes", () => {
  // SEQUENCE (long form) { SEQUENCE (long form) { [0] { INTEGER 2 } …
  const v3 = Uint8Array.of(0x30, 0x82, 1, 0xec, 0x30, 0x82, 1, 0x92, 0xa0, 3, 2, 1, 2, 2, 1, 7);
  assert(isVersion3(v3));
  // SEQUENCE { SEQUENCE { [0] { INTEGER 2 } … with lengths in one byte
  assert(isVersion3(Uint8Array.of(0x30, 0x20, 0x30, 0x10, 0xa0, 3, 2, 1, 2)));
});

Deno.test("isVersion3 says no to other versions and to what is no certificate", () => {
  // Version 1 leaves the field away: a serial number follows at once.
  assert(!isVersion3(Uint8Array.of(0x30, 0x82, 1, 0xec, 0x30, 0x82, 1, 0x92, 2, 1, 7)));
  // Version 2.
  assert(!isVersion3(Uint8Array.of(0x30, 0x20, 0x30, 0x10, 0xa0, 3, 2, 1, 1)));
  assert(!isVersion3(new Uint8Array(0)));
  assert(!isVersion3(Uint8Array.of(0x30, 0xff)));
  assert(!isVersion3(Uint8Array.of(4, 2, 0x30, 0)));
});

Deno.test("certificatesIn leaves out what is not a certificate", () => {
  assert.deepEqual(certificatesIn(""), []);
  assert.deepEqual(certificatesIn("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []);
});

Deno.test("chainProblem refuses a peer that sent nothing", () => {
  assert.match(chainProblem([], "")!, /no certificate/);
});

Deno.test("keyPairProblem says which of the two cannot be read", () => {
  assert.match(keyPairProblem("nothing", "nothing")!, /certificate cannot be read/);
});
