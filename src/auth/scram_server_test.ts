import assert from "node:assert/strict";
import fc from "fast-check";
import { type ErrorCode, PgplexError, SeededRandom } from "../kernel/mod.ts";
import { bytesOf, textOf, toBase64, utf8 } from "./bytes.ts";
import { authMessage, clientProof, deriveScramKeys, sha256 } from "./scram_keys.ts";
import { cbindInput } from "./scram_message.ts";
import { ScramServer, type ScramServerOptions } from "./scram_server.ts";
import { buildScramSecret } from "./secret.ts";

const salting = { salt: utf8("0123456789abcdef"), iterations: 2 };
const secret = buildScramSecret("pencil", salting);
const keys = deriveScramKeys("pencil", salting);
const certificateHash = new Uint8Array(32).fill(7);

function server(options: Partial<ScramServerOptions> = {}): ScramServer {
  return new ScramServer({
    secret,
    mock: false,
    random: new SeededRandom(1),
    channelBinding: null,
    ...options,
  });
}

/** What a client that knows the password sends last; `edit` spoils it. */
function final(serverFirst: Uint8Array, clientFirstBare: string, binding = "biws", extension = ""): string {
  const nonce = /^r=([^,]*)/.exec(textOf(serverFirst))![1]!;
  const clientFinalWithoutProof = `c=${binding},r=${nonce}${extension}`;
  const message = authMessage({ clientFirstBare, serverFirst: textOf(serverFirst), clientFinalWithoutProof });
  return `${clientFinalWithoutProof},p=${toBase64(clientProof(keys.clientKey, message))}`;
}

function refused(code: ErrorCode, pattern: RegExp, run: () => unknown): void {
  assert.throws(run, (error: PgplexError) => {
    assert.equal(error.code, code);
    assert.match(`${error.message} ${error.extra.detail ?? ""}`, pattern);
    return true;
  });
}

Deno.test("ScramServer accepts the right proof, returns the ClientKey and signs", () => {
  const exchange = server();
  const serverFirst = exchange.begin("SCRAM-SHA-256", utf8("n,,n=,r=abc"));
  assert.match(textOf(serverFirst), /^r=abc[A-Za-z0-9+/]{24},s=MDEyMzQ1Njc4OWFiY2RlZg==,i=2$/);
  const verdict = exchange.finish(bytesOf(final(serverFirst, "n=,r=abc")));
  assert.ok(verdict.ok);
  assert.deepEqual(sha256(verdict.clientKey), secret.storedKey);
  assert.match(textOf(verdict.serverFinal), /^v=[A-Za-z0-9+/]{43}=$/);
});

Deno.test("ScramServer says no to a wrong proof without throwing", () => {
  const exchange = server();
  const text = final(exchange.begin("SCRAM-SHA-256", utf8("n,,n=,r=abc")), "n=,r=abc");
  const wrong = text.replace(/p=./, (head) => head === "p=A" ? "p=B" : "p=A");
  assert.deepEqual(exchange.finish(bytesOf(wrong)), { ok: false });
});

Deno.test("ScramServer says no to the right proof when the secret is a mock", () => {
  const exchange = server({ mock: true });
  const serverFirst = exchange.begin("SCRAM-SHA-256", utf8("n,,n=,r=abc"));
  assert.deepEqual(exchange.finish(bytesOf(final(serverFirst, "n=,r=abc"))), { ok: false });
});

Deno.test("ScramServer ignores the user name inside the message, whatever its encoding, and optional extensions", () => {
  const exchange = server();
  const bare = "n=\u00fc=2Cx,r=abc,z=1";
  const serverFirst = exchange.begin("SCRAM-SHA-256", bytesOf(`n,,${bare}`));
  assert.ok(exchange.finish(bytesOf(final(serverFirst, bare, "biws", ",z=2"))).ok);
});

Deno.test("ScramServer offers PLUS first, and only with a certificate", () => {
  assert.deepEqual(server().mechanisms(), ["SCRAM-SHA-256"]);
  assert.deepEqual(server({ channelBinding: certificateHash }).mechanisms(), [
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-256",
  ]);
});

Deno.test("ScramServer binds the channel: our certificate's hash passes, another one is refused", () => {
  const first = utf8("p=tls-server-end-point,,n=,r=abc");
  const right = server({ channelBinding: certificateHash });
  const serverFirst = right.begin("SCRAM-SHA-256-PLUS", first);
  const binding = toBase64(cbindInput("p", certificateHash));
  assert.ok(right.finish(bytesOf(final(serverFirst, "n=,r=abc", binding))).ok);

  const wrong = server({ channelBinding: new Uint8Array(32) });
  const otherFirst = wrong.begin("SCRAM-SHA-256-PLUS", first);
  refused(
    "invalid_authorization",
    /channel binding check failed/,
    () => wrong.finish(bytesOf(final(otherFirst, "n=,r=abc", binding))),
  );
});

