import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { PgplexError } from "../../kernel/mod.ts";
import { keywordOf, lexStatements, paramCount, type Token } from "./lexer.ts";

/** Tokens in short: names with dots, quoted parts in brackets, strings in quotes. */
function shortly(token: Token): string {
  switch (token.kind) {
    case "name":
      return token.parts.map(({ text, quoted }) => quoted ? `[${text}]` : text).join(".");
    case "string":
      return `'${token.text}'`;
    case "param":
      return `$${token.index}`;
    case "mark":
      return token.text;
  }
}

function lexed(text: string): string[] {
  return lexStatements(text).map(({ tokens }) => tokens.map(shortly).join(" "));
}

Deno.test("lexStatements splits statements at semicolons and leaves out empty ones", () => {
  deepEqual(lexed("SHOW POOLS; ; show version;"), ["SHOW POOLS", "show version"]);
  deepEqual(lexed(""), []);
  deepEqual(lexed(" ;; "), []);
  deepEqual(lexStatements("  SHOW  POOLS  ; PAUSE x").map(({ text }) => text), ["SHOW  POOLS", "PAUSE x"]);
});

Deno.test("lexStatements reads paths, quoted parts, strings, marks and parameters", () => {
  deepEqual(lexed('SHOW clusters.main.nodes."main.1".state'), ["SHOW clusters.main.nodes.[main.1].state"]);
  deepEqual(lexed("SET a.b='it''s',\"x\"\"y\" TO $12"), ["SET a.b = 'it's' , [x\"y] TO $12"]);
  deepEqual(lexed("KILL app@main"), ["KILL app@main"]);
  deepEqual(lexed("SET x = /var/run-1"), ["SET x = /var/run-1"]);
  deepEqual(lexed("SET x = 0.0.0.0"), ["SET x = 0.0.0.0"]);
  deepEqual(lexed("select version()"), ["select version ( )"]);
  deepEqual(lexed("SHOW a[0].b"), ["SHOW a[0].b"]);
  deepEqual(lexed("$1x $ x$1"), ["$1x $ x$1"]);
});

Deno.test("lexStatements passes comments, directives among them", () => {
  deepEqual(lexed("/* a /* b */ ; */ SHOW -- c ;\n x/* d */y --"), ["SHOW x y"]);
  deepEqual(lexed("a-b--c"), ["a-b"]);
  const [first] = lexStatements("--!pgplex intent=read \r\n/* x */--!PGPLEX pin\nSHOW a; --!pgplex pin");
  equal(first!.text, "SHOW a");
});

Deno.test("lexStatements refuses what does not end, with its place", () => {
  for (
    const [text, message] of [
      ["SHOW 'x", "unterminated quoted string at character 6"],
      ['SHOW "x', "unterminated quoted identifier at character 6"],
      ["/* x", "unterminated /* comment at character 1"],
      ['SHOW ""', "zero-length delimited identifier at character 6"],
      ["SHOW a..b", "a name is missing beside a dot at character 8"],
      ["SHOW $0", "there is no parameter $0 at character 6"],
      ["SHOW a.$1", 'syntax error at or near "$1"'],
      ["SHOW $101", "there is no parameter $101 at character 6"],
    ] as const
  ) throws(() => lexStatements(text), { code: "syntax_error", message });
});

Deno.test("lexStatements throws nothing but syntax errors, for any text", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", ".", "'", '"', "-", "/", "*", ";", "$", "1", " ", "\n", "=", "é"),
  });
  fc.assert(fc.property(text, (text) => {
    try {
      for (const { tokens } of lexStatements(text)) equal(tokens.length > 0, true);
    } catch (thrown) {
      equal(thrown instanceof PgplexError && thrown.code, "syntax_error");
    }
  }));
});

Deno.test("keywordOf is for single bare names only, paramCount finds the highest", () => {
  const [statement] = lexStatements("show \"show\" a.b 'x' $2 $1");
  deepEqual(statement!.tokens.map(keywordOf), ["SHOW", null, null, null, null, null]);
  equal(keywordOf(undefined), null);
  equal(paramCount(statement!), 2);
});
