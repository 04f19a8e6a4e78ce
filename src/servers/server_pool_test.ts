import { strictEqual as equal } from "node:assert/strict";
import { NO_CREDENTIALS, type ServerCredentials } from "../auth/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { type LoginRefusal, type PooledServer, ServerPool } from "./server_pool.ts";
import { type Base, NO_PARAMS } from "./server_wish.ts";

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

/** A pool of a destination whose credentials may change. */
function poolOf(credentials: ServerCredentials) {
  const destination = { key: {}, settings: {}, credentials };
  const port = {
    open() {},
    close: (_pool: unknown, { connection }: PooledServer) => connection.close(),
    receded() {},
    makeRoom: () => false,
  };
  const node = { name: "n1", host: "h", port: 5432 };
  const pool = new ServerPool(destination as never, node, port, { shared: [], jitter: () => 0 });
  return { pool, destination };
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
    const { pool, destination } = poolOf(refused);
    pool.refused({ error, credentials: refused, base: null, generation: 0, untilMs: 1 });
    destination.credentials = later;
    equal(pool.refusalOf(NO_PARAMS, 0) !== null, same);
  }
});

Deno.test("ServerPool.refusalOf is for the same startup parameters where they may be at fault, and ends with RECONNECT", () => {
  const { pool } = poolOf(NO_CREDENTIALS);
  const refusal = { error, credentials: NO_CREDENTIALS, generation: 0, untilMs: 1 };
  const ofBase: LoginRefusal = { ...refusal, base: NO_PARAMS.key };
  pool.refused(ofBase);
  equal(pool.refusalOf(NO_PARAMS, 0), ofBase);
  equal(pool.refusalOf(OTHER_BASE, 0), null);
  const ofAll: LoginRefusal = { ...refusal, base: null };
  pool.refused(ofAll);
  equal(pool.refusalOf(OTHER_BASE, 0), ofAll);
  equal(pool.refusalOf(OTHER_BASE, 1), null);
});

Deno.test("ServerPool: a refusal goes with the login that went well in spite of it, and not with one tried before it", () => {
  const { pool } = poolOf(NO_CREDENTIALS);
  const refusal: LoginRefusal = { error, credentials: NO_CREDENTIALS, generation: 0, untilMs: 1, base: null };
  pool.refused(refusal);
  pool.loggedIn(null);
  equal(pool.refusalOf(NO_PARAMS, 0), refusal);
  const retried = pool.retries(refusal, 5);
  equal(pool.refusalOf(NO_PARAMS, 0)?.untilMs, 5);
  pool.loggedIn(refusal);
  equal(pool.refusalOf(NO_PARAMS, 0), retried);
  pool.loggedIn(retried);
  equal(pool.refusalOf(NO_PARAMS, 0), null);
});
