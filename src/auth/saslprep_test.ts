import assert from "node:assert/strict";
import fc from "fast-check";
import { preparePassword } from "./saslprep.ts";

Deno.test("preparePassword gives what RFC 4013, section 3, lists, and the raw password where that says error", () => {
  const examples: [input: string, output: string, comment: string][] = [
    ["I\u00adX", "IX", "SOFT HYPHEN mapped to nothing"],
    ["user", "user", "no transformation"],
    ["USER", "USER", "case preserved"],
    ["\u00aa", "a", "output is NFKC, input in ISO 8859-1"],
    ["\u2168", "IX", "output is NFKC"],
    ["\u0007", "\u0007", "prohibited: PostgreSQL takes the raw password"],
    ["\u0627\u0031", "\u0627\u0031", "bidirectional check fails: the raw password"],
  ];
  for (const [input, output, comment] of examples) assert.equal(preparePassword(input), output, comment);
});

Deno.test("preparePassword maps other spaces to the space and takes an emoji, a lone surrogate and nothing as they are", () => {
  assert.equal(preparePassword("a\u00a0b"), "a b");
  assert.equal(preparePassword("a\u200bb"), "a b");
  assert.equal(preparePassword("\u{1f600}"), "\u{1f600}");
  assert.equal(preparePassword("\ud800"), "\ud800");
  assert.equal(preparePassword("\u00ad"), "\u00ad");
  assert.equal(preparePassword(""), "");
});

Deno.test("preparePassword leaves ASCII alone, control characters included, and never throws", () => {
  fc.assert(fc.property(fc.string({ unit: "binary-ascii" }), (text) => {
    assert.equal(preparePassword(text), text);
  }));
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    preparePassword(text);
  }));
});
