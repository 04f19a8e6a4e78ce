import { assert, assertNever, PgplexError, type Random } from "../kernel/mod.ts";
import { int32At } from "../protocol/mod.ts";
import { AUTH_REQUEST, authBody, cString, saslBody } from "./auth_message.ts";
import { equalBytes, textOf, utf8, utf8Text } from "./bytes.ts";
import { commonNameMatches } from "./certificate.ts";
import { credentialsOf, type ServerCredentials } from "./credentials.ts";
import { MD5_SALT_BYTES, verifyMd5Response } from "./md5.ts";
import { mockMd5Secret, mockSecret } from "./mock.ts";
import { deriveScramKeys, SASL_MESSAGE_BYTES_MAX, sha256 } from "./scram_keys.ts";
import { invalidMechanism, scramMechanisms, ScramServer } from "./scram_server.ts";
import { type Md5Secret, md5Secret, type PlainSecret, type ScramSecret, type Secret } from "./secret.ts";
import type { SecretCache } from "./secret_cache.ts";

/** How clients are checked: `auth.type` of the configuration, or what a rule of `auth.hba_file` says. */
export type ClientAuthType = "trust" | "md5" | "scram-sha-256" | "cert" | "plain";

/** What one dialogue needs. */
export interface ClientAuthOptions {
  readonly type: ClientAuthType;
  /** The user of the startup packet. */
  readonly user: string;
  /** From the {@link UserDirectory}; null for a user that is not known. */
  readonly secret: Secret | null;
  readonly random: Random;
  /** The random key of {@link mockSecret}; `secretCache` has the same one. */
  readonly mockKey: Uint8Array;
  /** {@link channelBindingHash} of our certificate; null without TLS. */
  readonly channelBinding: Uint8Array | null;
  /** {@link commonNameOf} the client's verified certificate, empty where it has none; null without a certificate. */
  readonly peerCommonName: string | null;
  readonly secretCache: SecretCache;
}

/**
 * What to do next. Bodies are those of Authentication messages (`R`) without type and length.
 *
 * - `send`: send this one, then hand over the client's next PasswordMessage.
 * - `done`: send these (SASLFinal, or nothing); the client is in. AuthenticationOk is the caller's: it opens the greeting.
 * - `failed`: send the error as FATAL and close.
 */
export type AuthStep =
  | { readonly kind: "send"; readonly body: Uint8Array }
  | { readonly kind: "done"; readonly bodies: readonly Uint8Array[]; readonly credentials: ServerCredentials }
  | { readonly kind: "failed"; readonly error: PgplexError };

type State =
  | { readonly kind: "start" }
  | { readonly kind: "md5"; readonly salt: Uint8Array }
  | { readonly kind: "plain" }
  /** SASL was offered: SASLInitialResponse comes. */
  | { readonly kind: "sasl" }
  /** SASLInitialResponse named a mechanism and brought no data: client-first-message comes alone. */
  | { readonly kind: "saslFirst"; readonly mechanism: string; readonly scram: ScramServer }
  | { readonly kind: "saslFinal"; readonly scram: ScramServer }
  | { readonly kind: "ended" };

/**
 * The dialogue with a client from its startup packet to AuthenticationOk, as a machine over message bodies (PostgreSQL's
 * auth.c, auth-sasl.c). Neither method throws for what a client sends: all ends in a step of kind `failed`.
 *
 * - trust: everybody is in.
 * - md5: md5, but SCRAM where the secret is a SCRAM one.
 * - scram-sha-256: SCRAM; a user with an md5 secret fails like one with a wrong password.
 * - plain: the password in clear, which any secret can check.
 * - cert: the certificate's common name is the user.
 *
 * A user that is not known goes through the same messages as one with a plain password, and then fails.
 */
export class ClientAuthenticator {
  readonly #options: ClientAuthOptions;
  #state: State = { kind: "start" };

  constructor(options: ClientAuthOptions) {
    this.#options = options;
  }

