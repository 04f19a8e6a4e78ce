import type { Answer } from "../answer/mod.ts";
import type { Commands, Invocation, ParamValue } from "../command/mod.ts";
import type { Directed } from "./directives.ts";

/** What the dialogue needs from its owner. */
export interface DialoguePort {
  readonly commands: Commands;
  /** What the directives at the head of a text say. @throws PgplexError where they must be right and are not */
  directed(text: string): Directed;
  /** Directives for the transaction and for the session take effect. */
  apply(directed: Directed): void;
  /** Runs a command under its text's directives. @throws PgplexError also where the client may not run it */
  run(invocation: Invocation, params: readonly ParamValue[], directed: Directed): Answer | Promise<Answer>;
  /** Whether the client has said BEGIN. */
  inTransaction(): boolean;
  send(message: Uint8Array): void;
  /**
   * Called between statements and between rows: waits while the client has not read what was sent, or other work waits for
   * its turn; null where there is no need to wait.
   *
   * @throws PgplexError why the rest of the answer is not wanted any more
   */
  pace(): Promise<void> | null;
  /** Something was thrown that is no PgplexError, a defect of pgplex; the client is told of an internal error. */
  defect(thrown: unknown): void;
}
