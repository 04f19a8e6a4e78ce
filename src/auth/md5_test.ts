import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "./bytes.ts";
import { md5Response, verifyMd5Response } from "./md5.ts";
import { md5Secret } from "./secret.ts";

Deno.test("md5Response is md5 of the secret's digits and the salt", () => {
  // Both computed with coreutils' md5sum.
  const salt = new Uint8Array([0x01, 0x02, 0x03, 0x04]);
  assert.equal(md5Secret("user", "pass").hex, "7f409a7c046daea1c2c60502d7e2becc");
  assert.equal(
    md5Response("user", { kind: "plain", password: "pass" }, salt),
    "md56cf524962d8413e6b0cdf79fddff891c",
  );
});

Deno.test("md5Response is the same from the password and from its md5 secret, and verifyMd5Response accepts it", () => {
  fc.assert(fc.property(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    (user, password, salt) => {
      const secret = md5Secret(user, password);
      const text = md5Response(user, { kind: "plain", password }, salt);
      assert.equal(md5Response(user, secret, salt), text);
      assert.ok(verifyMd5Response(secret, { user, salt, response: utf8(text) }));
      assert.ok(!verifyMd5Response(md5Secret(user, `${password}x`), { user, salt, response: utf8(text) }));
    },
  ));
});

Deno.test("verifyMd5Response refuses an answer of another length, another salt, and the secret itself", () => {
  const salt = new Uint8Array([1, 2, 3, 4]);
  const secret = md5Secret("user", "pass");
  const answer = (text: string) => verifyMd5Response(secret, { user: "user", salt, response: utf8(text) });
  const right = md5Response("user", secret, salt);
  assert.ok(answer(right));
  assert.ok(!answer(""));
  assert.ok(!answer(right.slice(0, -1)));
  assert.ok(!answer(`md5${secret.hex}`));
  assert.ok(!answer(md5Response("user", secret, new Uint8Array(4))));
});
