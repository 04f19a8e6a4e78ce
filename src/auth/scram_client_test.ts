import assert from "node:assert/strict";
import fc from "fast-check";
import { type ErrorCode, PgplexError, SeededRandom } from "../kernel/mod.ts";
import { bytesOf, textOf, utf8 } from "./bytes.ts";
import { KeyCache } from "./scram_keys.ts";
import { ScramClient, type ScramClientOptions } from "./scram_client.ts";
import { ScramServer } from "./scram_server.ts";
import { buildScramSecret, type ScramSecret } from "./secret.ts";

const secret = buildScramSecret("pencil", { salt: utf8("0123456789abcdef"), iterations: 2 });
const certificateHash = new Uint8Array(48).fill(9);

function client(options: Partial<ScramClientOptions> = {}): ScramClient {
  return new ScramClient({
    login: { kind: "password", password: "pencil" },
    random: new SeededRandom(2),
    keyCache: new KeyCache(),
    channelBinding: null,
    ...options,
  });
}

/** Runs a whole exchange and returns what both sides came to. */
function exchange(
  one: ScramClient,
  held: ScramSecret,
  channelBinding: Uint8Array | null = null,
): { mechanism: string; clientKey: Uint8Array | null } {
  const server = new ScramServer({ secret: held, mock: false, random: new SeededRandom(3), channelBinding });
  const { mechanism, initialResponse } = one.begin(server.mechanisms());
  const verdict = server.finish(one.respond(server.begin(mechanism, initialResponse)));
  if (!verdict.ok) return { mechanism, clientKey: null };
  one.verify(verdict.serverFinal);
  return { mechanism, clientKey: verdict.clientKey };
}

function refused(pattern: RegExp, run: () => unknown, code: ErrorCode = "server_login_failed"): void {
  assert.throws(run, (error: PgplexError) => {
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  });
}

Deno.test("ScramClient and ScramServer agree for any password, and disagree for any other", () => {
  const text = fc.string({ unit: "binary", minLength: 1 });
  fc.assert(
    fc.property(text, text, fc.uint8Array({ minLength: 1, maxLength: 40 }), (password, other, salt) => {
      const held = buildScramSecret(password, { salt, iterations: 1 });
      const right = client({ login: { kind: "password", password } });
      assert.ok(exchange(right, held).clientKey);
      assert.ok(right.verified);
      const asWrong = buildScramSecret(other, { salt, iterations: 1 });
      if (textOf(asWrong.storedKey) === textOf(held.storedKey)) return; // SASLprep makes them one password
      const wrong = client({ login: { kind: "password", password: other } });
      assert.equal(exchange(wrong, held).clientKey, null);
      assert.ok(!wrong.verified);
    }),
  );
});

Deno.test("ScramClient logs in elsewhere with the ClientKey that a ScramServer recovered", () => {
  const { clientKey } = exchange(client(), secret);
  const keyCache = new KeyCache();
  const passing = client({ login: { kind: "keys", clientKey: clientKey!, secret }, keyCache });
  assert.deepEqual(exchange(passing, secret).clientKey, clientKey);
  assert.ok(passing.verified);
  assert.equal(keyCache.size, 0, "keys need no PBKDF2");
});

Deno.test("ScramClient with keys refuses a server whose salt or rounds are not those of the secret", () => {
  const login = { kind: "keys", clientKey: new Uint8Array(32), secret } as const;
  for (const other of [{ ...secret, iterations: 3 }, { ...secret, salt: utf8("fedcba9876543210") }]) {
    refused(/not the one that pgplex has/, () => exchange(client({ login }), other));
  }
});

