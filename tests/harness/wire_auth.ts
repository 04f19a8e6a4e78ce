import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";

/** The answer to AuthenticationMD5Password: md5 of (md5 of password and user) and salt. */
export function md5Password(user: string, password: string, salt: Uint8Array): string {
  const inner = createHash("md5").update(password + user).digest("hex");
  return "md5" + createHash("md5").update(inner).update(salt).digest("hex");
}

/** The client's side of SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677); passwords are taken as they are. */
export class ScramClient {
  readonly #password: string;
  readonly #firstBare = `n=,r=${randomBytes(18).toString("base64")}`;
  #serverSignature: Buffer | null = null;

  constructor(password: string) {
    this.#password = password;
  }

  first(): string {
    return `n,,${this.#firstBare}`;
  }

  final(serverFirst: string): string {
    const fields = parse(serverFirst);
    const [nonce, salt, iterations] = [fields["r"], fields["s"], fields["i"]];
    if (!nonce?.startsWith(this.#firstBare.slice("n=,r=".length)) || !salt || !iterations) {
      throw new Error(`The server's first SCRAM message is wrong: ${serverFirst}`);
    }
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt, "base64"), Number(iterations), 32, "sha256");
    const clientKey = hmac(salted, "Client Key");
    const withoutProof = `c=biws,r=${nonce}`;
    const authMessage = `${this.#firstBare},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash("sha256").update(clientKey).digest(), authMessage);
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!));
    this.#serverSignature = hmac(hmac(salted, "Server Key"), authMessage);
    return `${withoutProof},p=${proof.toString("base64")}`;
  }

  /** @throws {Error} unless the server proved that it knows the password's verifier. */
  verify(serverFinal: string): void {
    const got = Buffer.from(parse(serverFinal)["v"] ?? "", "base64");
    const want = this.#serverSignature;
    if (want === null || got.length !== want.length || !timingSafeEqual(got, want)) {
      throw new Error(`The server's SCRAM signature is wrong: ${serverFinal}`);
    }
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function parse(message: string): Record<string, string> {
  return Object.fromEntries(message.split(",").map((part) => [part[0] ?? "", part.slice(2)]));
}
