import { assert, PgplexError, type Random } from "../kernel/mod.ts";
import { bytesOf, fromBase64, textOf, toBase64 } from "./bytes.ts";
import {
  authMessage,
  clientKeyOf,
  SASL_MESSAGE_BYTES_MAX,
  SCRAM_KEY_BYTES,
  SCRAM_NONCE_BYTES,
  SCRAM_SHA_256,
  SCRAM_SHA_256_PLUS,
  serverSignature,
} from "./scram_keys.ts";
import {
  AttributeReader,
  cbindInput,
  CHANNEL_BINDING_TYPE,
  type Gs2Flag,
  isNonce,
  printable,
} from "./scram_message.ts";
import type { ScramSecret } from "./secret.ts";

/** The mechanisms to offer, the best first: PLUS where the hash of our certificate is at hand. */
export function scramMechanisms(channelBinding: Uint8Array | null): readonly string[] {
  return channelBinding === null ? [SCRAM_SHA_256] : [SCRAM_SHA_256_PLUS, SCRAM_SHA_256];
}

/** What one exchange needs. */
export interface ScramServerOptions {
  readonly secret: ScramSecret;
  /** The secret is one of {@link mockSecret}: go through all the motions, then fail. */
  readonly mock: boolean;
  readonly random: Random;
  /** {@link channelBindingHash} of our certificate; null without TLS. */
  readonly channelBinding: Uint8Array | null;
}

/** How an exchange ended. `clientKey` (32 bytes) logs the client in to servers that hold the same secret. */
export type ScramVerdict =
  | { readonly ok: true; readonly serverFinal: Uint8Array; readonly clientKey: Uint8Array }
  | { readonly ok: false };

interface ClientFirst {
  readonly plus: boolean;
  readonly flag: Gs2Flag;
  readonly bare: string;
  readonly nonce: string;
}

/**
 * The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; PostgreSQL's auth-scram.c): one exchange.
 *
 * {@link ScramServer.begin}, then {@link ScramServer.finish}, each once. Both throw {@link PgplexError} with PostgreSQL's
 * texts and SQLSTATEs where the client's message is wrong: `protocol_violation`, `unsupported_feature` (authzid, mandatory
 * extensions) or `invalid_authorization` (channel binding). A wrong proof is a value. As in PostgreSQL, the user name
 * inside the message is ignored: the startup packet's counts.
 */
export class ScramServer {
  readonly #options: ScramServerOptions;
  #state: "start" | "challenged" | "finished" = "start";
  #clientFirst: ClientFirst | null = null;
  #nonce = "";
  #serverFirst = "";

  constructor(options: ScramServerOptions) {
    this.#options = options;
  }

