import { assertNever } from "../kernel/mod.ts";
import { equalBytes } from "./bytes.ts";
import type { ScramSecret, Secret } from "./secret.ts";

/**
 * What can be used to log a user in to a server. Secrets, all of it: never print it.
 *
 * Invariant: `clientKey` belongs to `scram`: sha256(clientKey) = scram.storedKey.
 */
export interface ServerCredentials {
  /** The password: opens every method. */
  readonly password: string | null;
  /** 32 hexadecimal digits of an md5 secret, without the prefix: opens md5. */
  readonly md5: string | null;
  /** ClientKey as a client's proof showed it: together with `scram` it opens SCRAM on servers with the same secret. */
  readonly clientKey: Uint8Array | null;
  /** The SCRAM secret that the client was checked against. */
  readonly scram: ScramSecret | null;
}

/** Nothing: good only for servers that trust pgplex. */
export const NO_CREDENTIALS: ServerCredentials = Object.freeze({
  password: null,
  md5: null,
  clientKey: null,
  scram: null,
});

/**
 * What a stored secret alone is good for. A SCRAM secret needs a client's ClientKey as well; an empty password is none, as
 * PostgreSQL accepts none.
 */
export function credentialsOf(secret: Secret | null): ServerCredentials {
  if (secret === null) return NO_CREDENTIALS;
  switch (secret.kind) {
    case "plain":
      return secret.password === "" ? NO_CREDENTIALS : { ...NO_CREDENTIALS, password: secret.password };
    case "md5":
      return { ...NO_CREDENTIALS, md5: secret.hex };
    case "scram":
      return { ...NO_CREDENTIALS, scram: secret };
    default:
      return assertNever(secret);
  }
}

/** Whether a server that refused the one has to refuse the other. */
export function sameCredentials(a: ServerCredentials, b: ServerCredentials): boolean {
  return a.password === b.password && a.md5 === b.md5 && sameBytes(a.clientKey, b.clientKey) &&
    sameScram(a.scram, b.scram);
}

function sameScram(a: ScramSecret | null, b: ScramSecret | null): boolean {
  if (a === null || b === null) return a === b;
  return a.iterations === b.iterations && equalBytes(a.salt, b.salt) &&
    equalBytes(a.storedKey, b.storedKey) &&
    equalBytes(a.serverKey, b.serverKey);
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b);
}
