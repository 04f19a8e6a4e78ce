/**
 * From a connection's first byte to a session: TLS, startup packet, authentication, and where it goes then: a session, a
 * replication connection, the console, or a cancel request.
 *
 * Called by `listener/`. It makes a {@link Session} and starts it, and keeps nothing of the login behind.
 *
 * @module
 */
export { AccessRules } from "./access_rules.ts";
export * from "./cancel_relay.ts";
export { checkConsoleShare } from "./admission.ts";
export { serveClient } from "./client_login.ts";
export * from "./console_door.ts";
export { keptPools } from "./kept_pools.ts";
export * from "./login_deadlines.ts";
export * from "./login_parts.ts";
export * from "./replication_client.ts";
export * from "./secret_warming.ts";
