import { strictEqual as equal } from "node:assert/strict";
import { NO_CREDENTIALS, type ServerCredentials } from "../auth/mod.ts";
import type { PoolSettings } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { type Base, NO_PARAMS, type PoolKey, ServerPool } from "./server_pool.ts";

const error = new PgplexError("server_login_failed", "password authentication failed");
const scram = (key: number): ServerCredentials => ({
  ...NO_CREDENTIALS,
  clientKey: Uint8Array.of(key),
  scram: {
    kind: "scram",
    iterations: 4096,
    salt: Uint8Array.of(1),
    storedKey: Uint8Array.of(key),
    serverKey: Uint8Array.of(key),
  },
});
const OTHER_BASE: Base = { key: "other", params: new Map() };

function poolOf(credentials: ServerCredentials): ServerPool {
  return new ServerPool({} as PoolKey, {} as PoolSettings, credentials, {
    fingerprints: new Fingerprints(),
    shared: [],
    jitter: () => 0,
    open() {},
    receded() {},
    makeRoom: () => false,
  });
}

Deno.test("ServerPool.refusalOf is for logins with the same credentials alone", () => {
  const password = (text: string): ServerCredentials => ({ ...NO_CREDENTIALS, password: text });
  const rows: [ServerCredentials, ServerCredentials, boolean][] = [
    [NO_CREDENTIALS, { ...NO_CREDENTIALS }, true],
    [password("a"), password("a"), true],
    [password("a"), password("b"), false],
    [password("a"), NO_CREDENTIALS, false],
    [{ ...NO_CREDENTIALS, md5: "0" }, { ...NO_CREDENTIALS, md5: "1" }, false],
    [scram(1), scram(1), true],
    [scram(1), scram(2), false],
    [scram(1), { ...scram(1), clientKey: null }, false],
    [scram(1), { ...scram(1), scram: null }, false],
  ];
  for (const [refused, later, same] of rows) {
    const pool = poolOf(refused);
    pool.refusal = { error, credentials: refused, base: null, generation: 0, untilMs: 1 };
    pool.credentials = later;
    equal(pool.refusalOf(NO_PARAMS, 0) !== null, same);
  }
});

Deno.test("ServerPool.refusalOf is for the same startup parameters where they may be at fault, and ends with RECONNECT", () => {
  const pool = poolOf(NO_CREDENTIALS);
  const refusal = { error, credentials: NO_CREDENTIALS, generation: 0, untilMs: 1 };
  pool.refusal = { ...refusal, base: NO_PARAMS.key };
  equal(pool.refusalOf(NO_PARAMS, 0), pool.refusal);
  equal(pool.refusalOf(OTHER_BASE, 0), null);
  pool.refusal = { ...refusal, base: null };
  equal(pool.refusalOf(OTHER_BASE, 0), pool.refusal);
  equal(pool.refusalOf(OTHER_BASE, 1), null);
});
