import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, PgplexError, SeededRandom } from "../kernel/mod.ts";
import { int32At } from "../protocol/mod.ts";
import { AUTH_REQUEST, authBody, saslBody } from "./auth_message.ts";
import { textOf, utf8 } from "./bytes.ts";
import { ClientAuthenticator } from "./client_auth.ts";
import { NO_CREDENTIALS, type ServerCredentials } from "./credentials.ts";
import { md5Response } from "./md5.ts";
import { KeyCache } from "./scram_keys.ts";
import { ScramServer } from "./scram_server.ts";
import { buildScramSecret, md5Secret } from "./secret.ts";
import { SecretCache } from "./secret_cache.ts";
import { type LoginStep, ServerLogin, type ServerLoginOptions } from "./server_login.ts";

const PASSWORD = "pencil";
const ok = authBody(AUTH_REQUEST.ok);
const scram = buildScramSecret(PASSWORD, { salt: utf8("0123456789abcdef"), iterations: 2 });
const hex = md5Secret("alice", PASSWORD).hex;
const withPassword: ServerCredentials = { ...NO_CREDENTIALS, password: PASSWORD };

function login(credentials: ServerCredentials, options: Partial<ServerLoginOptions> = {}): ServerLogin {
  return new ServerLogin({
    user: "alice",
    credentials,
    random: new SeededRandom(5),
    keyCache: new KeyCache(),
    channelBinding: null,
    allowCleartext: true,
    ...options,
  });
}

function sent(step: LoginStep): Uint8Array {
  assert.equal(step.kind, "send", step.kind === "failed" ? step.error.message : step.kind);
  return step.kind === "send" ? step.body : assert.fail();
}

function refused(step: LoginStep, pattern: RegExp): void {
  if (step.kind !== "failed") assert.fail(`expected a failure: received ${step.kind}`);
  assert.equal(step.error.code, "server_login_failed");
  assert.match(step.error.message, pattern);
  const texts = `${step.error.message} ${JSON.stringify(step.error.extra)}`;
  for (const secret of [PASSWORD, hex]) assert.ok(!texts.includes(secret), "no secret in an error");
}

/** A login that has sent its proof, and the server that waits to answer it. */
function proved(credentials: ServerCredentials): { one: ServerLogin; serverFinal: Uint8Array } {
  const one = login(credentials);
  const server = new ScramServer({
    secret: scram,
    mock: false,
    random: new SeededRandom(6),
    channelBinding: null,
  });
  const opening = sent(one.receive(saslBody(server.mechanisms())));
  const at = opening.indexOf(0);
  assert.equal(textOf(opening.subarray(0, at)), "SCRAM-SHA-256");
  assert.equal(int32At(opening, at + 1), opening.length - at - 5);
  const serverFirst = server.begin("SCRAM-SHA-256", opening.subarray(at + 5));
  const verdict = server.finish(sent(one.receive(authBody(AUTH_REQUEST.saslContinue, serverFirst))));
  return { one, serverFinal: verdict.ok ? verdict.serverFinal : assert.fail("the proof is wrong") };
}

Deno.test("ServerLogin is content with a server that asks for nothing", () => {
  assert.deepEqual(login(NO_CREDENTIALS).receive(ok), { kind: "ok" });
});

Deno.test("ServerLogin sends the password where the server asks for it and that is allowed", () => {
  const one = login(withPassword);
  assert.deepEqual(sent(one.receive(authBody(AUTH_REQUEST.cleartext))), utf8("pencil\0"));
  assert.deepEqual(one.receive(ok), { kind: "ok" });
  const careful = login(withPassword, { allowCleartext: false });
  refused(careful.receive(authBody(AUTH_REQUEST.cleartext)), /cleartext.*without TLS/);
});

Deno.test("ServerLogin answers md5 from the password and from the md5 secret", () => {
  const salt = new Uint8Array([1, 2, 3, 4]);
  const expected = utf8(`${md5Response("alice", { kind: "md5", hex }, salt)}\0`);
  for (const credentials of [withPassword, { ...NO_CREDENTIALS, md5: hex }]) {
    const one = login(credentials);
    assert.deepEqual(sent(one.receive(authBody(AUTH_REQUEST.md5, salt))), expected);
    assert.deepEqual(one.receive(ok), { kind: "ok" });
  }
  refused(
    login(withPassword).receive(authBody(AUTH_REQUEST.md5, new Uint8Array(3))),
    /salt of the wrong length/,
  );
});

Deno.test("ServerLogin does SCRAM to its end from the password", () => {
  const { one, serverFinal } = proved(withPassword);
  assert.deepEqual(one.receive(authBody(AUTH_REQUEST.saslFinal, serverFinal)), { kind: "more" });
  assert.deepEqual(one.receive(ok), { kind: "ok" });
});

Deno.test("ServerLogin does SCRAM with what a client's own login left", () => {
  const client = login(withPassword);
  const authenticator = new ClientAuthenticator({
    type: "scram-sha-256",
    user: "alice",
    secret: scram,
    random: new SeededRandom(7),
    mockKey: utf8("key"),
    channelBinding: null,
    peerCommonName: null,
    secretCache: new SecretCache({ instanceKey: utf8("key") }),
  });
  let step = authenticator.start();
  while (step.kind === "send") step = authenticator.receive(sent(client.receive(step.body)));
  if (step.kind !== "done") assert.fail("the client was not admitted");
  assert.equal(step.credentials.password, null);

  const { one, serverFinal } = proved(step.credentials);
  assert.deepEqual(one.receive(authBody(AUTH_REQUEST.saslFinal, serverFinal)), { kind: "more" });
  assert.deepEqual(one.receive(ok), { kind: "ok" });
});

