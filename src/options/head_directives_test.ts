import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { OPTION_NAMES } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { binaryFromUtf8, sqlHead, utf8FromBinary } from "../protocol/mod.ts";
import { type DirectiveRules, type HeadDirectives, headDirectives } from "./head_directives.ts";

/** What the head of `text` says, by rules that allow everything but for those given. */
function read(text: string, rules: Partial<DirectiveRules> = {}): HeadDirectives {
  const { directives, empty } = sqlHead(text);
  return headDirectives(directives, text, {
    allowed: OPTION_NAMES,
    pins: true,
    alone: empty,
    refusal: () => null,
    decode: (piece) => piece,
    ...rules,
  });
}

/** Changes as name=text, by scope. */
function said({ statement, transaction, session }: HeadDirectives): string[][] {
  return [statement, transaction, session].map((changes) =>
    changes.map(({ spec, text }) => `${spec.name}=${text}`)
  );
}

const messages = ({ problems }: HeadDirectives) => problems.map(({ message }) => message);

Deno.test("headDirectives puts together what several directives say, each in its scope and in their order", () => {
  const all = read(
    "--!pgplex tag=a\n/*!pgplex session tag=b pool_mode=session */ --!pgplex transaction tag=c intent=read\n" +
      "--!pgplex tag=d\nSELECT 1",
  );
  deepEqual(said(all), [["tag=a", "tag=d"], ["tag=c", "intent=read"], ["tag=b", "pool_mode=session"]]);
  deepEqual([all.pin, all.show, all.problems], [null, null, []]);
});

Deno.test("headDirectives takes the last of several pins and shows", () => {
  const all = read(
    "--!pgplex pin\n--!pgplex tag=a\n--!pgplex unpin show session\n--!pgplex show options\n--!pgplex tag=b",
  );
  deepEqual([all.pin, all.show], [false, "options"]);
});

Deno.test("headDirectives of a text without directives says nothing", () => {
  deepEqual(read("SELECT 1"), {
    statement: [],
    transaction: [],
    session: [],
    pin: null,
    show: null,
    problems: [],
  });
});

Deno.test("headDirectives follows no part of a directive with a problem, and goes on with the next one", () => {
  const all = read(
    "--!pgplex tag=a pin intnt=read\n--!pgplex session tag=b\n--!pgplex show session\nSELECT 1",
  );
  deepEqual(said(all), [[], [], ["tag=b"]]);
  deepEqual([all.pin, all.show], [null, null]);
  deepEqual(messages(all), [
    'unrecognized argument "intnt" of a directive',
    '"show session" must stand alone',
  ]);
  deepEqual(all.problems.map(({ code, extra }) => [code, extra.hint]), [
    ["invalid_directive", 'Perhaps you meant "intent".'],
    ["invalid_directive", "Send the directive without a statement."],
  ]);
});

Deno.test("headDirectives refuses options that are not allowed, with any other change of the same directive", () => {
  const all = read("--!pgplex intent=read tag=a\nSELECT 1", { allowed: ["intent"] });
  deepEqual(said(all), [[], [], []]);
  deepEqual(messages(all), ['permission denied to set parameter "pgplex.tag"']);
});

Deno.test("headDirectives asks for pool_mode where pin holds a server connection, and never for unpin", () => {
  const rules = { allowed: ["tag"] };
  const refused = read("--!pgplex pin\nSELECT 1", rules);
  deepEqual([refused.pin, messages(refused)], [null, ["permission denied to pin"]]);
  equal(refused.problems[0]!.extra.hint, "The operator's options_allowed does not list pool_mode.");
  equal(read("--!pgplex unpin\nSELECT 1", rules).pin, false);
  equal(read("--!pgplex pin\nSELECT 1", { ...rules, pins: false }).pin, true);
});

Deno.test("headDirectives asks for each change, with its scope, whether anything else speaks against it", () => {
  const asked: string[] = [];
  const all = read("--!pgplex session tag=a\n--!pgplex tag=b\n--!pgplex intnt=read\nSELECT 1", {
    refusal: ({ text }, scope) => {
      asked.push(`${scope} ${text}`);
      return scope === "session" ? new PgplexError("option_fixed", "not now", { hint: "Later." }) : null;
    },
  });
  deepEqual(asked, ["session a", "statement b"]);
  deepEqual(said(all), [["tag=b"], [], []]);
  deepEqual(
    [all.problems[0]!.code, all.problems[0]!.message, all.problems[0]!.extra.hint],
    ["invalid_directive", "not now", "Later."],
  );
});

Deno.test("headDirectives says where in the text a problem is, in characters from 1", () => {
  const place = (text: string, rules?: Partial<DirectiveRules>) =>
    read(text, rules).problems[0]!.extra.position;
  const unknown = "--!pgplex intnt=read";
  equal(place(unknown), unknown.indexOf("intnt") + 1);
  equal(place(`/* \u{1f600}\u00e9 pgplex */ ${unknown}`), 16 + unknown.indexOf("intnt") + 1);
  // What is refused as a whole is found behind the word pgplex.
  equal(place("--!pgplex pin\nSELECT 1", { allowed: [] }), "--!pgplex".length + 1);

  for (const args of ["tag='\u00e9' intnt=read", "tag=a\u00a0\u00a0intnt=read"]) {
    const text = `/* \u00e9\u{1f600} */--!pgplex ${args}`;
    const bytes = read(binaryFromUtf8(text), { decode: utf8FromBinary });
    deepEqual([bytes.problems[0]!.extra.position, messages(bytes)], [place(text), messages(read(text))]);
  }
});
