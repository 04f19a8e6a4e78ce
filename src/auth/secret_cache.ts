import { Lru } from "./lru.ts";
import { mockSalt } from "./mock.ts";
import { SCRAM_ITERATIONS_DEFAULT } from "./scram_keys.ts";
import { buildScramSecret, type ScramSecret, type Secret } from "./secret.ts";

/**
 * The SCRAM secrets of users whose password is plain in the configuration, derived once a process and user. One instance a
 * process, handed to each {@link ClientAuthenticator}. A changed password is noticed and derived again.
 *
 * Salts come from {@link mockSalt}, so `instanceKey` must be the key that unknown users are mocked with. A first login
 * that has to derive takes 3 ms longer than one of an unknown user; {@link SecretCache.warm} removes that.
 */
export class SecretCache {
  readonly #instanceKey: Uint8Array;
  readonly #usersMax: number;
  readonly #secrets: Lru<{ password: string; secret: ScramSecret }>;

  constructor(options: { readonly instanceKey: Uint8Array; readonly usersMax?: number }) {
    this.#instanceKey = options.instanceKey;
    this.#usersMax = options.usersMax ?? 10_000;
    this.#secrets = new Lru(this.#usersMax);
  }

  get size(): number {
    return this.#secrets.size;
  }

  /** The SCRAM secret of `user`, whose password is `password`. Costs PBKDF2 the first time. */
  scramSecret(user: string, password: string): ScramSecret {
    const known = this.#secrets.get(user);
    if (known?.password === password) return known.secret;
    const salting = { salt: mockSalt(user, this.#instanceKey), iterations: SCRAM_ITERATIONS_DEFAULT };
    const secret = buildScramSecret(password, salting);
    this.#secrets.set(user, { password, secret });
    return secret;
  }

  /**
   * Derives ahead what `users` will need, at most `derivationsMax` of it, and returns how many it derived: 0 means that
   * nothing is left. Called in slices after start and reload, so that nobody waits.
   */
  warm(users: Iterable<readonly [string, Secret]>, derivationsMax: number): number {
    let derived = 0;
    let plain = 0;
    for (const [user, secret] of users) {
      if (secret.kind !== "plain") continue;
      // Past its bound the cache would forget at one end what is derived at the other, and never be warm.
      if (derived >= derivationsMax || plain++ >= this.#usersMax) break;
      if (this.#secrets.get(user)?.password === secret.password) continue;
      this.scramSecret(user, secret.password);
      derived++;
    }
    return derived;
  }
}
