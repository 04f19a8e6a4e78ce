import assert from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { toBase64 } from "./bytes.ts";
import { AttributeReader, cbindInput, isNonce, printable } from "./scram_message.ts";

const malformed = (detail: string) => new PgplexError("protocol_violation", detail);

Deno.test("AttributeReader reads the messages of RFC 5802, section 5", () => {
  const serverFirst = new AttributeReader(
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    malformed,
  );
  assert.equal(serverFirst.read("r"), "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j");
  assert.equal(serverFirst.read("s"), "QSXCR+Q6sek8bf92");
  assert.equal(serverFirst.read("i"), "4096");
  assert.equal(serverFirst.done, true);
});

Deno.test("AttributeReader takes an equals sign inside a value and an empty value", () => {
  const reader = new AttributeReader("n=,p=abc==", malformed);
  assert.deepEqual(reader.readAny(), { name: "n", value: "" });
  assert.deepEqual(reader.readAny(), { name: "p", value: "abc==" });
});

Deno.test("AttributeReader refuses a foreign attribute, a missing equals sign, and the end", () => {
  const refuse = (text: string, pattern: RegExp) =>
    assert.throws(
      () => new AttributeReader(text, malformed).read("r"),
      { name: "PgplexError", message: pattern },
    );
  refuse("s=1", /Expected attribute "r" but found "'s'"/);
  refuse("r", /Expected character "=" for attribute "r"/);
  refuse("", /found "0x00"/);
  assert.throws(() => new AttributeReader("1=2", malformed).readAny(), /invalid character "'1'"/);
});

Deno.test("cbindInput is biws, eSws, or the header with the certificate's hash", () => {
  assert.equal(toBase64(cbindInput("n", null)), "biws");
  assert.equal(toBase64(cbindInput("y", new Uint8Array(32))), "eSws");
  assert.equal(
    new TextDecoder().decode(cbindInput("p", new Uint8Array([0x41, 0x42]))),
    "p=tls-server-end-point,,AB",
  );
});

Deno.test("isNonce takes printable ASCII without the comma, and printable shows all else by its code", () => {
  assert.equal(isNonce("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"), true);
  for (const text of ["", "a,b", "a b", "a\u007f", "ä"]) assert.equal(isNonce(text), false, text);
  assert.deepEqual(["a", "\n", "\u00e4"].map(printable), ["'a'", "0x0a", "0xe4"]);
});
