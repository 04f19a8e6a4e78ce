/** More names are not kept: nothing is known of them. */
const NAMES_MAX = 500;

/**
 * Which custom settings (`app.tenant`) of one database are placeholders, as PostgreSQL calls those that no library has defined: anybody may
 * set one to any text, so SET of it cannot fail (add_placeholder_variable in guc.c). Only a look at a server tells. Pure.
 */
export class Placeholders {
  /** By name, whether it is one. A library that defines it may be loaded later, and then stays. */
  readonly #known = new Map<string, boolean>();
  /** Those that a server has taken from a SET: others may be no names to it (`app.user`). */
  readonly #set = new Set<string>();

  /** Whether a server has taken it from a SET, and no library has defined it on any connection that was looked at. */
  has(name: string): boolean {
    return this.#set.has(name) && this.#known.get(name) === true;
  }

  /** A server has taken it from a SET. */
  wasSet(name: string): void {
    if (this.#known.has(name)) this.#set.add(name);
  }

  /** Whether a look would tell for the first time. */
  wants(name: string): boolean {
    return !this.#known.has(name) && this.#known.size < NAMES_MAX;
  }

  /** A look found these settings set; `placeholders`: those of them that no library has defined there. */
  found(set: Iterable<string>, placeholders: readonly string[]): void {
    for (const name of placeholders) if (this.wants(name)) this.#known.set(name, true);
    for (const name of set) {
      if (name.includes(".") && !placeholders.includes(name)) this.#defined(name.toLowerCase());
    }
  }

  #defined(name: string): void {
    if (this.#known.has(name) || this.wants(name)) this.#known.set(name, false);
  }
}
