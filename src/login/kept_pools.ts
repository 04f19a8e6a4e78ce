import { NO_CREDENTIALS, type ServerCredentials } from "../auth/mod.ts";
import { poolSetting, WILDCARD } from "../config/mod.ts";
import { routeDatabase } from "../routing/mod.ts";
import type { DestinationKey } from "../servers/mod.ts";
import { accountFor } from "./account.ts";
import type { LoginParts } from "./login_parts.ts";

/** A destination whose pool is kept at its minimum, and as whom it logs in. */
export interface KeptPool {
  readonly key: DestinationKey;
  readonly credentials: ServerCredentials;
}

/**
 * The destinations that are kept at `min_pool_size` though they have no client: those of aliases with one user for all clients, as in
 * PgBouncer. For others nobody knows who will come.
 */
export function keptPools(parts: Pick<LoginParts, "config" | "users">): KeptPool[] {
  const { config } = parts;
  const kept: KeptPool[] = [];
  for (const [alias, { user: forced }] of config.routing.databases) {
    if (alias === WILDCARD || forced === undefined) continue;
    const { cluster, database } = routeDatabase(config, alias);
    const { user, credentials } = accountFor(parts, { alias }, { user: forced, credentials: NO_CREDENTIALS });
    if (poolSetting(config, { cluster, alias, user }, "min_pool_size") === 0) continue;
    kept.push({ key: { cluster, database, user, alias, purpose: "clients" }, credentials });
  }
  return kept;
}
