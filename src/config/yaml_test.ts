import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import type { Node, YAMLMap } from "yaml";
import { bad, good, MAIN } from "./parsed_test.ts";
import { formatProblem } from "./problem.ts";
import { YamlText } from "./yaml.ts";

Deno.test("parseConfig refuses YAML that cannot be read, with the place", () => {
  const cases: [string, number, RegExp][] = [
    ["a: 'x", 1, /quote/],
    ["listen:\n\tport: 1", 2, /tab/],
    [MAIN + "---\na: 1", 2, /second document/],
    ["listen: { port: 1", 1, /bracket|missing|indent/],
    ["auth: { users: { a: @x } }", 1, /@ or ` must be in quotes/],
  ];
  for (const [text, line, message] of cases) {
    const problems = bad(text);
    ok(problems.some((problem) => message.test(problem.message)), problems.map(formatProblem).join("\n"));
    equal(problems[0]!.line, line);
  }
  equal(bad("x".repeat(2_000_000))[0]!.line, 0);
});

Deno.test("parseConfig refuses a key that stands twice, and goes on reading", () => {
  const problems = bad(MAIN + "listen:\n  port: 1\n  port: 2\n  prt: 3\nauth: { users: { 1: a, '1': b } }");
  deepEqual(problems.map(({ line, column }) => [line, column]), [[4, 3], [5, 3], [6, 24]]);
});

Deno.test("parseConfig resolves YAML anchors", () => {
  const text = "clusters: { a: { nodes: &n [{ name: x, host: y }] }, b: { nodes: *n } }";
  equal(good(text).config.clusters.get("b")!.nodes[0]!.host, "y");
});

Deno.test("YamlText knows the place of each node, from 1, and what an alias stands for", () => {
  const yaml = YamlText.parse("a: &x [1]\nb: *x\n");
  deepEqual([yaml.positionOf(0), yaml.positionOf(10)], [{ line: 1, column: 1 }, { line: 2, column: 1 }]);
  const [a, b] = (yaml.root as YAMLMap<unknown, Node>).items.map(({ value }) => value!);
  equal(yaml.resolve(b!), a);
  equal(yaml.resolve(a!), a);
  equal(YamlText.parse("").root, null);
});

Deno.test("YamlText never quotes what it could not read, which may be a password", () => {
  for (
    const text of [
      "a: hunter2: b",
      "a: 'hunter2",
      "hunter2\n---\nb",
      "a: !hunter2 x",
      "a: @hunter2",
    ]
  ) {
    const { problems } = YamlText.parse(text);
    ok(problems.length > 0, text);
    ok(!JSON.stringify(problems).includes("hunter2"), text);
  }
});

Deno.test("YamlText reads on behind keys that stand twice and tags that are not known, and behind nothing else", () => {
  const readable = (text: string) => YamlText.parse(text).problems.map((problem) => problem.readable);
  deepEqual(readable("1: a\n'1': b"), [true]);
  deepEqual(readable("a: !x b"), [true]);
  deepEqual(readable("a: [1"), [false]);
});