  /** The first step. */
  start(): AuthStep {
    assert(this.#state.kind === "start", "authentication starts once");
    const { type, secret, random } = this.#options;
    switch (type) {
      case "trust":
        return this.#done(credentialsOf(secret));
      case "cert":
        return this.#startCertificate();
      case "plain":
        this.#state = { kind: "plain" };
        return { kind: "send", body: authBody(AUTH_REQUEST.cleartext) };
      case "md5":
        if (secret?.kind === "scram") return this.#startSasl();
        return this.#startMd5(random.fill(new Uint8Array(MD5_SALT_BYTES)));
      case "scram-sha-256":
        return this.#startSasl();
      default:
        return assertNever(type);
    }
  }

  /** Takes the body of the client's PasswordMessage (`p`), whatever it stands for, and says what is next. */
  receive(body: Uint8Array): AuthStep {
    const state = this.#state;
    assert(
      state.kind !== "start" && state.kind !== "ended",
      "a message is received only after a step of kind send",
    );
    this.#state = { kind: "ended" }; // until the message proves right
    try {
      if (state.kind !== "md5" && state.kind !== "plain" && body.length > SASL_MESSAGE_BYTES_MAX) {
        throw invalid("invalid password packet size");
      }
      switch (state.kind) {
        case "md5":
          return this.#receiveMd5(state.salt, body);
        case "plain":
          return this.#receivePlain(body);
        case "sasl":
          return this.#receiveSaslInitial(body);
        case "saslFirst":
          return this.#challenge(state.scram, state.mechanism, body);
        case "saslFinal":
          return this.#receiveSaslFinal(state.scram, body);
        default:
          return assertNever(state);
      }
    } catch (thrown) {
      if (!(thrown instanceof PgplexError)) throw thrown;
      return { kind: "failed", error: thrown };
    }
  }

  #startCertificate(): AuthStep {
    const { user, secret, peerCommonName } = this.#options;
    if (commonNameMatches(peerCommonName, user)) return this.#done(credentialsOf(secret));
    this.#state = { kind: "ended" };
    if (peerCommonName === null) {
      const message = "connection requires a valid client certificate";
      return { kind: "failed", error: new PgplexError("invalid_authorization", message) };
    }
    const log = peerCommonName === ""
      ? "the client's certificate has no common name"
      : "the common name of the client's certificate is not the user";
    const message = `certificate authentication failed for user "${user}"`;
    return { kind: "failed", error: new PgplexError("invalid_authorization", message, { log }) };
  }