Deno.test("ScramClient chooses PLUS where both sides can, and says y where the server does not offer it", () => {
  assert.equal(exchange(client(), secret).mechanism, "SCRAM-SHA-256");
  const bound = client({ channelBinding: certificateHash });
  assert.equal(exchange(bound, secret, certificateHash).mechanism, "SCRAM-SHA-256-PLUS");
  assert.ok(bound.verified);

  const unbound = client({ channelBinding: certificateHash }).begin(["SCRAM-SHA-256"]);
  assert.match(textOf(unbound.initialResponse), /^y,,n=,r=/);
  const plain = client().begin(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
  assert.equal(plain.mechanism, "SCRAM-SHA-256");
  assert.match(textOf(plain.initialResponse), /^n,,n=,r=/);
});

Deno.test("ScramClient is found out when somebody in between shows another certificate or hides PLUS", () => {
  const bent = client({ channelBinding: new Uint8Array(32) });
  refused(
    /channel binding check failed/,
    () => exchange(bent, secret, certificateHash),
    "invalid_authorization",
  );
  const server = new ScramServer({
    secret,
    mock: false,
    random: new SeededRandom(3),
    channelBinding: certificateHash,
  });
  const { mechanism, initialResponse } = client({ channelBinding: certificateHash }).begin(["SCRAM-SHA-256"]);
  refused(/negotiation error/, () => server.begin(mechanism, initialResponse), "invalid_authorization");
});

Deno.test("ScramClient refuses an offer without a mechanism that it knows", () => {
  for (const offer of [[], ["SCRAM-SHA-256-PLUS"], ["SCRAM-SHA-1", "OAUTHBEARER"]]) {
    refused(/no SASL mechanism that pgplex knows/, () => client().begin(offer));
  }
});

Deno.test("ScramClient refuses a first server message that is not an answer to its own", () => {
  const cases: [answer: (nonce: string) => string, pattern: RegExp][] = [
    [() => "", /is empty/],
    [() => "r=other,s=c2FsdA==,i=1", /nonce does not match/],
    [(nonce) => `r=${nonce},s=c2FsdA==,i=1`, /nonce does not match/],
    [(nonce) => `r=x${nonce},s=c2FsdA==,i=1`, /nonce does not match/],
    [(nonce) => `r=${nonce}x,s=!,i=1`, /Invalid salt/],
    [(nonce) => `r=${nonce}x,s=,i=1`, /Invalid salt/],
    [(nonce) => `r=${nonce}x,s=c2FsdA==,i=0`, /Invalid iteration count/],
    [(nonce) => `r=${nonce}x,s=c2FsdA==,i=-1`, /Invalid iteration count/],
    [(nonce) => `r=${nonce}x,s=c2FsdA==,i=4096x`, /Invalid iteration count/],
    [(nonce) => `r=${nonce}x,s=c2FsdA==,i=10000000`, /asks for 10000000 SCRAM iterations/],
    [(nonce) => `r=${nonce}x,s=c2FsdA==`, /Expected attribute "i"/],
    [(nonce) => `m=ext,r=${nonce}x,s=c2FsdA==,i=1`, /unsupported SCRAM extension/],
  ];
  for (const [answer, pattern] of cases) {
    const one = client();
    const nonce = textOf(one.begin(["SCRAM-SHA-256"]).initialResponse).split("r=")[1]!;
    refused(pattern, () => one.respond(bytesOf(answer(nonce))));
  }
});

Deno.test("ScramClient refuses a server that does not know the secret", () => {
  const proved = () => {
    const one = client();
    const server = new ScramServer({
      secret,
      mock: false,
      random: new SeededRandom(3),
      channelBinding: null,
    });
    const { mechanism, initialResponse } = one.begin(["SCRAM-SHA-256"]);
    one.respond(server.begin(mechanism, initialResponse));
    return one;
  };
  const cases: [string, RegExp][] = [
    [`v=${"A".repeat(43)}=`, /signature is wrong/],
    ["v=AAAA", /Malformed signature/],
    ["", /is empty/],
    ["e=invalid-proof", /refused SCRAM: invalid-proof/],
    ["e=\u001b[31mboo", /refused SCRAM: no known reason/],
  ];
  for (const [text, pattern] of cases) {
    const one = proved();
    refused(pattern, () => one.verify(bytesOf(text)));
    assert.equal(one.verified, false);
  }
});

Deno.test("ScramClient throws nothing but PgplexError, and trusts nobody, for any bytes from a server", () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  fc.assert(fc.property(bytes, fc.string({ maxLength: 40 }), (raw, tail) => {
    const one = client();
    const nonce = textOf(one.begin(["SCRAM-SHA-256"]).initialResponse).split("r=")[1]!;
    try {
      one.respond(tail.length % 2 === 0 ? raw : utf8(`r=${nonce}${tail},s=c2FsdA==,i=1`));
      one.verify(raw);
      assert.fail("it trusted a server that knows nothing");
    } catch (error) {
      assert.ok(error instanceof PgplexError, String(error));
      assert.ok(!one.verified);
    }
  }));
});
