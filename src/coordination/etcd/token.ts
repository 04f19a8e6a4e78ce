import type { EtcdCredentials } from "./options.ts";
import type { Reply } from "./reply.ts";

/** How {@link Token} asks. */
export interface TokenParts {
  readonly authenticate: (request: object, untilMs: number) => Promise<Reply<{ readonly token: string }>>;
}

/** What etcd says where a user is given and nobody is asked for one; its own client goes on without a token then, too. */
const NOT_ENABLED = /authentication is not enabled/;

/**
 * The token of a user at one member, which each member numbers and forgets in its own time: had by the password when it is first needed, and
 * anew when the member does not know it any more.
 */
export class Token {
  readonly #credentials: EtcdCredentials;
  readonly #parts: TokenParts;
  #known: string | null = null;
  #asking: Promise<Reply<string>> | null = null;

  constructor(credentials: EtcdCredentials, parts: TokenParts) {
    this.#credentials = credentials;
    this.#parts = parts;
  }

  /** The token; empty where etcd asks nobody. Who comes while it is being asked for gets the same answer. */
  async get(untilMs: number): Promise<Reply<string>> {
    if (this.#known !== null) return { kind: "answered", value: this.#known };
    this.#asking ??= this.#ask(untilMs);
    return await this.#asking;
  }

  /** `token` is of no use any more. */
  drop(token: string): void {
    if (this.#known === token) this.#known = null;
  }

  async #ask(untilMs: number): Promise<Reply<string>> {
    const { user, password } = this.#credentials;
    try {
      const reply = await this.#parts.authenticate({ name: user, password: password.reveal() }, untilMs);
      if (reply.kind === "answered") return this.#keep(reply.value.token);
      if (reply.kind === "refused" && NOT_ENABLED.test(reply.reason)) return this.#keep("");
      // Whatever the caller wanted was not sent.
      return reply.kind === "lost" ? { kind: "unsent", reason: `logging in: ${reply.reason}` } : reply;
    } finally {
      this.#asking = null;
    }
  }

  #keep(token: string): Reply<string> {
    this.#known = token;
    return { kind: "answered", value: token };
  }
}
