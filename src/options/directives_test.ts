import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { type Directive, type DirectiveProblem, parseDirective } from "./directives.ts";

const good = (text: string): Directive => {
  const directive = parseDirective(text);
  ok(!("message" in directive), `${text}: ${JSON.stringify(directive)}`);
  return directive;
};
const bad = (text: string): DirectiveProblem => {
  const directive = parseDirective(text);
  ok("message" in directive, text);
  return directive;
};
const pairs = (text: string) => good(text).changes.map(({ spec, value }) => [spec.name, value]);

Deno.test("parseDirective reads scopes, options and their short names", () => {
  deepEqual(pairs(" intent=read timeout=2s"), [["intent", "read"], ["query_timeout", 2000]]);
  equal(good(" intent=read").scope, "statement");
  equal(good("session pool_mode = session").scope, "session");
  equal(good(" TRANSACTION intent=READ ").scope, "transaction");
  deepEqual(pairs(" tag='it''s, a tag', intent=write"), [["tag", "it's, a tag"], ["intent", "write"]]);
  deepEqual(pairs(" tag=''"), [["tag", ""]]);
});

Deno.test("parseDirective reads pin, unpin and show", () => {
  equal(good(" pin").pin, true);
  equal(good(" session unpin tag=x").pin, false);
  equal(good(" show session").show, "session");
  equal(good(" Show  Options").show, "options");
});

Deno.test("parseDirective refuses what is unknown or malformed, and says where", () => {
  for (
    const [text, index, message] of [
      ["", 0, "a directive without arguments"],
      [" session", 0, "a directive without arguments"],
      [" intnt=read", 1, 'unrecognized argument "intnt" of a directive'],
      [" intent=read sesion", 13, 'unrecognized argument "sesion" of a directive'],
      [" intent=perhaps", 1, 'invalid value for option "intent": "perhaps"'],
      [" timeout=2", 1, 'invalid value for option "query_timeout": "2"'],
      [" pool_mode=session", 1, 'option "pool_mode" cannot be set for one statement'],
      [" transaction pin", 13, '"pin" cannot be set for one transaction'],
      [" show", 1, '"show" must be followed by session or options'],
      [" show sessions", 1, '"show" must be followed by session or options'],
      [" = 3", 0, "syntax error in a directive"],
      [" tag='open", 5, "syntax error in a directive"],
    ] as const
  ) {
    const problem = bad(text);
    equal(problem.message, message, text);
    equal(problem.index, index, text);
  }
  equal(bad(" intnt=read").hint, 'Perhaps you meant "intent".');
});

Deno.test("parseDirective takes text that is printable ASCII alone: other bytes mean something else in each encoding", () => {
  for (const value of ["\u8868", "a\u0001", "\ufffd\\", "x".repeat(64)]) {
    equal(bad(` tag='${value}'`).message, `invalid value for option "tag": "${value}"`);
  }
  deepEqual(pairs(" tag='a\\b'"), [["tag", "a\\b"]]);
});

Deno.test("parseDirective takes a time that grows with the text", () => {
  bad(`pin${" ".repeat(100_000)}=`);
});
