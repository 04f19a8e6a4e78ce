import { aliasFor, type Config, type PoolSettings } from "../config/mod.ts";
import { SharedLimit } from "../pool/mod.ts";
import type { DestinationKey } from "./destination_key.ts";

/**
 * `max_db_connections` and `max_user_connections`: they count server connections of several destinations, at all nodes together.
 * Pure.
 */
export class SharedLimits {
  readonly #databases = new Map<string, SharedLimit>();
  readonly #users = new Map<string, SharedLimit>();

  /** Those in which the connections of a destination count, with these settings of its own. */
  of(config: Config, key: DestinationKey, settings: PoolSettings): readonly SharedLimit[] {
    return [
      limitOf(this.#databases, entryOf(key), settings.max_db_connections),
      limitOf(this.#users, userScope(config, key), settings.max_user_connections),
    ];
  }

  /** Forgets those of which nothing is used, and that none of the destinations with these keys has. */
  forgetUnused(config: Config, keys: Iterable<DestinationKey>): void {
    const entries = new Set<string>();
    const users = new Set<string>();
    for (const key of keys) {
      entries.add(entryOf(key));
      users.add(userScope(config, key));
    }
    for (const [limits, needed] of [[this.#databases, entries], [this.#users, users]] as const) {
      for (const [name, { used }] of limits) if (used === 0 && !needed.has(name)) limits.delete(name);
    }
  }
}

function limitOf(limits: Map<string, SharedLimit>, name: string, max: number): SharedLimit {
  let found = limits.get(name);
  if (found === undefined) limits.set(name, found = new SharedLimit(max));
  found.max = max;
  return found;
}

/** Under what the connections of one name that clients give are counted: two that lead to one database are two. */
function entryOf({ cluster, database, alias }: DestinationKey): string {
  return JSON.stringify([cluster, database, alias]);
}

/** Among which a user's connections count: an alias that sets the limit itself counts its own, unless the user has one. */
function userScope(config: Config, { cluster, user, alias }: DestinationKey): string {
  const own = config.users.get(user)?.max_user_connections !== undefined;
  const setsIt = !own && alias !== null && aliasFor(config, alias)?.max_user_connections !== undefined;
  return JSON.stringify([cluster, user, setsIt ? alias : null]);
}
