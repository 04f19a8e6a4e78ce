import { PgplexError } from "../../kernel/mod.ts";
import { keywordOf, type Token } from "./lexer.ts";

/** A bound parameter's value; null is SQL's NULL. */
export type ParamValue = string | null;

/** The tokens after a command's words. A parameter is replaced by its value when it is asked for. */
export class Args {
  readonly tokens: readonly Token[];
  /** The values from Bind for `$1`, `$2`, …; empty where nothing is bound yet. */
  readonly params: readonly ParamValue[];

  constructor(tokens: readonly Token[], params: readonly ParamValue[] = []) {
    this.tokens = tokens;
    this.params = params;
  }

  get count(): number {
    return this.tokens.length;
  }

  /** The keyword at `index`, in upper case; null where there is none. */
  keyword(index: number): string | null {
    return keywordOf(this.tokens[index]);
  }

  /**
   * The value at `index` as text: `app.x@main`, `"app.x@main"`, `'app.x@main'` and a `$1` bound to it are all the same.
   *
   * @throws PgplexError `syntax_error` where there is no value; `invalid_parameter_value` for a NULL or missing parameter
   */
  text(index: number): string {
    const token = this.tokens[index];
    if (token === undefined) throw new PgplexError("syntax_error", "syntax error at end of input");
    switch (token.kind) {
      case "name":
        return token.parts.map(({ text }) => text).join(".");
      case "string":
        return token.text;
      case "param":
        return this.param(token.index);
      case "mark":
        throw syntaxErrorAt(token);
    }
  }

  /** The value bound to `$index`, from 1. @throws PgplexError `invalid_parameter_value` */
  param(index: number): string {
    const value = this.params[index - 1];
    if (value === undefined) {
      throw new PgplexError("undefined_object", `there is no parameter $${index}`, { sqlstate: "42P02" });
    }
    if (value === null) {
      throw new PgplexError("invalid_parameter_value", `parameter $${index} must not be null`, {
        sqlstate: "22004",
      });
    }
    return value;
  }

  /** All values, from `min` to `max` of them, commas between them or not. @throws PgplexError `syntax_error` */
  texts(min: number, max: number): string[] {
    const values = this.tokens.flatMap((token, index) =>
      token.kind === "mark" && token.text === "," ? [] : [this.text(index)]
    );
    if (values.length < min) throw new PgplexError("syntax_error", "syntax error at end of input");
    if (values.length > max) throw syntaxErrorAt(this.tokens[max]!);
    return values;
  }

  /** @throws PgplexError `syntax_error` when there are any tokens */
  none(): void {
    const [first] = this.tokens;
    if (first !== undefined) throw syntaxErrorAt(first);
  }

  /** The tokens after the first `count`. */
  rest(count: number): Args {
    return new Args(this.tokens.slice(count), this.params);
  }
}

/** PostgreSQL's syntax error for a token in the wrong place. */
export function syntaxErrorAt(token: Token): PgplexError {
  return new PgplexError("syntax_error", `syntax error at or near "${shown(token)}"`);
}

function shown(token: Token): string {
  switch (token.kind) {
    case "name":
      return token.parts.map(({ text, quoted }) => quoted ? `"${text}"` : text).join(".");
    case "string":
      return "'…'"; // it may be a password
    case "param":
      return `$${token.index}`;
    case "mark":
      return token.text;
  }
}
