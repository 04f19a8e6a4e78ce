/**
 * PgBouncer's commands: its SHOW tables with its columns first, and PAUSE, RESUME, RECONNECT, KILL and the like
 * (`operations.ts`). Each table is in a file of its own; `commands.ts` lists the commands.
 *
 * @module
 */
export * from "./commands.ts";
export * from "./operations.ts";
export * from "./show_databases.ts";
export * from "./show_pools.ts";
export * from "./show_state.ts";
export * from "./show_stats.ts";
