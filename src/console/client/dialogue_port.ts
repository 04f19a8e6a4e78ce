import type { Answer } from "../answer/mod.ts";
import type { Commands, Invocation, ParamValue } from "../command/mod.ts";
import type { Directed } from "./directives.ts";

/** What the dialogue asks of its surroundings. */
export interface DialoguePort {
  readonly commands: Commands;
  /** What the directives at the head of a text say. @throws PgplexError where they must be right and are not */
  directed(text: string): Directed;
  /** Directives for the transaction and for the session take effect. */
  apply(directed: Directed): void;
  /** Runs a command under its text's directives, or says why the client may not. */
  run(invocation: Invocation, params: readonly ParamValue[], directed: Directed): Answer | Promise<Answer>;
  /** Whether the client has said BEGIN. */
  inTransaction(): boolean;
  send(message: Uint8Array): void;
  /**
   * Called between statements and among rows: waits while the client is behind with reading what was sent, or others wait for
   * their turn; null where there is no need.
   *
   * @throws PgplexError why the rest is not wanted any more
   */
  pace(): Promise<void> | null;
  /** A defect of pgplex came to light; the client hears of an internal error. */
  defect(thrown: unknown): void;
}
