import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fromBase64, toBase64 } from "./bytes.ts";
import { deriveScramKeys, SCRAM_KEY_BYTES, SCRAM_SHA_256, type ScramSalting } from "./scram_keys.ts";

/** A password as it is. */
export interface PlainSecret {
  readonly kind: "plain";
  readonly password: string;
}

/** PostgreSQL's md5 secret: 32 lower-case hexadecimal digits of md5(password, user), without the prefix `md5`. */
export interface Md5Secret {
  readonly kind: "md5";
  readonly hex: string;
}

/** PostgreSQL's SCRAM secret: it checks a client, but cannot log in anywhere by itself. Keys have 32 bytes. */
export interface ScramSecret extends ScramSalting {
  readonly kind: "scram";
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** What a user directory holds for a user. */
export type Secret = PlainSecret | Md5Secret | ScramSecret;

const MD5 = /^md5([0-9a-f]{32})$/;
const SCRAM = /^SCRAM-SHA-256\$([0-9]{1,10}):([^$:]+)\$([^$:]+):([^$:]+)$/;
const ITERATIONS_STORED_MAX = 2 ** 31 - 1; // scram_iterations is an int in PostgreSQL

/**
 * Reads a secret in any of the forms of pg_authid.rolpassword and of PgBouncer's userlist.txt.
 *
 * It never fails, as PostgreSQL's get_password_type (crypt.c): what is neither a whole md5 nor a whole SCRAM secret is a
 * plain password, even if it begins like one of them.
 *
 * @example
 * ```ts
 * console.assert(parseSecret("hunter2").kind === "plain");
 * console.assert(parseSecret("md54d7d2c4ec8b5e1f6d54dba0a54ba07a8").kind === "md5");
 * ```
 */
export function parseSecret(text: string): Secret {
  const md5 = MD5.exec(text);
  if (md5 !== null) return { kind: "md5", hex: md5[1]! };
  return parseScramSecret(text) ?? { kind: "plain", password: text };
}

/** Reads `SCRAM-SHA-256$iterations:salt$storedKey:serverKey` (scram-common.c); null where it is not that. */
export function parseScramSecret(text: string): ScramSecret | null {
  const match = SCRAM.exec(text);
  if (match === null) return null;
  const iterations = Number(match[1]);
  const salt = fromBase64(match[2]!);
  const storedKey = fromBase64(match[3]!);
  const serverKey = fromBase64(match[4]!);
  if (iterations < 1 || iterations > ITERATIONS_STORED_MAX || salt === null) return null;
  if (storedKey?.length !== SCRAM_KEY_BYTES || serverKey?.length !== SCRAM_KEY_BYTES) return null;
  return { kind: "scram", iterations, salt, storedKey, serverKey };
}

/** Writes a SCRAM secret as PostgreSQL stores it; {@link parseScramSecret} reads it back. */
export function formatScramSecret(secret: ScramSecret): string {
  const { iterations, salt, storedKey, serverKey } = secret;
  return `${SCRAM_SHA_256}$${iterations}:${toBase64(salt)}$${toBase64(storedKey)}:${toBase64(serverKey)}`;
}

/** The SCRAM secret of a password. It costs PBKDF2; see {@link deriveScramKeys}. */
export function buildScramSecret(password: string, salting: ScramSalting): ScramSecret {
  const { storedKey, serverKey } = deriveScramKeys(password, salting);
  return { kind: "scram", iterations: salting.iterations, salt: salting.salt, storedKey, serverKey };
}

/** The md5 secret of a user's password: md5(password, user) in hexadecimal (pg_md5_encrypt in md5_common.c). */
export function md5Secret(user: string, password: string): Md5Secret {
  return { kind: "md5", hex: createHash("md5").update(Buffer.from(password + user, "utf8")).digest("hex") };
}

/** Writes an md5 secret as PostgreSQL stores it: `md5` and 32 digits. */
export function formatMd5Secret(secret: Md5Secret): string {
  return `md5${secret.hex}`;
}
