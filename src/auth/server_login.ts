import { assert, concat, PgplexError, type Random } from "../kernel/mod.ts";
import { int32At } from "../protocol/mod.ts";
import { AUTH_REQUEST, cString } from "./auth_message.ts";
import { int32, textOf, utf8 } from "./bytes.ts";
import type { ServerCredentials } from "./credentials.ts";
import { MD5_SALT_BYTES, md5Response } from "./md5.ts";
import type { KeyCache } from "./scram_keys.ts";
import { ScramClient, type ScramLogin } from "./scram_client.ts";

/** What one login needs. */
export interface ServerLoginOptions {
  /** The user of the startup packet. */
  readonly user: string;
  readonly credentials: ServerCredentials;
  readonly random: Random;
  readonly keyCache: KeyCache;
  /** {@link channelBindingHash} of the server's certificate; null without TLS. */
  readonly channelBinding: Uint8Array | null;
  /** Whether the password itself may be sent where the server asks for it: true on TLS and on unix sockets. */
  readonly allowCleartext: boolean;
}

/**
 * What to do next.
 *
 * - `send`: send a PasswordMessage (`p`) with this body.
 * - `more`: nothing to send, another Authentication message comes.
 * - `ok`: logged in; parameters and ReadyForQuery follow.
 * - `failed`: close; the error is `server_login_failed`, and names the method and what was missing, never a secret.
 */
export type LoginStep =
  | { readonly kind: "send"; readonly body: Uint8Array }
  | { readonly kind: "more" }
  | { readonly kind: "ok" }
  | { readonly kind: "failed"; readonly error: PgplexError };

type State =
  | { readonly kind: "start" }
  /** A password or md5 answer was sent. */
  | { readonly kind: "answered" }
  /** SASL has begun: only its own messages, then AuthenticationOk, and that only when the server is verified. */
  | { readonly kind: "sasl"; readonly scram: ScramClient; readonly proved: boolean }
  | { readonly kind: "ended" };

/** Names for error texts; these methods are not implemented. */
const UNSUPPORTED: Readonly<Record<number, string>> = {
  [AUTH_REQUEST.kerberosV5]: "Kerberos V5",
  [AUTH_REQUEST.scmCredential]: "SCM credential",
  [AUTH_REQUEST.gss]: "GSSAPI",
  [AUTH_REQUEST.gssContinue]: "GSSAPI",
  [AUTH_REQUEST.sspi]: "SSPI",
};

/**
 * The dialogue of logging in to a PostgreSQL server, as a machine over the bodies of Authentication messages (libpq's
 * fe-auth.c). It answers one method once; a server that changes its mind is refused, and so is one that says Ok after SASL
 * began and before it proved that it knows the secret.
 */
export class ServerLogin {
  readonly #options: ServerLoginOptions;
  #state: State = { kind: "start" };

  constructor(options: ServerLoginOptions) {
    this.#options = options;
  }

  /** Takes the body of an Authentication message (`R`) and says what is next. Never throws for what a server sends. */
  receive(body: Uint8Array): LoginStep {
    assert(this.#state.kind !== "ended", "a login that has ended receives nothing");
    const state = this.#state;
    this.#state = { kind: "ended" }; // until the message proves right
    try {
      if (body.length < 4) throw failed("the server sent an authentication request that is too short");
      return this.#answer(state, int32At(body, 0), body.subarray(4));
    } catch (thrown) {
      if (!(thrown instanceof PgplexError)) throw thrown;
      return { kind: "failed", error: thrown };
    }
  }

  #answer(state: State, code: number, data: Uint8Array): LoginStep {
    switch (code) {
      case AUTH_REQUEST.ok:
        if (state.kind === "sasl" && !state.scram.verified) {
          throw failed("the server ended SASL authentication before it proved that it knows the secret");
        }
        return { kind: "ok" };
      case AUTH_REQUEST.saslContinue:
        return this.#continueSasl(state, data);
      case AUTH_REQUEST.saslFinal:
        return this.#finishSasl(state, data);
    }
    const method = UNSUPPORTED[code];
    if (method !== undefined) {
      throw failed(
        `the server asks for ${method} authentication, which pgplex does not support: ` +
          "use scram-sha-256 for pgplex in pg_hba.conf",
      );
    }
    if (state.kind !== "start") throw failed("the server asks for a second authentication method");
    switch (code) {
      case AUTH_REQUEST.cleartext:
        return this.#sendPassword();
      case AUTH_REQUEST.md5:
        return this.#sendMd5(data);
      case AUTH_REQUEST.sasl:
        return this.#startSasl(data);
      default:
        throw failed(`the server asks for authentication method ${code}, which pgplex does not know`);
    }
  }

