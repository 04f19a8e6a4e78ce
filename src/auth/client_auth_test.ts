import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, type ErrorCode, PgplexError, SeededRandom } from "../kernel/mod.ts";
import { int32At } from "../protocol/mod.ts";
import { AUTH_REQUEST } from "./auth_message.ts";
import { int32, textOf, utf8 } from "./bytes.ts";
import { type AuthStep, ClientAuthenticator, type ClientAuthOptions } from "./client_auth.ts";
import { NO_CREDENTIALS, type ServerCredentials } from "./credentials.ts";
import { md5Response } from "./md5.ts";
import { KeyCache } from "./scram_keys.ts";
import { buildScramSecret, md5Secret, type Secret } from "./secret.ts";
import { SecretCache } from "./secret_cache.ts";
import { ServerLogin } from "./server_login.ts";

const mockKey = utf8("an instance's random key");
const plain: Secret = { kind: "plain", password: "pencil" };
const scram = buildScramSecret("pencil", { salt: utf8("0123456789abcdef"), iterations: 2 });
const md5 = md5Secret("alice", "pencil");

function authenticator(options: Partial<ClientAuthOptions>): ClientAuthenticator {
  return new ClientAuthenticator({
    type: "scram-sha-256",
    user: "alice",
    secret: plain,
    random: new SeededRandom(1),
    mockKey,
    channelBinding: null,
    peerCommonName: null,
    secretCache: new SecretCache({ instanceKey: mockKey }),
    ...options,
  });
}

/** Lets a client with a password log in, and returns the codes of what it was sent and the last step. */
function dialogue(
  options: Partial<ClientAuthOptions>,
  password = "pencil",
): { codes: number[]; last: AuthStep } {
  const server = authenticator(options);
  const client = new ServerLogin({
    user: "alice",
    credentials: { ...NO_CREDENTIALS, password },
    random: new SeededRandom(2),
    keyCache: new KeyCache(),
    channelBinding: options.channelBinding ?? null,
    allowCleartext: false,
  });
  const codes: number[] = [];
  for (let step = server.start();;) {
    if (step.kind === "failed") return { codes, last: step };
    const bodies = step.kind === "send" ? [step.body] : step.bodies;
    for (const body of bodies) {
      codes.push(int32At(body, 0));
      const answer = client.receive(body);
      if (step.kind === "done") assert.equal(answer.kind, "more");
      else if (answer.kind === "send") step = server.receive(answer.body);
      else assert.fail(`the client stopped: ${JSON.stringify(answer)}`);
    }
    if (step.kind === "done" && codes.at(-1) !== AUTH_REQUEST.saslContinue) return { codes, last: step };
  }
}

function admitted(step: AuthStep): ServerCredentials {
  assert.equal(step.kind, "done", step.kind === "failed" ? step.error.message : step.kind);
  return step.kind === "done" ? step.credentials : assert.fail();
}

function refused(step: AuthStep, code: ErrorCode = "invalid_password"): PgplexError {
  assert.equal(step.kind, "failed");
  if (step.kind !== "failed") assert.fail();
  assert.equal(step.error.code, code);
  return step.error;
}

const SCRAM = [AUTH_REQUEST.sasl, AUTH_REQUEST.saslContinue, AUTH_REQUEST.saslFinal];

Deno.test("trust admits everybody, with what the directory has", () => {
  assert.deepEqual(admitted(authenticator({ type: "trust" }).start()), {
    ...NO_CREDENTIALS,
    password: "pencil",
  });
  assert.deepEqual(admitted(authenticator({ type: "trust", secret: null }).start()), NO_CREDENTIALS);
});

Deno.test("cert admits the certificate's common name only, with PostgreSQL's words for the others", () => {
  const start = (peerCommonName: string | null) => authenticator({ type: "cert", peerCommonName }).start();
  assert.equal(admitted(start("alice")).password, "pencil");
  for (const name of ["bob", "Alice", ""]) {
    const error = refused(start(name), "invalid_authorization");
    assert.equal(error.message, 'certificate authentication failed for user "alice"');
  }
  const without = refused(start(null), "invalid_authorization");
  assert.equal(without.message, "connection requires a valid client certificate");
});