Deno.test("ServerLogin refuses Ok from a server that began SASL and did not prove itself", () => {
  const begun = login(withPassword);
  sent(begun.receive(saslBody(["SCRAM-SHA-256"])));
  refused(begun.receive(ok), /before it proved/);
  refused(proved(withPassword).one.receive(ok), /before it proved/);
  const wrong = authBody(AUTH_REQUEST.saslFinal, utf8(`v=${"A".repeat(43)}=`));
  refused(proved(withPassword).one.receive(wrong), /signature is wrong/);
});

Deno.test("ServerLogin names the method and what is missing for it", () => {
  const asks = {
    cleartext: authBody(AUTH_REQUEST.cleartext),
    md5: authBody(AUTH_REQUEST.md5, new Uint8Array(4)),
    SCRAM: saslBody(["SCRAM-SHA-256"]),
  };
  const cases: [ServerCredentials, keyof typeof asks, RegExp][] = [
    [NO_CREDENTIALS, "cleartext", /cleartext authentication: the password is not known/],
    [NO_CREDENTIALS, "md5", /md5 authentication: neither/],
    [NO_CREDENTIALS, "SCRAM", /SCRAM authentication: no password is known/],
    [{ ...NO_CREDENTIALS, md5: hex }, "cleartext", /the password is not known/],
    [{ ...NO_CREDENTIALS, md5: hex }, "SCRAM", /only an md5 secret/],
    [{ ...NO_CREDENTIALS, scram }, "SCRAM", /no client has logged in/],
    [{ ...NO_CREDENTIALS, scram }, "md5", /neither/],
    [{ ...NO_CREDENTIALS, password: "a\0b" }, "cleartext", /zero byte/],
  ];
  for (const [credentials, ask, pattern] of cases) refused(login(credentials).receive(asks[ask]), pattern);
});

Deno.test("ServerLogin refuses methods that it does not do, by name", () => {
  const names: [number, RegExp][] = [
    [AUTH_REQUEST.kerberosV5, /Kerberos V5/],
    [AUTH_REQUEST.scmCredential, /SCM credential/],
    [AUTH_REQUEST.gss, /GSSAPI/],
    [AUTH_REQUEST.gssContinue, /GSSAPI/],
    [AUTH_REQUEST.sspi, /SSPI/],
    [99, /method 99/],
  ];
  for (const [code, pattern] of names) refused(login(withPassword).receive(authBody(code)), pattern);
});

Deno.test("ServerLogin refuses a second method, so that nobody can ask for the password after SASL", () => {
  for (const first of [authBody(AUTH_REQUEST.md5, new Uint8Array(4)), saslBody(["SCRAM-SHA-256"])]) {
    const one = login(withPassword);
    sent(one.receive(first));
    refused(one.receive(authBody(AUTH_REQUEST.cleartext)), /second authentication method/);
  }
});

Deno.test("ServerLogin refuses SASL messages out of turn and malformed bodies", () => {
  refused(login(withPassword).receive(authBody(AUTH_REQUEST.saslContinue)), /not open/);
  refused(login(withPassword).receive(authBody(AUTH_REQUEST.saslFinal)), /not open/);
  const begun = login(withPassword);
  sent(begun.receive(saslBody(["SCRAM-SHA-256"])));
  refused(begun.receive(authBody(AUTH_REQUEST.saslFinal, utf8("v=AAAA"))), /not open/);
  const { one, serverFinal } = proved(withPassword);
  one.receive(authBody(AUTH_REQUEST.saslFinal, serverFinal));
  refused(one.receive(authBody(AUTH_REQUEST.saslFinal, serverFinal)), /not open/);
  refused(login(withPassword).receive(new Uint8Array(3)), /too short/);
  refused(login(withPassword).receive(authBody(AUTH_REQUEST.sasl, utf8("SCRAM-SHA-256"))), /malformed list/);
  refused(login(withPassword).receive(saslBody([])), /no SASL mechanism/);
});

Deno.test("ServerLogin never throws, whatever a server sends, and never names a secret", () => {
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(fc.nat(13), fc.uint8Array({ maxLength: 40 })).map(([code, data]) => authBody(code, data)),
    fc.constant(saslBody(["SCRAM-SHA-256"])),
    fc.string().map((text) => concat(authBody(AUTH_REQUEST.saslContinue), utf8(text))),
  );
  const credentials = fc.constantFrom<ServerCredentials>(
    withPassword,
    NO_CREDENTIALS,
    { ...NO_CREDENTIALS, md5: hex },
    { ...NO_CREDENTIALS, clientKey: new Uint8Array(32), scram },
  );
  fc.assert(fc.property(credentials, fc.array(body, { minLength: 1, maxLength: 5 }), (known, bodies) => {
    const one = login(known);
    for (const bytes of bodies) {
      const step = one.receive(bytes);
      if (step.kind === "failed") {
        assert.ok(step.error instanceof PgplexError);
        refused(step, /./);
      }
      if (step.kind === "failed" || step.kind === "ok") return;
    }
  }));
});
