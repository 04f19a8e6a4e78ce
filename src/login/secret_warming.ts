import type { SecretCache, UserDirectory } from "../auth/mod.ts";
import type { Runtime } from "../backend/mod.ts";

/** Secrets that are derived from passwords in one turn: each costs milliseconds. */
const WARM_PER_TURN = 2;

/** Derives the configured users' secrets ahead of their first use, without keeping anybody waiting. */
export class SecretWarming {
  readonly #users: UserDirectory;
  readonly #cache: SecretCache;
  readonly #turn: Runtime["turn"];
  #working = false;
  #stopped = false;

  constructor(users: UserDirectory, cache: SecretCache, { turn }: Pick<Runtime, "turn">) {
    this.#users = users;
    this.#cache = cache;
    this.#turn = turn;
  }

  /** Derives what is missing, unless that is under way already. Never rejects. */
  async begin(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    while (!this.#stopped && this.#cache.warm(this.#users.entries(), WARM_PER_TURN) > 0) await this.#turn();
    this.#working = false;
  }

  stop(): void {
    this.#stopped = true;
  }
}