  #sendPassword(): LoginStep {
    const { credentials: { password }, allowCleartext } = this.#options;
    if (password === null) throw missing("cleartext", "the password is not known");
    if (!allowCleartext) throw missing("cleartext", "pgplex does not send a password without TLS");
    return this.#sendText("cleartext", password);
  }

  #sendMd5(salt: Uint8Array): LoginStep {
    const { user, credentials: { password, md5 } } = this.#options;
    if (salt.length !== MD5_SALT_BYTES) throw failed("the server sent an md5 salt of the wrong length");
    if (password !== null) return this.#sendText("md5", md5Response(user, { kind: "plain", password }, salt));
    if (md5 !== null) return this.#sendText("md5", md5Response(user, { kind: "md5", hex: md5 }, salt));
    throw missing("md5", "neither the password nor its md5 secret is known");
  }

  #sendText(method: string, text: string): LoginStep {
    const bytes = utf8(text);
    if (bytes.includes(0)) throw missing(method, "the password holds a zero byte");
    this.#state = { kind: "answered" };
    return { kind: "send", body: concat(bytes, new Uint8Array(1)) };
  }

  #startSasl(data: Uint8Array): LoginStep {
    const { random, keyCache, channelBinding } = this.#options;
    const scram = new ScramClient({ login: this.#scramLogin(), random, keyCache, channelBinding });
    const { mechanism, initialResponse } = scram.begin(mechanismsOf(data));
    this.#state = { kind: "sasl", scram, proved: false };
    const body = concat(utf8(`${mechanism}\0`), int32(initialResponse.length), initialResponse);
    return { kind: "send", body };
  }

  #scramLogin(): ScramLogin {
    const { password, clientKey, scram, md5 } = this.#options.credentials;
    if (password !== null) return { kind: "password", password };
    if (clientKey !== null && scram !== null) return { kind: "keys", clientKey, secret: scram };
    if (scram !== null) {
      throw missing("SCRAM", "only a SCRAM secret is known, and no client has logged in with it");
    }
    if (md5 !== null) throw missing("SCRAM", "only an md5 secret is known");
    throw missing("SCRAM", "no password is known");
  }

  #continueSasl(state: State, data: Uint8Array): LoginStep {
    if (state.kind !== "sasl" || state.proved) {
      throw failed("the server continues a SASL exchange that is not open");
    }
    const body = state.scram.respond(data);
    this.#state = { kind: "sasl", scram: state.scram, proved: true };
    return { kind: "send", body };
  }

  #finishSasl(state: State, data: Uint8Array): LoginStep {
    if (state.kind !== "sasl" || !state.proved || state.scram.verified) {
      throw failed("the server ends a SASL exchange that is not open");
    }
    state.scram.verify(data);
    this.#state = state;
    return { kind: "more" };
  }
}

function mechanismsOf(data: Uint8Array): string[] {
  const names: string[] = [];
  for (let at = 0;;) {
    const name = cString(data, at);
    if (name === null) throw failed("the server sent a malformed list of SASL mechanisms");
    if (name.length === 0) return names;
    names.push(textOf(name));
    at += name.length + 1;
  }
}

function missing(method: string, what: string): PgplexError {
  return failed(`the server asks for ${method} authentication: ${what}`);
}

function failed(message: string): PgplexError {
  return new PgplexError("server_login_failed", message);
}