Deno.test("scram-sha-256 admits by a plain password and passes the password on", () => {
  const { codes, last } = dialogue({});
  assert.deepEqual(codes, SCRAM);
  assert.deepEqual(admitted(last), { ...NO_CREDENTIALS, password: "pencil" });
});

Deno.test("scram-sha-256 admits by a SCRAM secret and passes the recovered ClientKey on", () => {
  const { codes, last } = dialogue({ secret: scram });
  assert.deepEqual(codes, SCRAM);
  const { clientKey, ...rest } = admitted(last);
  assert.equal(clientKey?.length, 32);
  assert.deepEqual(rest, { password: null, md5: null, scram });
});

Deno.test("scram-sha-256 binds the channel where there is one", () => {
  assert.deepEqual(dialogue({ secret: scram, channelBinding: new Uint8Array(32) }).codes, SCRAM);
});

Deno.test("md5 admits by a plain password and by an md5 secret, and passes either on", () => {
  for (const secret of [plain, md5] as const) {
    const { codes, last } = dialogue({ type: "md5", secret });
    assert.deepEqual(codes, [AUTH_REQUEST.md5]);
    const { password, md5: hex } = admitted(last);
    assert.deepEqual([password, hex], secret.kind === "plain" ? ["pencil", null] : [null, md5.hex]);
  }
});

Deno.test("md5 does SCRAM for a user with a SCRAM secret", () => {
  const { codes, last } = dialogue({ type: "md5", secret: scram });
  assert.deepEqual(codes, SCRAM);
  admitted(last);
});

Deno.test("an unknown user, a wrong password and an unusable secret get the same messages and the same words", () => {
  const cases: [Partial<ClientAuthOptions>, password: string, log: RegExp][] = [
    [{ secret: null }, "pencil", /not known/],
    [{ secret: plain }, "wrong", /does not match/],
    [{ secret: scram }, "wrong", /does not match/],
    [{ secret: md5 }, "pencil", /md5 secret, which SCRAM cannot use/],
    [{ secret: { kind: "plain", password: "" } }, "pencil", /empty/],
    [{ type: "md5", secret: null }, "pencil", /not known/],
    [{ type: "md5", secret: plain }, "wrong", /does not match/],
    [{ type: "md5", secret: md5 }, "wrong", /does not match/],
    [{ type: "md5", secret: { kind: "plain", password: "" } }, "pencil", /empty/],
  ];
  for (const [options, password, log] of cases) {
    const { codes, last } = dialogue(options, password);
    assert.deepEqual(codes, options.type === "md5" ? [AUTH_REQUEST.md5] : SCRAM.slice(0, 2));
    const error = refused(last);
    assert.equal(error.message, 'password authentication failed for user "alice"');
    assert.equal(error.extra.detail, undefined);
    assert.match(error.extra.log ?? "", log);
    assert.equal(error.sqlstate, "28P01");
  }
});

Deno.test("an unknown user is shown the same salt at each try, and 4096 rounds", () => {
  const challenge = (secret: Secret | null, seed: number) => {
    const server = authenticator({ secret, random: new SeededRandom(seed) });
    server.start();
    const step = server.receive(initialResponse("n,,n=,r=abc"));
    return step.kind === "send" ? textOf(step.body).replace(/^.*,s=/, "s=") : assert.fail();
  };
  assert.equal(challenge(null, 1), challenge(null, 2));
  assert.equal(challenge(null, 1), challenge(plain, 3), "nor does the salt change when the user is added");
  assert.match(challenge(null, 1), /,i=4096$/);
});

Deno.test("a SASLInitialResponse without data is answered by an empty challenge", () => {
  const server = authenticator({});
  server.start();
  const empty = server.receive(concat(utf8("SCRAM-SHA-256\0"), int32(-1)));
  assert.deepEqual(empty, { kind: "send", body: int32(AUTH_REQUEST.saslContinue) });
  const challenge = server.receive(utf8("n,,n=,r=abc"));
  assert.match(challenge.kind === "send" ? textOf(challenge.body.subarray(4)) : "", /^r=abc/);
});