  #startMd5(salt: Uint8Array): AuthStep {
    this.#state = { kind: "md5", salt };
    return { kind: "send", body: authBody(AUTH_REQUEST.md5, salt) };
  }

  #startSasl(): AuthStep {
    this.#state = { kind: "sasl" };
    return { kind: "send", body: saslBody(scramMechanisms(this.#options.channelBinding)) };
  }

  #receivePlain(body: Uint8Array): AuthStep {
    const { user, secret } = this.#options;
    const password = utf8Text(answerIn(body));
    if (secret === null || isEmpty(secret) || !opens(secret, { user, password })) {
      return this.#wrongPassword();
    }
    return this.#done(credentialsOf({ kind: "plain", password }));
  }

  #receiveMd5(salt: Uint8Array, body: Uint8Array): AuthStep {
    const { user, mockKey } = this.#options;
    const response = answerIn(body);
    const known = this.#md5Secret();
    // An unknown user's mock is hashed as often as a plain password is.
    const secret = known ?? { kind: "plain", password: mockMd5Secret(user, mockKey).hex };
    const right = verifyMd5Response(secret, { user, salt, response });
    if (known === null || !right) return this.#wrongPassword();
    return this.#done(credentialsOf(known));
  }

  #md5Secret(): PlainSecret | Md5Secret | null {
    const { secret } = this.#options;
    assert(secret?.kind !== "scram", "a SCRAM secret is not asked for by md5");
    return isEmpty(secret) ? null : secret;
  }

  #receiveSaslInitial(body: Uint8Array): AuthStep {
    const name = cString(body, 0);
    if (name === null) throw invalid("invalid string in message");
    const mechanism = textOf(name);
    if (!scramMechanisms(this.#options.channelBinding).includes(mechanism)) throw invalidMechanism();
    // Only now, as many a client leaves at the offer to ask for its password, and this may cost PBKDF2.
    const scram = this.#scramServer();
    const at = name.length + 1;
    if (body.length < at + 4) throw invalid("insufficient data left in message");
    const length = int32At(body, at);
    const data = body.subarray(at + 4);
    if (length === -1 && data.length === 0) {
      this.#state = { kind: "saslFirst", mechanism, scram };
      return { kind: "send", body: authBody(AUTH_REQUEST.saslContinue) };
    }
    // -1 says that nothing comes; any other negative length is more than there is, as unsigned.
    if (length < -1 || length > data.length) throw invalid("insufficient data left in message");
    if (length !== data.length) throw invalid("invalid message format");
    return this.#challenge(scram, mechanism, data);
  }

  #challenge(scram: ScramServer, mechanism: string, clientFirst: Uint8Array): AuthStep {
    const serverFirst = scram.begin(mechanism, clientFirst);
    this.#state = { kind: "saslFinal", scram };
    return { kind: "send", body: authBody(AUTH_REQUEST.saslContinue, serverFirst) };
  }

  #receiveSaslFinal(scram: ScramServer, body: Uint8Array): AuthStep {
    const verdict = scram.finish(body);
    const { secret } = this.#options;
    if (!verdict.ok) return this.#wrongPassword();
    const bodies = [authBody(AUTH_REQUEST.saslFinal, verdict.serverFinal)];
    const credentials = credentialsOf(secret);
    if (secret?.kind !== "scram") return this.#done(credentials, bodies);
    return this.#done({ ...credentials, clientKey: verdict.clientKey }, bodies);
  }

  #scramServer(): ScramServer {
    const { user, mockKey, random, channelBinding } = this.#options;
    const real = this.#scramSecret();
    const mock = mockSecret(user, mockKey); // made in either case, so that it costs both the same
    return new ScramServer({ secret: real ?? mock, mock: real === null, random, channelBinding });
  }

  #scramSecret(): ScramSecret | null {
    const { user, secret, secretCache } = this.#options;
    if (secret === null || isEmpty(secret)) return null;
    switch (secret.kind) {
      case "scram":
        return secret;
      case "plain":
        return secretCache.scramSecret(user, secret.password);
      case "md5":
        return null;
      default:
        return assertNever(secret);
    }
  }

  /** One answer to the client whatever the reason; the log is told which. */
  #wrongPassword(): AuthStep {
    const { type, user, secret } = this.#options;
    const message = `password authentication failed for user "${user}"`;
    const log = secret === null
      ? "the user is not known"
      : isEmpty(secret)
      ? "the user's password is empty, which opens nothing"
      : secret.kind === "md5" && type === "scram-sha-256"
      ? "the user has an md5 secret, which SCRAM cannot use"
      : "the password does not match";
    return { kind: "failed", error: new PgplexError("invalid_password", message, { log }) };
  }

  #done(credentials: ServerCredentials, bodies: readonly Uint8Array[] = []): AuthStep {
    this.#state = { kind: "ended" };
    return { kind: "done", bodies, credentials };
  }
}

/** The client's answer to a question for its password. */
function answerIn(body: Uint8Array): Uint8Array {
  const answer = cString(body, 0);
  if (answer === null || answer.length + 1 !== body.length) throw invalid("invalid password packet size");
  if (answer.length === 0) throw new PgplexError("invalid_password", "empty password returned by client");
  return answer;
}

/** Whether the password is the one that a secret was made of. Compares in constant time. */
function opens(secret: Secret, { user, password }: { user: string; password: string }): boolean {
  switch (secret.kind) {
    case "plain":
      return equalBytes(sha256(utf8(password)), sha256(utf8(secret.password)));
    case "md5":
      return equalBytes(utf8(md5Secret(user, password).hex), utf8(secret.hex));
    case "scram":
      return equalBytes(deriveScramKeys(password, secret).storedKey, secret.storedKey);
    default:
      return assertNever(secret);
  }
}

/** PostgreSQL keeps no empty password, and PgBouncer admits nobody by one. */
function isEmpty(secret: Secret | null): boolean {
  return secret?.kind === "plain" && secret.password === "";
}

function invalid(message: string): PgplexError {
  return new PgplexError("protocol_violation", message);
}
