import type { Answer, Column } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";
import type { Args, ParamValue } from "./args.ts";
import type { Asker } from "./asker.ts";
import type { Statement, Token } from "./lexer.ts";

/** What a command can use. */
export interface CommandContext extends ConsoleParts {
  readonly commands: CommandIndex;
  readonly asker: Asker;
  /** Aborted when the client is gone or has cancelled, with a PgplexError as its reason: a waiting command stops. */
  readonly signal: AbortSignal;
}

/**
 * One command of the console. A statement belongs to the command with the most words that it begins with; the tokens after
 * them are its {@link Args}. Words are given in upper case and compared without regard to case.
 */
export interface Command {
  readonly words: readonly string[];
  /** `stats`: for all users of the console; `admin`: for `console.admin_users` only. */
  readonly access: "stats" | "admin";
  /** What it does holds for all instances, whichever it is said to. */
  readonly isShared?: boolean;
  /** How its arguments are written, for SHOW HELP: `[db]`. */
  readonly usage?: string;
  /**
   * The columns before its parameters are known: needed by commands with an effect that return rows, and by those that
   * take a `$1`. Any other SHOW is run to be described.
   */
  readonly columns?: readonly Column[] | ((args: Args) => readonly Column[]);
  /**
   * Runs it; a command that waits returns a promise, and stops when the context's signal is aborted.
   *
   * @throws PgplexError for the client
   */
  readonly run: (args: Args, context: CommandContext) => Answer | Promise<Answer>;
}

/** A statement, and the command that it calls. */
export interface Invocation {
  readonly command: Command;
  readonly statement: Statement;
  /** The tokens after the command's words, with the values of the parameters. */
  args(params?: readonly ParamValue[]): Args;
}

/** All commands, for those that list or run others. */
export interface CommandIndex {
  /** In the order of their words. */
  all(): readonly Command[];
  /** The SHOW command for the tokens after the word SHOW. @throws PgplexError `syntax_error` */
  findShow(rest: readonly Token[]): Invocation;
}
