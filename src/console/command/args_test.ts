import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { Args, type ParamValue, syntaxErrorAt } from "./args.ts";
import { lexStatements } from "./lexer.ts";

const args = (text: string, params: readonly ParamValue[] = []) =>
  new Args(lexStatements(text)[0]?.tokens ?? [], params);

Deno.test("Args.text is the same for a name, a quoted name, a string and a parameter", () => {
  const four = args(`app.x@main "app.x@main" 'app.x@main' $1`, ["app.x@main"]);
  equal(four.count, 4);
  for (let index = 0; index < 4; index++) equal(four.text(index), "app.x@main");
});

Deno.test("Args.text refuses what is no value, in PostgreSQL's words", () => {
  throws(() => args("a").text(1), { code: "syntax_error", message: "syntax error at end of input" });
  throws(() => args("a =").text(1), { message: 'syntax error at or near "="' });
  throws(() => args("$2", ["a"]).text(0), { sqlstate: "42P02", message: "there is no parameter $2" });
  throws(() => args("$1", [null]).text(0), { sqlstate: "22004" });
});

Deno.test("Args.keyword is for bare names only", () => {
  const three = args(`all "all" a.b`);
  deepEqual([0, 1, 2, 3].map((index) => three.keyword(index)), ["ALL", null, null, null]);
});

Deno.test("Args.texts takes as many values as it is told, with commas or without", () => {
  deepEqual(args("a, 'b' c").texts(1, 3), ["a", "b", "c"]);
  deepEqual(args("',' a").texts(2, 2), [",", "a"]); // a string is a value, whatever it says
  deepEqual(args("").texts(0, 1), []);
  throws(() => args("").texts(1, 1), { message: "syntax error at end of input" });
  throws(() => args("a b").texts(1, 1), { message: 'syntax error at or near "b"' });
});

Deno.test("Args.none refuses anything, and rest leaves out the first", () => {
  args("").none();
  throws(() => args("x").none(), { message: 'syntax error at or near "x"' });
  const rest = args("a $1", ["v"]).rest(1);
  deepEqual([rest.count, rest.text(0)], [1, "v"]);
});

Deno.test("syntaxErrorAt shows a token as it was written, but no string", () => {
  const message = (text: string) => syntaxErrorAt(lexStatements(text)[0]!.tokens[0]!).message;
  equal(message('a."b c"'), 'syntax error at or near "a."b c""');
  equal(message("'secret'"), "syntax error at or near \"'…'\"");
  equal(message("$3"), 'syntax error at or near "$3"');
});
