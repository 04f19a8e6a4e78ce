import { concat } from "../kernel/mod.ts";
import { int32, utf8 } from "./bytes.ts";

/** The codes of Authentication messages: AUTH_REQ_* in PostgreSQL's libpq/protocol.h. */
export const AUTH_REQUEST = {
  ok: 0,
  kerberosV5: 2,
  cleartext: 3,
  md5: 5,
  scmCredential: 6,
  gss: 7,
  gssContinue: 8,
  sspi: 9,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
} as const;

/** The body of an Authentication message: its code, then what belongs to it. */
export function authBody(code: number, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  return concat(int32(code), data);
}

/** The body of AuthenticationSASL: the mechanisms as C strings, and an empty one at the end. */
export function saslBody(mechanisms: readonly string[]): Uint8Array {
  return authBody(AUTH_REQUEST.sasl, utf8(mechanisms.map((name) => `${name}\0`).join("") + "\0"));
}

/** The bytes of the C string at `at` without its zero, or null where no zero comes. */
export function cString(bytes: Uint8Array, at: number): Uint8Array | null {
  const end = bytes.indexOf(0, at);
  return end < 0 ? null : bytes.subarray(at, end);
}
