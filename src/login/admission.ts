import { PgplexError } from "../kernel/mod.ts";
import type { Route } from "../routing/mod.ts";
import { databaseNameOf } from "../servers/mod.ts";
import type { LoginParts } from "./login_parts.ts";

/** Whether one more client may come in. @throws PgplexError `too_many_clients` */
export function checkRoom({ sessions, replications, config: { listen } }: LoginParts): void {
  if (sessions.size + replications.size < listen.max_client_conn) return;
  throw new PgplexError("too_many_clients", "sorry, too many clients already", {
    detail: `max_client_conn is ${listen.max_client_conn}.`,
  });
}

/** Whether an operator lets new clients into the database. @throws PgplexError `database_disabled` */
export function checkEnabled({ config, pools }: LoginParts, route: Route, asked: string): void {
  if (!pools.control.isDisabled(databaseNameOf(config, route))) return;
  throw new PgplexError("database_disabled", `database "${asked}" is not currently accepting connections`, {
    hint: "It was disabled in pgplex's console; ENABLE lets clients in again.",
  });
}
