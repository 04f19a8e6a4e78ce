import { PgplexError } from "../../kernel/mod.ts";

/** One step of a name: `"main-1"` and `main-1` are the same, but a quoted one is never a keyword. */
export interface NamePart {
  readonly text: string;
  readonly quoted: boolean;
}

/**
 * One token of a console statement. `at` is where it begins, in UTF-16 units from 0.
 *
 * - `name`: parts joined by dots without white space between them; a number, a duration and a host are names too.
 * - `string`: `'text'`, a quote in it doubled.
 * - `param`: `$1`, a value that Bind gives.
 * - `mark`: one of `= , ( )`.
 */
export type Token =
  | { readonly kind: "name"; readonly parts: readonly NamePart[]; readonly at: number }
  | { readonly kind: "string"; readonly text: string; readonly at: number }
  | { readonly kind: "param"; readonly index: number; readonly at: number }
  | { readonly kind: "mark"; readonly text: string; readonly at: number };

/** One statement: the text between two semicolons. */
export interface Statement {
  readonly tokens: readonly Token[];
  /** As it was typed, without the white space around it and without comments in front. */
  readonly text: string;
}

/** Parameters that one statement may have. */
const PARAMS_MAX = 100;

/** The characters that end an unquoted part of a name. */
const BARE_END = /[\s.=,();'"]/;

/**
 * Splits a console's text into statements; empty ones are left out. Comments (`--` to the end of the line, and nested
 * slash-star ones) are white space.
 *
 * @throws PgplexError `syntax_error` where a quote or a comment is not closed
 */
export function lexStatements(text: string): Statement[] {
  return new Lexer(text).statements();
}

class Lexer {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  statements(): Statement[] {
    const statements: Statement[] = [];
    let tokens: Token[] = [];
    let end = 0;
    const finish = () => {
      const first = tokens[0];
      if (first !== undefined) statements.push({ tokens, text: this.#text.slice(first.at, end) });
      tokens = [];
    };
    for (;;) {
      this.#skipSpace();
      if (this.#at >= this.#text.length) break;
      if (this.#text[this.#at] === ";") {
        finish();
        this.#at++;
        continue;
      }
      tokens.push(this.#token());
      end = this.#at;
    }
    finish();
    return statements;
  }

  /** Passes white space and comments. */
  #skipSpace(): void {
    for (;;) {
      const two = this.#text.slice(this.#at, this.#at + 2);
      if (two === "--") {
        const newline = this.#text.indexOf("\n", this.#at);
        this.#at = newline < 0 ? this.#text.length : newline;
      } else if (two === "/*") this.#skipBlockComment();
      else if (/\s/.test(two[0] ?? "")) this.#at++;
      else return;
    }
  }

  #skipBlockComment(): void {
    const start = this.#at;
    let depth = 0;
    do {
      const two = this.#text.slice(this.#at, this.#at + 2);
      if (two === "") throw this.#error("unterminated /* comment", start);
      depth += two === "/*" ? 1 : two === "*/" ? -1 : 0;
      this.#at += two === "/*" || two === "*/" ? 2 : 1;
    } while (depth > 0);
  }

  #token(): Token {
    const at = this.#at;
    const first = this.#text[at]!;
    if (first === "'") return { kind: "string", text: this.#quoted("'", "unterminated quoted string"), at };
    if ("=,()".includes(first)) {
      this.#at++;
      return { kind: "mark", text: first, at };
    }
    const param = /^\$(\d{1,5})(?![^\s=,();'"])/.exec(this.#text.slice(at, at + 8));
    if (param !== null) {
      const index = Number(param[1]);
      if (index < 1 || index > PARAMS_MAX) throw this.#error(`there is no parameter $${param[1]}`, at);
      this.#at += param[0].length;
      return { kind: "param", index, at };
    }
    return { kind: "name", parts: this.#parts(), at };
  }

  #parts(): NamePart[] {
    const parts: NamePart[] = [];
    for (;;) {
      if (this.#text[this.#at] === '"') {
        const start = this.#at;
        const text = this.#quoted('"', "unterminated quoted identifier");
        if (text === "") throw this.#error("zero-length delimited identifier", start);
        parts.push({ text, quoted: true });
      } else {
        const start = this.#at;
        // Two hyphens begin a comment also right behind a word, as in SQL.
        while (
          this.#at < this.#text.length && !BARE_END.test(this.#text[this.#at]!) &&
          !this.#text.startsWith("--", this.#at) && !this.#text.startsWith("/*", this.#at)
        ) this.#at++;
        if (this.#at === start) throw this.#error("a name is missing beside a dot", start);
        parts.push({ text: this.#text.slice(start, this.#at), quoted: false });
      }
      if (this.#text[this.#at] !== ".") break;
      this.#at++;
    }
    return this.#withoutParams(parts);
  }

  /** A parameter stands for a value. */
  #withoutParams(parts: NamePart[]): NamePart[] {
    const param = parts.find(({ text, quoted }) => !quoted && /^\$\d+$/.test(text));
    if (param === undefined) return parts;
    throw new PgplexError("syntax_error", `syntax error at or near "${param.text}"`, {
      hint: "A parameter stands for a value, not for a name of a path.",
    });
  }

  #quoted(quote: string, unterminated: string): string {
    const start = this.#at;
    let text = "";
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const unit = this.#text[this.#at]!;
      if (unit !== quote) text += unit;
      else if (this.#text[this.#at + 1] === quote) {
        text += quote;
        this.#at++;
      } else {
        this.#at++;
        return text;
      }
    }
    throw this.#error(unterminated, start);
  }

  #error(message: string, at: number): PgplexError {
    return new PgplexError("syntax_error", `${message} at character ${at + 1}`);
  }
}

/** The keyword that a token is, in upper case: a single bare part; else null. */
export function keywordOf(token: Token | undefined): string | null {
  if (token?.kind !== "name" || token.parts.length !== 1 || token.parts[0]!.quoted) return null;
  return token.parts[0]!.text.toUpperCase();
}

/** The highest `$n` in a statement; 0 without any. */
export function paramCount({ tokens }: Statement): number {
  return Math.max(0, ...tokens.map((token) => token.kind === "param" ? token.index : 0));
}
