import { isPassword, type Secret, sha256 } from "../auth/mod.ts";
import type { AuthType } from "../config/mod.ts";

/** What a request is answered before anything is looked at. */
export type Verdict = "allowed" | "denied" | "busy";

/** Wrong passwords in a second that are looked at; more are turned away, as a SCRAM secret costs 3 ms of everybody's time. */
const WRONG_EACH_SECOND_MAX = 5;

/** Right passwords that are remembered, so that a scraper costs PBKDF2 once. */
const REMEMBERED_MAX = 32;

/** What it needs to know who may look. */
export interface AccessParts {
  readonly authType: () => AuthType;
  readonly mayLook: (user: string) => boolean;
  readonly secretOf: (user: string) => Secret | null;
  readonly nowMs: () => number;
}

/** Who may see what is not public: users of the console, by their password (RFC 7617). Pure. */
export class Access {
  readonly #parts: AccessParts;
  /** By the SHA-256 of the header. */
  readonly #right = new Map<string, Secret>();
  #wrong = 0;
  #sinceMs = -Infinity;

  constructor(parts: AccessParts) {
    this.#parts = parts;
  }

  /** Whether the header `Authorization` is a user's who may look. */
  check(authorization: string | null): Verdict {
    const given = authorization === null ? null : credentialsIn(authorization);
    if (given === null) return "denied";
    const { user, password } = given;
    const { mayLook, secretOf, authType } = this.#parts;
    if (!mayLook(user)) return this.#isWrong();
    // As the console does: who asks for no password gets none.
    if (authType() === "trust") return "allowed";
    const secret = secretOf(user);
    if (secret === null) return this.#isWrong();
    const key = sha256(new TextEncoder().encode(authorization!)).join();
    if (this.#right.get(key) === secret) return "allowed";
    if (this.#tooMany()) return "busy";
    if (!isPassword(secret, user, password)) return this.#isWrong();
    if (this.#right.size >= REMEMBERED_MAX) this.#right.clear();
    this.#right.set(key, secret);
    return "allowed";
  }

  #isWrong(): Verdict {
    if (this.#tooMany()) return "busy";
    this.#wrong++;
    return "denied";
  }

  #tooMany(): boolean {
    const nowMs = this.#parts.nowMs();
    if (nowMs - this.#sinceMs >= 1000) [this.#sinceMs, this.#wrong] = [nowMs, 0];
    return this.#wrong >= WRONG_EACH_SECOND_MAX;
  }
}

/** User and password of a header; null where it is none of Basic. */
function credentialsIn(authorization: string): { user: string; password: string } | null {
  const match = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(authorization);
  if (match === null) return null;
  try {
    const text = new TextDecoder().decode(Uint8Array.from(atob(match[1]!), (char) => char.charCodeAt(0)));
    const colon = text.indexOf(":");
    return colon <= 0 ? null : { user: text.slice(0, colon), password: text.slice(colon + 1) };
  } catch {
    return null;
  }
}
