/**
 * One connection to the console. `client.ts` drives the socket; decisions are made in machines without one: `dialogue.ts` and
 * `extended_query.ts` answer messages, `command_runner.ts` runs commands, `directives.ts` has the connection's options.
 *
 * Called by `console.ts`.
 *
 * @module
 */
export * from "./client.ts";