Deno.test("malformed messages end in a protocol violation", () => {
  const cases: [ClientAuthOptions["type"], body: Uint8Array, message: RegExp][] = [
    ["scram-sha-256", utf8("SCRAM-SHA-256"), /invalid string/],
    ["scram-sha-256", utf8("SCRAM-SHA-256\0"), /insufficient data/],
    ["scram-sha-256", concat(utf8("SCRAM-SHA-1\0"), int32(-1)), /invalid SASL authentication mechanism/],
    [
      "scram-sha-256",
      concat(utf8("SCRAM-SHA-256-PLUS\0"), int32(-1)),
      /invalid SASL authentication mechanism/,
    ],
    ["scram-sha-256", concat(utf8("SCRAM-SHA-256\0"), int32(9), utf8("n,,")), /insufficient data left/],
    ["scram-sha-256", concat(utf8("SCRAM-SHA-256\0"), int32(-2), utf8("n,,")), /insufficient data left/],
    ["scram-sha-256", concat(utf8("SCRAM-SHA-256\0"), int32(2), utf8("n,,")), /invalid message format/],
    ["scram-sha-256", concat(utf8("SCRAM-SHA-256\0"), int32(-1), utf8("n")), /invalid message format/],
    ["scram-sha-256", new Uint8Array(2000), /packet size/],
    ["md5", utf8("md5"), /invalid password packet size/],
    ["md5", utf8("md5\0more\0"), /invalid password packet size/],
    ["md5", new Uint8Array(0), /invalid password packet size/],
  ];
  for (const [type, body, message] of cases) {
    const server = authenticator({ type });
    server.start();
    assert.match(refused(server.receive(body), "protocol_violation").message, message);
  }
});

Deno.test("an empty md5 answer is refused with PostgreSQL's words", () => {
  const server = authenticator({ type: "md5" });
  server.start();
  assert.equal(refused(server.receive(new Uint8Array(1))).message, "empty password returned by client");
});

Deno.test("an md5 answer to one challenge does not answer another", () => {
  const first = authenticator({ type: "md5", random: new SeededRandom(1) });
  const second = authenticator({ type: "md5", random: new SeededRandom(2) });
  const step = first.start();
  second.start();
  const salt = step.kind === "send" ? step.body.subarray(4) : assert.fail();
  const answer = utf8(`${md5Response("alice", plain, salt)}\0`);
  admitted(first.receive(answer));
  refused(second.receive(answer));
});

Deno.test("no bytes from a client make it throw, and none admit it", () => {
  const types = fc.constantFrom("md5" as const, "scram-sha-256" as const);
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.string().map(initialResponse),
    fc.string().map((text) => initialResponse(`n,,n=,r=${text}`)),
  );
  const secrets = fc.constantFrom<Secret | null>(scram, md5, null);
  fc.assert(fc.property(types, secrets, fc.array(body, { maxLength: 4 }), (type, secret, bodies) => {
    const server = authenticator({ type, secret });
    let step = server.start();
    for (const bytes of bodies) {
      if (step.kind !== "send") break;
      step = server.receive(bytes);
    }
    assert.notEqual(step.kind, "done");
    if (step.kind === "failed") assert.ok(step.error instanceof PgplexError);
  }));
});

function initialResponse(clientFirst: string): Uint8Array {
  const data = utf8(clientFirst);
  return concat(utf8("SCRAM-SHA-256\0"), int32(data.length), data);
}

Deno.test("plain: the password in clear is checked by any kind of secret, and opens every method at a server", () => {
  for (const secret of [plain, md5, scram]) {
    const server = authenticator({ type: "plain", secret });
    const asked = server.start();
    assert.deepEqual(asked.kind === "send" && [int32At(asked.body, 0)], [AUTH_REQUEST.cleartext]);
    assert.deepEqual(admitted(server.receive(utf8("pencil\0"))), { ...NO_CREDENTIALS, password: "pencil" });
    for (const wrong of ["Pencil\0", "pencil2\0"]) {
      const other = authenticator({ type: "plain", secret });
      other.start();
      refused(other.receive(utf8(wrong)));
    }
  }
  const unknown = authenticator({ type: "plain", secret: null });
  unknown.start();
  refused(unknown.receive(utf8("pencil\0")));
});
