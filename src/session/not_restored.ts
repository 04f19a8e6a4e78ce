import type { ServerConnection } from "../backend/mod.ts";
import type { PgplexError } from "../kernel/mod.ts";
import { settingsLost } from "../lease/mod.ts";
import { QUERY_CANCELED } from "../protocol/mod.ts";
import type { ToldSettings } from "../relay/mod.ts";

/**
 * The connection was given up as what went in front of the client's message failed there, which was not run then.
 *
 * @returns what the client hears; `error` where that is not so. Of a setting that the server does not take, with the session going on
 * without it, or with what it was before.
 */
export function notRestored(
  server: Pick<ServerConnection, "ahead"> | null,
  told: Pick<ToldSettings, "current" | "loses">,
  error: PgplexError,
): PgplexError {
  const name = server?.ahead?.next ?? null;
  if (error.code !== "restore_failed" || error.sqlstate === QUERY_CANCELED) return error;
  if (name === null || told.current === null) return error;
  return settingsLost([{ name, error }], told.loses(name) ? [name] : []);
}