Deno.test("ScramServer admits flag y without a certificate and refuses it as a downgrade with one", () => {
  const exchange = server();
  const serverFirst = exchange.begin("SCRAM-SHA-256", utf8("y,,n=,r=abc"));
  assert.ok(exchange.finish(bytesOf(final(serverFirst, "n=,r=abc", "eSws"))).ok);
  refused(
    "invalid_authorization",
    /negotiation error/,
    () => server({ channelBinding: certificateHash }).begin("SCRAM-SHA-256", utf8("y,,n=,r=abc")),
  );
});

Deno.test("ScramServer takes an empty nonce of the client, as PostgreSQL does", () => {
  const exchange = server();
  const serverFirst = exchange.begin("SCRAM-SHA-256", utf8("n,,n=,r="));
  assert.ok(exchange.finish(bytesOf(final(serverFirst, "n=,r="))).ok);
});

Deno.test("ScramServer refuses a first message as PostgreSQL does", () => {
  const cases: [first: string, code: ErrorCode, pattern: RegExp][] = [
    ["", "protocol_violation", /is empty/],
    ["n,,n=,r=abc\0", "protocol_violation", /does not match input length/],
    [`n,,n=,r=${"a".repeat(1024)}`, "protocol_violation", /too long/],
    ["x,,n=,r=abc", "protocol_violation", /Unexpected channel-binding flag "'x'"/],
    ["n", "protocol_violation", /Comma expected, but found character "0x00"/],
    ["n,a=admin,n=,r=abc", "unsupported_feature", /authorization identity/],
    ["n,x,n=,r=abc", "protocol_violation", /Unexpected attribute "'x'"/],
    ["n,,m=ext,n=,r=abc", "unsupported_feature", /unsupported SCRAM extension/],
    ["n,,r=abc", "protocol_violation", /Expected attribute "n" but found "'r'"/],
    ["n,,n=,r=a\tb", "protocol_violation", /non-printable characters in SCRAM nonce/],
    ["n,,n=,r=abc,1", "protocol_violation", /invalid character "'1'"/],
    ["p=tls-server-end-point,,n=,r=abc", "protocol_violation", /without channel binding, but/],
  ];
  for (const [first, code, pattern] of cases) {
    refused(code, pattern, () => server().begin("SCRAM-SHA-256", bytesOf(first)));
  }
});

Deno.test("ScramServer refuses PLUS that was not offered, carries no binding, or names another type", () => {
  refused(
    "protocol_violation",
    /invalid SASL authentication mechanism/,
    () => server().begin("SCRAM-SHA-256-PLUS", utf8("p=tls-server-end-point,,n=,r=abc")),
  );
  const bound = (first: string) => () =>
    server({ channelBinding: certificateHash }).begin("SCRAM-SHA-256-PLUS", utf8(first));
  refused("protocol_violation", /does not include channel binding data/, bound("n,,n=,r=abc"));
  refused("protocol_violation", /does not include channel binding data/, bound("y,,n=,r=abc"));
  refused("protocol_violation", /unsupported SCRAM channel-binding type/, bound("p=tls-unique,,n=,r=abc"));
});

Deno.test("ScramServer refuses a final message as PostgreSQL does", () => {
  const cases: [edit: (right: string) => string, pattern: RegExp][] = [
    [(right) => right.replace("c=biws", "c=eSws"), /unexpected SCRAM channel-binding attribute/],
    [(right) => right.replace("r=abc", "r=abd"), /Nonce does not match/],
    [(right) => right.replace("r=abc", "r=abcd"), /Nonce does not match/],
    [(right) => right.replace(/p=.*/, "p=AAAA"), /Malformed proof/],
    [(right) => right.replace(/p=.*/, "p=!"), /Malformed proof/],
    [(right) => right.replace(/,p=.*/, ""), /Attribute expected/],
    [(right) => `${right},z=1`, /Garbage found at the end/],
    [() => "", /is empty/],
  ];
  for (const [edit, pattern] of cases) {
    const exchange = server();
    const right = final(exchange.begin("SCRAM-SHA-256", utf8("n,,n=,r=abc")), "n=,r=abc");
    refused("protocol_violation", pattern, () => exchange.finish(bytesOf(edit(right))));
  }
});

Deno.test("ScramServer throws nothing but PgplexError, and admits nobody, for any mangled message", () => {
  const tolerated = (run: () => unknown) => {
    try {
      return run();
    } catch (error) {
      assert.ok(error instanceof PgplexError, String(error));
      assert.ok(!JSON.stringify(error.extra).includes("pencil"));
      return null;
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, plus) => {
    const mechanism = plus ? "SCRAM-SHA-256-PLUS" : "SCRAM-SHA-256";
    tolerated(() => server({ channelBinding: certificateHash }).begin(mechanism, bytes));
  }));
  fc.assert(fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (at, change) => {
    const exchange = server();
    const right = bytesOf(final(exchange.begin("SCRAM-SHA-256", utf8("n,,n=,r=abc")), "n=,r=abc"));
    right[at % right.length]! ^= change;
    const verdict = tolerated(() => exchange.finish(right)) as { ok: boolean } | null;
    // The last character before the padding carries two bits that no byte of the proof has.
    if (at % right.length !== right.length - 2) assert.notEqual(verdict?.ok, true);
  }));
});