  /** What to offer, the best first. */
  mechanisms(): readonly string[] {
    return scramMechanisms(this.#options.channelBinding);
  }

  /** Reads client-first-message and returns server-first-message. */
  begin(mechanism: string, initialResponse: Uint8Array): Uint8Array {
    assert(this.#state === "start", "a SCRAM exchange begins once");
    this.#state = "finished"; // until the message proves right
    if (!this.mechanisms().includes(mechanism)) throw invalidMechanism();
    const first = this.#readFirst(mechanism === SCRAM_SHA_256_PLUS, checked(initialResponse));
    const { secret, random } = this.#options;
    this.#clientFirst = first;
    this.#nonce = first.nonce + toBase64(random.fill(new Uint8Array(SCRAM_NONCE_BYTES)));
    this.#serverFirst = `r=${this.#nonce},s=${toBase64(secret.salt)},i=${secret.iterations}`;
    this.#state = "challenged";
    return bytesOf(this.#serverFirst);
  }

  /** Reads client-final-message, checks its proof, and returns server-final-message where it is right. */
  finish(clientFinal: Uint8Array): ScramVerdict {
    const first = this.#clientFirst;
    assert(this.#state === "challenged" && first !== null, "a SCRAM exchange ends once, after it began");
    this.#state = "finished";
    const text = checked(clientFinal);
    const { proof, withoutProof } = this.#readFinal(text, first);
    const { secret, mock } = this.#options;
    const message = authMessage({
      clientFirstBare: first.bare,
      serverFirst: this.#serverFirst,
      clientFinalWithoutProof: withoutProof,
    });
    // Both are computed before either counts, so that a mock exchange takes as long as a real one.
    const clientKey = clientKeyOf(proof, secret.storedKey, message);
    const signature = serverSignature(secret.serverKey, message);
    if (clientKey === null || mock) return { ok: false };
    return { ok: true, serverFinal: bytesOf(`v=${toBase64(signature)}`), clientKey };
  }

  #readFirst(plus: boolean, text: string): ClientFirst {
    const reader = new AttributeReader(text, malformed);
    const flag = this.#readFlag(plus, reader);
    if (reader.peek() === "a") {
      throw new PgplexError(
        "unsupported_feature",
        "client uses authorization identity, but it is not supported",
      );
    }
    if (reader.peek() !== ",") {
      throw malformed(`Unexpected attribute "${printable(reader.peek())}" in client-first-message.`);
    }
    reader.skip();
    const bare = reader.rest();
    if (reader.peek() === "m") {
      throw new PgplexError("unsupported_feature", "client requires an unsupported SCRAM extension");
    }
    reader.read("n");
    const nonce = reader.read("r");
    // As PostgreSQL, which looks at each character of the client's nonce, and takes an empty one.
    if (nonce !== "" && !isNonce(nonce)) {
      throw new PgplexError("protocol_violation", "non-printable characters in SCRAM nonce");
    }
    while (!reader.done) reader.readAny();
    return { plus, flag, bare, nonce };
  }

  /** Reads gs2-cbind-flag and the comma behind it; RFC 5802, section 6, says what each means. */
  #readFlag(plus: boolean, reader: AttributeReader): Gs2Flag {
    const flag = reader.peek();
    if (flag === "p") {
      if (!plus) {
        throw malformed(
          "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
        );
      }
      if (reader.read("p") !== CHANNEL_BINDING_TYPE) {
        throw new PgplexError("protocol_violation", "unsupported SCRAM channel-binding type");
      }
      return flag;
    }
    if (flag !== "n" && flag !== "y") {
      throw malformed(`Unexpected channel-binding flag "${printable(flag)}".`);
    }
    if (plus) {
      throw malformed(
        "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
      );
    }
    if (flag === "y" && this.#options.channelBinding !== null) {
      // Somebody between us and the client took PLUS out of the offer.
      throw new PgplexError("invalid_authorization", "SCRAM channel binding negotiation error", {
        detail: "The client supports SCRAM channel binding but thinks the server does not.  " +
          "However, this server does support channel binding.",
      });
    }
    reader.skip();
    if (reader.peek() !== ",") {
      throw malformed(`Comma expected, but found character "${printable(reader.peek())}".`);
    }
    reader.skip();
    return flag;
  }

  #readFinal(text: string, first: ClientFirst): { proof: Uint8Array; withoutProof: string } {
    const reader = new AttributeReader(text, malformed);
    this.#checkBinding(reader.read("c"), first);
    const nonce = reader.read("r");
    let at = reader.at;
    let attribute = reader.readAny();
    while (attribute.name !== "p") {
      at = reader.at;
      attribute = reader.readAny();
    }
    const proof = fromBase64(attribute.value);
    if (proof?.length !== SCRAM_KEY_BYTES) throw malformed("Malformed proof in client-final-message.");
    if (!reader.done) throw malformed("Garbage found at the end of client-final-message.");
    if (nonce !== this.#nonce) {
      throw new PgplexError("protocol_violation", "invalid SCRAM response", {
        detail: "Nonce does not match.",
      });
    }
    return { proof, withoutProof: text.slice(0, at - 1) };
  }

  #checkBinding(value: string, first: ClientFirst): void {
    if (value === toBase64(cbindInput(first.flag, this.#options.channelBinding))) return;
    if (first.plus) throw new PgplexError("invalid_authorization", "SCRAM channel binding check failed");
    throw new PgplexError(
      "protocol_violation",
      "unexpected SCRAM channel-binding attribute in client-final-message",
    );
  }
}

/** A mechanism that was not offered. */
export function invalidMechanism(): PgplexError {
  return new PgplexError(
    "protocol_violation",
    "client selected an invalid SASL authentication mechanism",
  );
}

function malformed(detail: string): PgplexError {
  return new PgplexError("protocol_violation", "malformed SCRAM message", { detail });
}

function checked(message: Uint8Array): string {
  if (message.length === 0) throw malformed("The message is empty.");
  if (message.length > SASL_MESSAGE_BYTES_MAX) throw malformed("The message is too long.");
  if (message.includes(0)) throw malformed("Message length does not match input length.");
  return textOf(message);
}
