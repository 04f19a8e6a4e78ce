import { PgplexError } from "../../kernel/mod.ts";
import { Args } from "./args.ts";
import type { Command, CommandIndex, Invocation } from "./command.ts";
import { keywordOf, type Statement, type Token } from "./lexer.ts";

const SHOW: Token = { kind: "name", parts: [{ text: "SHOW", quoted: false }], at: 0 };

/** Every command that the console knows. */
export class Commands implements CommandIndex {
  /** Those with more words first. */
  readonly #commands: readonly Command[];

  constructor(commands: readonly Command[]) {
    this.#commands = commands.toSorted((a, b) => b.words.length - a.words.length);
  }

  /** In the order of their words. */
  all(): readonly Command[] {
    return this.#commands.toSorted((a, b) => a.words.join(" ") < b.words.join(" ") ? -1 : 1);
  }

  /** The command with the most words that the statement begins with. @throws PgplexError `syntax_error` */
  find(statement: Statement): Invocation {
    const { tokens, text } = statement;
    const command = this.#commands.find(({ words }) =>
      words.every((word, index) => keywordOf(tokens[index]) === word)
    );
    if (command === undefined) {
      // PgBouncer's message; only the words at the start are shown, as the rest may contain a secret.
      const shown = /^[\w ]{0,60}/.exec(text)![0].trim();
      throw new PgplexError("syntax_error", `invalid command '${shown}', use SHOW HELP;`);
    }
    const rest = tokens.slice(command.words.length);
    return { command, statement, args: (params = []) => new Args(rest, params) };
  }

  /** The SHOW command for the tokens after the word SHOW. */
  findShow(rest: readonly Token[]): Invocation {
    return this.find({ tokens: [SHOW, ...rest], text: "SHOW" });
  }
}
