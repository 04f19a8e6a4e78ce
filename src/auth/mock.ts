import { concat } from "../kernel/mod.ts";
import { utf8 } from "./bytes.ts";
import { hmacSha256, SCRAM_ITERATIONS_DEFAULT, SCRAM_SALT_BYTES } from "./scram_keys.ts";
import type { Md5Secret, ScramSecret } from "./secret.ts";

/**
 * The salt that pgplex shows for a user whose secret has none: {@link SCRAM_SALT_BYTES} of HMAC(instanceKey, user).
 *
 * Users with a plain password and users that do not exist get theirs in this one way, so that a salt does not change when
 * a user is added, and tells nothing. `instanceKey` is random, of 16 bytes or more, and best the same on all instances.
 */
export function mockSalt(user: string, instanceKey: Uint8Array): Uint8Array {
  return derive("salt", user, instanceKey).slice(0, SCRAM_SALT_BYTES);
}

/**
 * A SCRAM secret that no password opens, the same at each try, for users that do not exist (scram_mock_salt and
 * mock_scram_secret in PostgreSQL's auth-scram.c): an exchange runs to its end with it, and then fails.
 */
export function mockSecret(user: string, instanceKey: Uint8Array): ScramSecret {
  return {
    kind: "scram",
    iterations: SCRAM_ITERATIONS_DEFAULT,
    salt: mockSalt(user, instanceKey),
    storedKey: derive("stored key", user, instanceKey),
    serverKey: derive("server key", user, instanceKey),
  };
}

/** An md5 secret that no password opens. */
export function mockMd5Secret(user: string, instanceKey: Uint8Array): Md5Secret {
  const digest = derive("md5", user, instanceKey).subarray(0, 16);
  return { kind: "md5", hex: [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
}

/**
 * The key of {@link mockSalt} and {@link mockSecret}: of this instance's TLS key, so that what is shown for a name is the same behind a
 * restart, as PostgreSQL keeps its mock_authentication_nonce; where there is none, `random`. No password will do: what is shown
 * would let it be guessed.
 */
export function mockKeyOf(tlsKeyPem: string | null, random: () => Uint8Array): Uint8Array {
  return tlsKeyPem === null ? random() : hmacSha256(utf8("pgplex mock secrets"), utf8(tlsKeyPem));
}

function derive(purpose: string, user: string, instanceKey: Uint8Array): Uint8Array {
  return hmacSha256(instanceKey, concat(utf8(purpose), new Uint8Array(1), utf8(user)));
}
