import type { Settings } from "../backend/mod.ts";
import { concat } from "../kernel/mod.ts";
import { encodeParameterStatus } from "../protocol/mod.ts";
import { type Base, NO_PARAMS } from "./server_wish.ts";

/** Greetings kept: one for each combination of startup parameters. */
const GREETINGS_MAX = 1000;

/** What servers reported to logins with the same startup parameters, from which clients are greeted before they have a server. */
export class Greetings {
  readonly #settings = new Map<string, Settings>();
  readonly #bases = new Map<string, Base>();
  readonly #notices = new Map<string, Uint8Array>();
  readonly #encoded = new WeakMap<Settings, Uint8Array>();
  #lastBase: Base = NO_PARAMS;

  /** What a server reports to a client that connects with these startup parameters, if it is known. */
  of(base: Base): Settings | null {
    return this.#settings.get(base.key) ?? null;
  }

  /** The ParameterStatus messages of a greeting, made once for all sessions that are greeted alike. */
  encoded(settings: Settings): Uint8Array {
    let bytes = this.#encoded.get(settings);
    if (bytes === undefined) {
      bytes = concat(...[...settings.values].map(([name, value]) => encodeParameterStatus(name, value)));
      this.#encoded.set(settings, bytes);
    }
    return bytes;
  }

  /** What a server said besides to a client that connects with these startup parameters: NoticeResponse messages. */
  noticesOf(base: Base): Uint8Array {
    return this.#notices.get(base.key) ?? NONE;
  }

  /** The same base as one object for all sessions that have it, where it is known. */
  intern(base: Base): Base {
    return this.#bases.get(base.key) ?? base;
  }

  /** A server has just reported these settings to a login. */
  learn(base: Base, settings: Settings, notices: Uint8Array = NONE): void {
    if (notices.length > 0) this.#notices.set(base.key, notices);
    else this.#notices.delete(base.key);
    this.#settings.delete(base.key);
    this.#settings.set(base.key, settings);
    this.#bases.set(base.key, base);
    this.#lastBase = base;
    if (this.#settings.size <= GREETINGS_MAX) return;
    for (const oldest of this.#settings.keys()) {
      this.#settings.delete(oldest);
      this.#bases.delete(oldest);
      this.#notices.delete(oldest);
      return;
    }
  }

  /** The startup parameters for a connection that nobody in particular asked for. */
  get usualBase(): Base {
    return this.#lastBase;
  }
}

const NONE = new Uint8Array(0);
