/**
 * The management database: everything that pgplex knows can be seen there, and everything that can change at run time can
 * be changed, over a PostgreSQL connection.
 *
 * Its folders, bottom up; each imports only those above it in this list, and only through their `mod.ts`
 * (`SUBLAYERS` in `tools/lint/layers.ts`):
 *
 * - `answer/` what a command answers: tables and notices
 * - `wire/` the messages of the protocol as bytes
 * - `parts/` what the console is handed of pgplex
 * - `command/` the command language: lexer, arguments, commands, access
 * - `drivers/` what drivers send about their own connection
 * - `pgbouncer/` PgBouncer's commands and tables
 * - `pgplex/` the tables that only pgplex has
 * - `tree/` everything as one tree: SHOW, SET and RESET of a path
 * - `client/` one connection
 *
 * `console.ts` puts them together and lets clients in. Login hands authenticated clients over through its `ConsoleDoor`;
 * no folder below this one knows the console.
 *
 * @module
 */
export type { Cell, Table } from "./answer/mod.ts";
export * from "./console.ts";
export type { ReloadReport, ShutdownMode } from "./parts/mod.ts";
