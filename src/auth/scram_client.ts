import { assert, PgplexError, type Random } from "../kernel/mod.ts";
import { bytesOf, equalBytes, fromBase64, textOf, toBase64 } from "./bytes.ts";
import {
  authMessage,
  clientProof,
  type KeyCache,
  SASL_MESSAGE_BYTES_MAX,
  SCRAM_ITERATIONS_MAX,
  SCRAM_KEY_BYTES,
  SCRAM_NONCE_BYTES,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  type ScramSalting,
  serverSignature,
} from "./scram_keys.ts";
import { AttributeReader, cbindInput, CHANNEL_BINDING_TYPE, type Gs2Flag, isNonce } from "./scram_message.ts";
import type { ScramSecret } from "./secret.ts";

/**
 * What a client logs in with: a password, or what {@link ScramServer.finish} recovered from somebody who logged in to us,
 * beside the secret that it belongs to. The latter opens servers that hold the very same secret, salt included.
 */
export type ScramLogin =
  | { readonly kind: "password"; readonly password: string }
  | { readonly kind: "keys"; readonly clientKey: Uint8Array; readonly secret: ScramSecret };

/** What one exchange needs. */
export interface ScramClientOptions {
  readonly login: ScramLogin;
  readonly random: Random;
  readonly keyCache: KeyCache;
  /** {@link channelBindingHash} of the server's certificate; null without TLS or where it has none. */
  readonly channelBinding: Uint8Array | null;
}

/** The first step: which mechanism, and client-first-message. */
export interface ScramOpening {
  readonly mechanism: string;
  readonly initialResponse: Uint8Array;
}

/**
 * The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; libpq's fe-auth-scram.c): one exchange.
 *
 * {@link ScramClient.begin}, {@link ScramClient.respond}, {@link ScramClient.verify}, each once; after the last one, and
 * not before, the server has shown that it knows the secret. Each throws `server_login_failed` with what is wrong.
 */
export class ScramClient {
  readonly #options: ScramClientOptions;
  #state: "start" | "opened" | "proved" | "verified" | "failed" = "start";
  #flag: Gs2Flag = "n";
  #nonce = "";
  #expectedSignature: Uint8Array | null = null;

  constructor(options: ScramClientOptions) {
    this.#options = options;
  }

  /** Whether the server has proved that it holds the user's ServerKey. */
  get verified(): boolean {
    return this.#state === "verified";
  }

  /** Chooses from what the server offers, PLUS where both sides can, and opens the exchange. */
  begin(offered: readonly string[]): ScramOpening {
    this.#move("start");
    const bound = this.#options.channelBinding !== null;
    const plus = bound && offered.includes(SCRAM_SHA_256_PLUS);
    if (!plus && !offered.includes(SCRAM_SHA_256)) {
      throw failed("the server offers no SASL mechanism that pgplex knows");
    }
    this.#flag = plus ? "p" : bound ? "y" : "n";
    this.#nonce = toBase64(this.#options.random.fill(new Uint8Array(SCRAM_NONCE_BYTES)));
    this.#state = "opened";
    const flag = plus ? `p=${CHANNEL_BINDING_TYPE}` : this.#flag;
    // The user name stays empty, as in libpq: PostgreSQL takes that of the startup packet.
    const initialResponse = bytesOf(`${flag},,${this.#clientFirstBare}`);
    return { mechanism: plus ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256, initialResponse };
  }

