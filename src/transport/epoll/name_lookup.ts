/** Names that are asked for at the same time. The runtime has 32 threads for calls that wait, and the poller needs one. */
const LOOKUPS_MAX = 8;

/** Brings the IP addresses of a name in the system's order. @throws Error when the name is unknown */
export type Resolve = (name: string) => Promise<readonly string[]>;

/**
 * Asks for the addresses of names: few at a time, and each name once for all who want it now.
 *
 * A resolver that does not answer holds its thread for many seconds. Were there as many as the runtime has threads, nobody
 * could wait for sockets any more.
 *
 * Invariant: a name waits only while {@link LOOKUPS_MAX} others are asked for.
 */
export class NameLookup {
  readonly #resolve: Resolve;
  readonly #wanted = new Map<string, Promise<readonly string[]>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  /** What `resolve` brings for `name`. @throws Error what `resolve` rejects with */
  addressesOf(name: string): Promise<readonly string[]> {
    const wanted = this.#wanted.get(name);
    if (wanted !== undefined) return wanted;
    const asked = this.#ask(name).finally(() => this.#wanted.delete(name));
    this.#wanted.set(name, asked);
    return asked;
  }

  async #ask(name: string): Promise<readonly string[]> {
    if (this.#running === LOOKUPS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await this.#resolve(name);
    } finally {
      // Whoever is next takes over the place.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
