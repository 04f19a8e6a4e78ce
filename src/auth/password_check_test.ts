import { strictEqual as equal } from "node:assert/strict";
import { isPassword } from "./password_check.ts";
import { buildScramSecret, formatMd5Secret, md5Secret, parseSecret } from "./secret.ts";

Deno.test("isPassword tells the password of each kind of secret from others", () => {
  const salting = { salt: new Uint8Array(16), iterations: 16 };
  const secrets = [
    parseSecret("a pässword"),
    parseSecret(formatMd5Secret(md5Secret("me", "a pässword"))),
    buildScramSecret("a pässword", salting),
  ];
  for (const secret of secrets) {
    equal(isPassword(secret, "me", "a pässword"), true, secret.kind);
    for (const wrong of ["", "a password", "a pässword "]) equal(isPassword(secret, "me", wrong), false);
  }
  equal(isPassword(secrets[1]!, "you", "a pässword"), false, "md5 is salted with the name");
});
