import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { credentialsOf, NO_CREDENTIALS, sameCredentials, type ServerCredentials } from "./credentials.ts";
import type { ScramSecret } from "./secret.ts";

const scram = (over: Partial<ScramSecret> = {}): ScramSecret => ({
  kind: "scram",
  salt: Uint8Array.of(1, 2),
  iterations: 4096,
  storedKey: new Uint8Array(32).fill(3),
  serverKey: new Uint8Array(32).fill(4),
  ...over,
});

Deno.test("credentialsOf: each secret opens what it can, and nothing else", () => {
  equal(credentialsOf(null), NO_CREDENTIALS);
  deepEqual(credentialsOf({ kind: "plain", password: "p" }), { ...NO_CREDENTIALS, password: "p" });
  deepEqual(credentialsOf({ kind: "md5", hex: "a".repeat(32) }), { ...NO_CREDENTIALS, md5: "a".repeat(32) });
  const secret = scram();
  deepEqual(credentialsOf(secret), { ...NO_CREDENTIALS, scram: secret });
});

Deno.test("credentialsOf takes an empty password for none, as PostgreSQL accepts none", () => {
  equal(credentialsOf({ kind: "plain", password: "" }), NO_CREDENTIALS);
});

Deno.test("sameCredentials compares every part, keys by their bytes", () => {
  const full = (over: Partial<ServerCredentials> = {}): ServerCredentials => ({
    password: "p",
    md5: "m",
    clientKey: new Uint8Array(32).fill(5),
    scram: scram(),
    ...over,
  });
  equal(sameCredentials(full(), full()), true);
  equal(sameCredentials(NO_CREDENTIALS, { ...NO_CREDENTIALS }), true);
  for (
    const other of [
      full({ password: "q" }),
      full({ password: null }),
      full({ md5: "n" }),
      full({ clientKey: new Uint8Array(32).fill(6) }),
      full({ clientKey: null }),
      full({ scram: null }),
      full({ scram: scram({ iterations: 4097 }) }),
      full({ scram: scram({ salt: Uint8Array.of(1, 3) }) }),
      full({ scram: scram({ storedKey: new Uint8Array(32) }) }),
      full({ scram: scram({ serverKey: new Uint8Array(32) }) }),
    ]
  ) {
    equal(sameCredentials(full(), other), false);
    equal(sameCredentials(other, full()), false);
  }
});
