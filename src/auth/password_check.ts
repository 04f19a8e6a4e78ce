import { equalBytes, utf8 } from "./bytes.ts";
import { deriveScramKeys, sha256 } from "./scram_keys.ts";
import { md5Secret, type Secret } from "./secret.ts";

/** Whether a password in clear is the one of `user`'s secret. Of a SCRAM secret it costs PBKDF2: 3 ms for 4096 rounds. */
export function isPassword(secret: Secret, user: string, password: string): boolean {
  switch (secret.kind) {
    case "plain":
      return equalBytes(sha256(utf8(secret.password)), sha256(utf8(password)));
    case "md5":
      return equalBytes(utf8(secret.hex), utf8(md5Secret(user, password).hex));
    case "scram":
      return equalBytes(secret.storedKey, deriveScramKeys(password, secret).storedKey);
  }
}
