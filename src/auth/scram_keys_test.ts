import assert from "node:assert/strict";
import { bytesOf, fromBase64, toBase64, utf8 } from "./bytes.ts";
import {
  authMessage,
  clientKeyOf,
  clientProof,
  deriveScramKeys,
  KeyCache,
  serverSignature,
  sha256,
} from "./scram_keys.ts";

/** RFC 7677, section 3: user "user", password "pencil". */
const RFC_7677 = {
  salting: { salt: fromBase64("W22ZaJ0SNY7soEsUEjb6gQ==")!, iterations: 4096 },
  transcript: {
    clientFirstBare: "n=user,r=rOprNGfwEbeRWgbNEkqO",
    serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    clientFinalWithoutProof: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  },
  proof: "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  signature: "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};

Deno.test("deriveScramKeys, clientProof and serverSignature give what RFC 7677 prints", () => {
  const { salting, transcript, proof, signature } = RFC_7677;
  const keys = deriveScramKeys("pencil", salting);
  const message = authMessage(transcript);
  assert.equal(toBase64(clientProof(keys.clientKey, message)), proof);
  assert.equal(toBase64(serverSignature(keys.serverKey, message)), signature);
});

Deno.test("clientKeyOf recovers the ClientKey from the proof of RFC 7677 and from no other", () => {
  const keys = deriveScramKeys("pencil", RFC_7677.salting);
  const message = authMessage(RFC_7677.transcript);
  const proof = fromBase64(RFC_7677.proof)!;
  assert.deepEqual(clientKeyOf(proof, keys.storedKey, message), keys.clientKey);
  assert.deepEqual(sha256(keys.clientKey), keys.storedKey);
  proof[31]! ^= 1;
  assert.equal(clientKeyOf(proof, keys.storedKey, message), null);
  assert.equal(clientKeyOf(fromBase64(RFC_7677.proof)!, keys.storedKey, bytesOf("other")), null);
});

Deno.test("deriveScramKeys treats passwords alike that SASLprep makes equal", () => {
  const salting = { salt: utf8("salt"), iterations: 1 };
  assert.deepEqual(deriveScramKeys("I\u00adX", salting), deriveScramKeys("IX", salting));
  assert.deepEqual(deriveScramKeys("\u2168", salting), deriveScramKeys("IX", salting));
  assert.notDeepEqual(deriveScramKeys("ix", salting), deriveScramKeys("IX", salting));
});

Deno.test("KeyCache returns the same keys for the same password, salt and rounds, and other ones otherwise", () => {
  const cache = new KeyCache();
  const salting = { salt: utf8("salt"), iterations: 2 };
  const keys = cache.derive("a", salting);
  assert.equal(cache.derive("a", { salt: utf8("salt"), iterations: 2 }), keys);
  assert.notDeepEqual(cache.derive("b", salting), keys);
  assert.notDeepEqual(cache.derive("a", { ...salting, iterations: 3 }), keys);
  assert.notDeepEqual(cache.derive("a", { ...salting, salt: utf8("tlas") }), keys);
  assert.equal(cache.size, 4);
});

Deno.test("KeyCache stays within its bound and forgets what was used longest ago", () => {
  const cache = new KeyCache({ entriesMax: 2 });
  const salting = { salt: utf8("salt"), iterations: 1 };
  const a = cache.derive("a", salting);
  const b = cache.derive("b", salting);
  cache.derive("a", salting);
  cache.derive("c", salting);
  assert.equal(cache.size, 2);
  assert.equal(cache.derive("a", salting), a);
  assert.notEqual(cache.derive("b", salting), b);
});
