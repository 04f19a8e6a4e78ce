import { parseSecret, type Secret } from "./secret.ts";

/** The users that pgplex knows from its configuration. Names are exact: case and spaces count, as in PostgreSQL. */
export class UserDirectory {
  #users: ReadonlyMap<string, Secret>;

  constructor(users: ReadonlyMap<string, Secret> = new Map()) {
    this.#users = users;
  }

  /** A directory from names and secrets as they stand in files; of two lines with one name the last one counts. */
  static parse(lines: Iterable<readonly [name: string, secret: string]>): UserDirectory {
    const users = new Map<string, Secret>();
    for (const [name, text] of lines) users.set(name, parseSecret(text));
    return new UserDirectory(users);
  }

  get size(): number {
    return this.#users.size;
  }

  /** The secret of a user, or null for a user that is not known. */
  lookup(name: string): Secret | null {
    return this.#users.get(name) ?? null;
  }

  /** All users in the order of the configuration. */
  entries(): Iterable<readonly [string, Secret]> {
    return this.#users.entries();
  }

  /** Puts another set of users in the place of this one, all at once: a reload. */
  replace(users: ReadonlyMap<string, Secret>): void {
    this.#users = users;
  }
}
