/**
 * The management database: everything that pgplex knows can be seen there, and everything that can change at run time can
 * be changed, over a PostgreSQL connection.
 *
 * `lexer.ts`, `commands.ts`, `dialogue.ts` and what they use are pure: texts and messages in, answers out. `client.ts`
 * drives one connection, `console.ts` lets clients in. There is no SQL parser: a statement is words, paths and values.
 * `session/startup.ts` hands authenticated clients over through `ConsoleDoor`; nothing below this folder knows it.
 *
 * @module
 */
export * from "./console.ts";
export * from "./parts.ts";
export * from "./table.ts";
