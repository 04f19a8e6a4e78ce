/**
 * One client: how it logs in, what it believes its session to be, and the relay between it and the server connection that
 * it has leased for the moment.
 *
 * Decisions are in the synchronous machines (`relay.ts`, `client_scan.ts`, `extended_query.ts`, `server_scan.ts`); `session.ts` drives them.
 *
 * @module
 */
export * from "./cancel_keys.ts";
export * from "./databases.ts";
export * from "./fingerprints.ts";
export * from "./pool_control.ts";
export * from "./console_door.ts";
export * from "./directives.ts";
export * from "./listeners.ts";
export * from "./login_deadlines.ts";
export * from "./replication.ts";
export type { PoolKey, ServerPool } from "./server_pool.ts";
export * from "./server_pools.ts";
export * from "./session.ts";
export * from "./session_description.ts";
export { OPTION_PREFIX, SessionOptions } from "./session_options.ts";
export * from "./startup.ts";
export { startupOptions } from "./startup_options.ts";
export * from "./worker.ts";
