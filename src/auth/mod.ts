/**
 * Who somebody is: PostgreSQL's SCRAM-SHA-256 (with and without channel binding), md5 and certificates, from both sides.
 *
 * State machines over values: message bodies in, message bodies out, randomness as a parameter. It never touches a socket,
 * a file, a clock or the log, and keeps nothing between sessions but what the caches that are handed in hold. No error
 * text carries a secret, and what is secret is compared in constant time.
 *
 * - {@link ClientAuthenticator}: a client logs in to pgplex; `login/` drives it. It ends with {@link ServerCredentials}.
 * - {@link ServerLogin}: pgplex logs in to a server with those; `backend/` drives it.
 * - {@link UserDirectory}: the configured users; `worker.ts` makes one, a reload replaces what it holds.
 * - {@link SecretCache} and {@link KeyCache}: one of each a worker; they save PBKDF2.
 *
 * @module
 */
export { AUTH_REQUEST, authBody } from "./auth_message.ts";
export * from "./certificate.ts";
export * from "./client_auth.ts";
export * from "./credentials.ts";
export * from "./md5.ts";
export * from "./mock.ts";
export * from "./password_check.ts";
export * from "./saslprep.ts";
export * from "./scram_client.ts";
export {
  deriveScramKeys,
  KeyCache,
  SASL_MESSAGE_BYTES_MAX,
  SCRAM_ITERATIONS_DEFAULT,
  SCRAM_ITERATIONS_MAX,
  SCRAM_KEY_BYTES,
  SCRAM_SALT_BYTES,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramKeys,
  type ScramSalting,
  sha256,
} from "./scram_keys.ts";
export { scramMechanisms, ScramServer, type ScramServerOptions, type ScramVerdict } from "./scram_server.ts";
export * from "./secret.ts";
export * from "./secret_cache.ts";
export * from "./server_login.ts";
export * from "./user_directory.ts";