  /** Reads server-first-message and returns client-final-message. The first time for a salt it costs PBKDF2. */
  respond(serverFirst: Uint8Array): Uint8Array {
    this.#move("opened");
    const text = checked(serverFirst);
    const clientFirstBare = this.#clientFirstBare;
    const { nonce, salting } = this.#readFirst(text);
    const { clientKey, serverKey } = this.#keysFor(salting);
    const binding = toBase64(cbindInput(this.#flag, this.#options.channelBinding));
    const withoutProof = `c=${binding},r=${nonce}`;
    const message = authMessage({
      clientFirstBare,
      serverFirst: text,
      clientFinalWithoutProof: withoutProof,
    });
    this.#expectedSignature = serverSignature(serverKey, message);
    this.#state = "proved";
    return bytesOf(`${withoutProof},p=${toBase64(clientProof(clientKey, message))}`);
  }

  /** Reads server-final-message and checks the server's signature, in constant time. */
  verify(serverFinal: Uint8Array): void {
    this.#move("proved");
    const expected = this.#expectedSignature;
    assert(expected !== null, "a proof was sent with the signature that answers it");
    const reader = new AttributeReader(checked(serverFinal), malformed);
    if (reader.peek() === "e") {
      const value = reader.read("e");
      throw failed(`the server refused SCRAM: ${/^[a-z-]{1,64}$/.test(value) ? value : "no known reason"}`);
    }
    const signature = fromBase64(reader.read("v"));
    if (signature?.length !== SCRAM_KEY_BYTES) {
      throw malformed("Malformed signature in server-final-message.");
    }
    while (!reader.done) reader.readAny();
    if (!equalBytes(signature, expected)) {
      throw failed("the server's SCRAM signature is wrong: it does not know this user's secret");
    }
    this.#state = "verified";
  }

  get #clientFirstBare(): string {
    return `n=,r=${this.#nonce}`;
  }

  /** Takes the machine out of `from`; it stays failed unless the step runs to its end. */
  #move(from: "start" | "opened" | "proved"): void {
    assert(this.#state === from, `a SCRAM client takes its steps in order: ${from}`);
    this.#state = "failed";
  }

  #readFirst(text: string): { nonce: string; salting: ScramSalting } {
    const reader = new AttributeReader(text, malformed);
    if (reader.peek() === "m") throw failed("the server requires an unsupported SCRAM extension");
    const nonce = reader.read("r");
    // The server must add to our nonce: without its part an old exchange could be played again.
    if (!isNonce(nonce) || !nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length) {
      throw failed("the server's SCRAM nonce does not match");
    }
    const salt = fromBase64(reader.read("s"));
    if (salt === null || salt.length === 0) throw malformed("Invalid salt.");
    const rounds = reader.read("i");
    if (!/^[1-9][0-9]{0,9}$/.test(rounds)) throw malformed("Invalid iteration count.");
    while (!reader.done) reader.readAny();
    return { nonce, salting: { salt, iterations: Number(rounds) } };
  }

  #keysFor(salting: ScramSalting): { clientKey: Uint8Array; serverKey: Uint8Array } {
    const { login, keyCache } = this.#options;
    if (login.kind === "password") {
      if (salting.iterations > SCRAM_ITERATIONS_MAX) {
        throw failed(
          `the server asks for ${salting.iterations} SCRAM iterations, more than ${SCRAM_ITERATIONS_MAX}`,
        );
      }
      return keyCache.derive(login.password, salting);
    }
    const { secret, clientKey } = login;
    if (secret.iterations !== salting.iterations || !equalBytes(secret.salt, salting.salt)) {
      throw failed(
        "the server's SCRAM secret for this user is not the one that pgplex has (other salt or iteration count): " +
          "copy it from pg_authid.rolpassword, or configure the password",
      );
    }
    return { clientKey, serverKey: secret.serverKey };
  }
}

function failed(text: string): PgplexError {
  return new PgplexError("server_login_failed", text);
}

function malformed(detail: string): PgplexError {
  return failed(`malformed SCRAM message from the server: ${detail}`);
}

function checked(message: Uint8Array): string {
  if (message.length === 0) throw malformed("The message is empty.");
  if (message.length > SASL_MESSAGE_BYTES_MAX) throw malformed("The message is too long.");
  if (message.includes(0)) throw malformed("The message holds a zero byte.");
  return textOf(message);
}
