import { credentialsOf, parseSecret, type ServerCredentials } from "../auth/mod.ts";
import { aliasFor } from "../config/mod.ts";
import type { Route } from "../routing/mod.ts";
import type { Authenticated } from "./authentication.ts";
import type { LoginParts } from "./login_parts.ts";

/** As whom a client is at the server. */
export interface Account {
  readonly user: string;
  readonly credentials: ServerCredentials;
}

/** A client's account at the server: its own, unless the alias by which it came has one for all. */
export function accountFor(
  { config, users }: Pick<LoginParts, "config" | "users">,
  { alias }: Pick<Route, "alias">,
  client: Pick<Authenticated, "user" | "credentials">,
): Account {
  const forced = alias === null ? null : aliasFor(config, alias);
  if (forced?.user === undefined) return { user: client.user, credentials: client.credentials };
  const secret = forced.password == null ? users.lookup(forced.user) : parseSecret(forced.password.reveal());
  return { user: forced.user, credentials: credentialsOf(secret) };
}
