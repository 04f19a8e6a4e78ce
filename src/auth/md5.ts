import { createHash } from "node:crypto";
import { concat } from "../kernel/mod.ts";
import { equalBytes, utf8 } from "./bytes.ts";
import { type Md5Secret, md5Secret, type PlainSecret } from "./secret.ts";

/** Bytes of the salt in AuthenticationMD5Password. */
export const MD5_SALT_BYTES = 4;

/**
 * The answer to AuthenticationMD5Password: `md5` and the hexadecimal md5 of the secret's digits and the salt of
 * {@link MD5_SALT_BYTES} bytes (pg_md5_encrypt in PostgreSQL's md5_common.c), without a terminating zero.
 */
export function md5Response(user: string, secret: PlainSecret | Md5Secret, salt: Uint8Array): string {
  const { hex } = secret.kind === "md5" ? secret : md5Secret(user, secret.password);
  return `md5${createHash("md5").update(concat(utf8(hex), salt)).digest("hex")}`;
}

/** What a client answered to which challenge. */
export interface Md5Answer {
  readonly user: string;
  readonly salt: Uint8Array;
  /** Without its terminating zero. */
  readonly response: Uint8Array;
}

/** Whether a client's answer is the one that `secret` gives. Compares in constant time. */
export function verifyMd5Response(secret: PlainSecret | Md5Secret, answer: Md5Answer): boolean {
  return equalBytes(utf8(md5Response(answer.user, secret, answer.salt)), answer.response);
}
