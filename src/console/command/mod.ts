/**
 * The command language: a text becomes statements of tokens (`lexer.ts`), a statement becomes a command with its arguments
 * (`commands.ts`, `args.ts`), and a command is run with a context (`command.ts`) by whoever may (`access.ts`).
 *
 * There is no SQL parser: a statement is words, paths and values. The commands themselves are in the folders above.
 *
 * @module
 */
export * from "./access.ts";
export * from "./args.ts";
export * from "./asker.ts";
export * from "./command.ts";
export * from "./commands.ts";
export * from "./lexer.ts";
export * from "./show_command.ts";
