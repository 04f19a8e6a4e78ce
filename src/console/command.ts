import type { PgplexError } from "../kernel/mod.ts";
import type { Args } from "./args.ts";
import type { ConsoleParts } from "./parts.ts";
import type { Column, Table } from "./table.ts";

/** What a client is told beside an answer. */
export interface Notice {
  readonly severity: "NOTICE" | "WARNING";
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  /** 00000 for a NOTICE and 01000 for a WARNING unless given. */
  readonly sqlstate?: string;
}

/** The answer of a command that returns no rows. */
export interface Done {
  /** The command tag; the command's first word unless given. */
  readonly tag?: string;
  readonly notices?: readonly Notice[];
}

/** What a command answers: rows, or that it is done. A table may come with notices too. */
export type Answer = Done | (Table & Done);

/** The client's own part of a command: who asks, and what only its connection has. */
export interface Asker {
  /** The id that SHOW CLIENTS and KILL_CLIENT know it by. */
  readonly id: number;
  readonly user: string;
  /** Whether it is one of `console.admin_users`. */
  readonly admin: boolean;
  /** Settings of this console connection that drivers set and ask for; see `driver_settings.ts`. */
  readonly driverSettings: Map<string, string>;
  /** The application_name of the connection string, to which RESET goes back. */
  readonly startupName: string;
  /** Whether the client has said BEGIN. */
  inTransaction: boolean;
  /** Sends a ParameterStatus before the answer. */
  report(name: string, value: string): void;
  /** Closes prepared statements: the named one, or all. */
  deallocate(name: string | null): void;
}

/** What a command works with. */
export interface CommandContext extends ConsoleParts {
  readonly asker: Asker;
  /** Aborted when the client is gone or has cancelled, with a {@link PgplexError} as its reason: whoever waits, stops. */
  readonly signal: AbortSignal;
}

/**
 * One command of the console. A statement belongs to the command with the most words that it begins with; what stands
 * behind them are its {@link Args}. Words are given in upper case and compared without regard to case.
 */
export interface Command {
  readonly words: readonly string[];
  /** `stats` for whoever may look, `admin` for who may change. */
  readonly access: "stats" | "admin";
  /** How its arguments are written, for SHOW HELP: `[db]`. */
  readonly usage?: string;
  /**
   * What it returns before its parameters are known: needed by commands with an effect that return rows, and by those that
   * take a `$1`. Any other SHOW is run to be described.
   */
  readonly columns?: readonly Column[] | ((args: Args) => readonly Column[]);
  /**
   * Runs it; a command that waits returns a promise, and heeds the context's signal.
   *
   * @throws PgplexError for the client
   */
  readonly run: (args: Args, context: CommandContext) => Answer | Promise<Answer>;
}

/** Whether an answer has rows. */
export function isTable(answer: Answer): answer is Table & Done {
  return "columns" in answer;
}

/** The reason of an aborted signal, as commands throw it. */
export function abortReason(signal: AbortSignal): PgplexError {
  return signal.reason as PgplexError;
}
