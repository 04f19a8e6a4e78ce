import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { bytesOf, equalBytes, toBase64, utf8, xor } from "./bytes.ts";
import { Lru } from "./lru.ts";
import { preparePassword } from "./saslprep.ts";

/** The mechanism without channel binding, RFC 7677. */
export const SCRAM_SHA_256 = "SCRAM-SHA-256";
/** The mechanism with channel binding `tls-server-end-point`, RFC 7677 and RFC 5929. */
export const SCRAM_SHA_256_PLUS = "SCRAM-SHA-256-PLUS";
/** Bytes of each SCRAM key: a SHA-256. */
export const SCRAM_KEY_BYTES = 32;
/** SCRAM_SHA_256_DEFAULT_ITERATIONS in PostgreSQL's scram-common.h. */
export const SCRAM_ITERATIONS_DEFAULT = 4096;
/** SCRAM_DEFAULT_SALT_LEN in PostgreSQL's scram-common.h. */
export const SCRAM_SALT_BYTES = 16;
/** SCRAM_RAW_NONCE_LEN in PostgreSQL's scram-common.h. */
export const SCRAM_NONCE_BYTES = 18;
/** PG_MAX_SASL_MESSAGE_LENGTH in PostgreSQL's sasl.h, which bounds what a peer may send. */
export const SASL_MESSAGE_BYTES_MAX = 1024;
/**
 * The most PBKDF2 rounds that a server may ask for: 0.7 s of this thread. A server that is not the one
 * that was meant could otherwise stop every session with one number.
 */
export const SCRAM_ITERATIONS_MAX = 1_000_000;

/** What a password was salted with. */
export interface ScramSalting {
  /** Any number of bytes, {@link SCRAM_SALT_BYTES} in PostgreSQL. */
  readonly salt: Uint8Array;
  /** PBKDF2 rounds, at least 1. */
  readonly iterations: number;
}

/** The three keys of RFC 5802, section 3, {@link SCRAM_KEY_BYTES} each. ClientKey logs in; the others only check. */
export interface ScramKeys {
  readonly clientKey: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** Derives the keys of a password. It costs PBKDF2: 3 ms for 4096 rounds, so keep what it returns. */
export function deriveScramKeys(password: string, salting: ScramSalting): ScramKeys {
  const prepared = utf8(preparePassword(password));
  const salted = pbkdf2Sync(prepared, salting.salt, salting.iterations, SCRAM_KEY_BYTES, "sha256");
  const clientKey = hmacSha256(salted, utf8("Client Key"));
  return { clientKey, storedKey: sha256(clientKey), serverKey: hmacSha256(salted, utf8("Server Key")) };
}

/** SHA-256 of `data`. */
export function sha256(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(data).digest());
}

/** HMAC-SHA-256 of `data` under `key`. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(data).digest());
}

/** The texts that both sides sign, RFC 5802, section 3: `AuthMessage`. */
export interface ScramTranscript {
  readonly clientFirstBare: string;
  readonly serverFirst: string;
  readonly clientFinalWithoutProof: string;
}

/** AuthMessage as bytes; the parts are one byte a character. */
export function authMessage(transcript: ScramTranscript): Uint8Array {
  const { clientFirstBare, serverFirst, clientFinalWithoutProof } = transcript;
  return bytesOf(`${clientFirstBare},${serverFirst},${clientFinalWithoutProof}`);
}

/** ClientProof: ClientKey hidden under a signature that only holders of StoredKey can take off. */
export function clientProof(clientKey: Uint8Array, message: Uint8Array): Uint8Array {
  return xor(clientKey, hmacSha256(sha256(clientKey), message));
}

/** The ClientKey inside a proof, or null where the proof is not one for `storedKey`. Compares in constant time. */
export function clientKeyOf(
  proof: Uint8Array,
  storedKey: Uint8Array,
  message: Uint8Array,
): Uint8Array | null {
  const clientKey = xor(proof, hmacSha256(storedKey, message));
  return equalBytes(sha256(clientKey), storedKey) ? clientKey : null;
}

/** ServerSignature, by which a server shows that it holds ServerKey. */
export function serverSignature(serverKey: Uint8Array, message: Uint8Array): Uint8Array {
  return hmacSha256(serverKey, message);
}

/**
 * Keeps the keys of (password, salt, rounds), so that each server connection after the first costs no PBKDF2. One
 * instance a process; bounded, the key which was used longest ago goes first. It holds secrets: never print it.
 */
export class KeyCache {
  readonly #keys: Lru<ScramKeys>;

  constructor(options: { readonly entriesMax?: number } = {}) {
    this.#keys = new Lru(options.entriesMax ?? 4096);
  }

  get size(): number {
    return this.#keys.size;
  }

  /** What {@link deriveScramKeys} gives, from memory where it was asked before. */
  derive(password: string, salting: ScramSalting): ScramKeys {
    const key = `${salting.iterations}:${toBase64(salting.salt)}:${password}`;
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const keys = deriveScramKeys(password, salting);
    this.#keys.set(key, keys);
    return keys;
  }
}
