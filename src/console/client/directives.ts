import type { PoolSettings } from "../../config/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import { headDirectives, type OptionChange, SessionOptions, startupOptions } from "../../options/mod.ts";
import { type BinaryString, sqlHead } from "../../protocol/mod.ts";
import { describeOptions } from "../../session/mod.ts";
import { type Cell, columns } from "../answer/mod.ts";
import { Args, type Command, type Invocation } from "../command/mod.ts";

/** What the directives at the head of a text of the console say. */
export interface Directed {
  /** WARNINGs for what is not followed. */
  readonly warnings: readonly PgplexError[];
  readonly statement: readonly OptionChange[];
  readonly transaction: readonly OptionChange[];
  readonly session: readonly OptionChange[];
  /** `show session` or `show options`, which stand alone. */
  readonly show: Invocation | null;
}

/** Rows of `show session`: name and value. */
type Describe = () => Cell[][];

/** No directive. */
export const UNDIRECTED: Directed = { warnings: [], statement: [], transaction: [], session: [], show: null };

/**
 * The options of one connection to the console, from its connection string and from directives: with the same names, values
 * and refusals as in any session. `pool` says what an operator allows. Only `query_timeout`, for commands that wait, and `tag`
 * have an effect; the others concern server connections, which the console does not have, and are only shown.
 */
export class ConsoleOptions {
  readonly values: SessionOptions;

  /** @throws PgplexError 42704, 42501 or 22023, as for any session */
  constructor(params: ReadonlyMap<string, BinaryString>, pool: PoolSettings) {
    this.values = new SessionOptions(startupOptions(params, pool.options_allowed).options);
  }

  /**
   * Reads the directives at the head of a text, without applying them.
   *
   * @throws PgplexError `invalid_directive` where `directives` is strict
   */
  read(text: string, pool: PoolSettings, describe: Describe): Directed {
    if (pool.directives === "off" || !text.includes("!pgplex")) return UNDIRECTED;
    const { directives, empty } = sqlHead(text);
    const { show, problems, statement, transaction, session } = headDirectives(directives, text, {
      allowed: pool.options_allowed,
      pins: false,
      alone: empty,
      refusal: () => null,
      decode: (piece) => piece,
    });
    if (problems.length > 0 && pool.directives === "strict") throw problems[0]!;
    return {
      statement,
      transaction,
      session,
      warnings: problems,
      show: show === null ? null : this.#show(show, pool, describe),
    };
  }

  #show(
    what: "session" | "options",
    pool: PoolSettings,
    describe: Describe,
  ): Invocation {
    const command: Command = {
      words: ["SHOW"],
      access: "stats",
      run: () =>
        what === "session" ? { columns: columns("name text, value text"), rows: describe() } : {
          columns: columns("name text, value text, source text, description text"),
          rows: describeOptions({ options: this.values, poolSettings: pool }),
        },
    };
    return { command, statement: { tokens: [], text: `--!pgplex show ${what}` }, args: () => new Args([]) };
  }

  /** Applies the directives for the transaction and the session; those for the statement are for {@link begins}. */
  apply({ transaction, session }: Directed): void {
    for (const { spec, value } of transaction) this.values.setForTransaction(spec.name, value);
    for (const { spec, value } of session) this.values.set(spec.name, value);
  }

  /** A statement begins. @returns how long it may run, in milliseconds; 0 is without limit */
  begins({ statement }: Directed, pool: PoolSettings): number {
    this.values.setForStatement(new Map(statement.map(({ spec, value }) => [spec.name, value])));
    // The pool's query_timeout is meant for statements that servers run.
    return this.values.settings({ ...pool, query_timeout: 0 }).query_timeout;
  }

  /** The statement has been answered: its options end, and the transaction's with the transaction. */
  ends(inTransaction: boolean): void {
    this.values.setForStatement(null);
    if (!inTransaction) this.values.transactionEnds();
  }
}
