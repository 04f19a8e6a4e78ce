import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { parseUserlist } from "./userlist.ts";

function read(text: string): Record<string, string | null> {
  const list = parseUserlist(text);
  ok("users" in list, JSON.stringify(list));
  return Object.fromEntries([...list.users].map(([name, secret]) => [name, secret?.reveal() ?? null]));
}

function problems(text: string) {
  const list = parseUserlist(text);
  ok("problems" in list);
  return list.problems;
}

Deno.test("parseUserlist reads users, doubled quotes, comments, blanks and further columns as PgBouncer does", () => {
  const text = [
    "\uFEFF; a comment",
    '  ;"dead" "line"',
    "",
    '"alice" "secret"',
    '\t"bob"\t"md5d41d8cd98f00b204e9800998ecf8427e" "" ignored "also\r',
    '"c""d" "e""f;""" ; not a part of it',
    '"SCRAM user"    "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5"',
    '"close""" "x""y"',
  ].join("\n");
  deepEqual(read(text), {
    "alice": "secret",
    "bob": "md5d41d8cd98f00b204e9800998ecf8427e",
    'c"d': 'e"f;"',
    "SCRAM user": "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5",
    'close"': 'x"y',
  });
});

Deno.test("parseUserlist gives null for an empty secret and nothing for an empty file", () => {
  deepEqual(read('"alice" ""'), { alice: null });
  deepEqual(read(""), {});
});

Deno.test("parseUserlist reports every bad line with its place and shows none of it", () => {
  const text =
    '"ok" "x"\nalice hunter2\n"bob" hunter2\n"carl "hunter2"\n"dora"\n"" "hunter2"\n  "ok" "hunter2"\n';
  const found = problems(text);
  deepEqual(found.map(({ line, column }) => [line, column]), [[2, 1], [3, 7], [4, 8], [5, 7], [6, 1], [
    7,
    3,
  ]]);
  for (const { message } of found) ok(!message.includes("hunter2"), message);
  ok(found[5]!.message.includes("line 1"));
});

Deno.test("parseUserlist holds PgBouncer's limits in bytes", () => {
  equal(problems(`"${"ü".repeat(64)}" "x"`).length, 1);
  equal(problems(`"a" "${"x".repeat(2048)}"`).length, 1);
  equal(read(`"a" "${"x".repeat(2047)}"`).a!.length, 2047);
});
