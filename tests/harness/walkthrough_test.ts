import assert from "node:assert/strict";
import { readWalkthrough } from "./walkthrough.ts";
import { Matcher } from "./walkthrough_matcher.ts";

const DOCUMENT = `
## Before

\`\`\`psql no
nothing=# SELECT 1;
\`\`\`

## A story

\`\`\`yaml
clusters: {}
\`\`\`

\`\`\`psql one
$ psql -p 6432 shop
shop=# BEGIN;
BEGIN
shop=*# SELECT 1;
\`\`\`

\`\`\`psql one
1
\`\`\`

## Behind
`;

Deno.test("readWalkthrough reads the blocks of one section, and tells a command that waits", () => {
  const { config, steps } = readWalkthrough(DOCUMENT, "A story");
  assert.equal(config, "clusters: {}");
  assert.deepEqual(steps.map(({ kind, input, output }) => [kind, input, output]), [
    ["open", "psql -p 6432 shop", ""],
    ["run", "BEGIN;", "BEGIN"],
    ["waits", "SELECT 1;", ""],
    ["answer", "", "1"],
  ]);
});

const WANTED = " id | name | since\n----+------+-------\n  7 | a    | 12:30\n  9 | b    | 12:31\n(2 rows)\n";

Deno.test("Matcher takes other ids and times, but the same ids for the same, and nothing else for anything else", () => {
  const matcher = new Matcher();
  matcher.check(WANTED.replace("7 |", "41 |").replace("12:30", "9:05"), WANTED, "here");
  assert.equal(matcher.actual("KILL_CLIENT 7;"), "KILL_CLIENT 41;");
  assert.equal(matcher.actual("SHOW sessions.9.state;"), "SHOW sessions.9.state;");
  const refused = [
    WANTED, // 7 is 41 by now
    WANTED.replace("7 |", "41 |").replace("| b ", "| c "),
    WANTED.replace("7 |", "41 |").replace("12:31", "never"),
    WANTED.replace("7 |", "41 |").replace("  9 | b    | 12:31\n(2 rows)", "(1 row)"),
    WANTED.replace("7 |", "41 |").replace(/name/, "called"),
    "SHOW",
  ];
  for (const actual of refused) assert.throws(() => matcher.check(actual, WANTED, "here"), actual);
});

Deno.test("Matcher lets rows and lines be left out where the document says so, and only there", () => {
  const some = " id | name | since\n----+------+-------\n…\n  9 | b    | 12:31\n…\n";
  const all = " id | name | since\n----+------+-------\n  1 | x    | 12:29\n" +
    WANTED.split("\n").slice(2).join("\n");
  new Matcher().check(all, some, "here");
  assert.throws(() => new Matcher().check(all.replace("b   ", "c   "), some, "here"));
  const record = "-[ RECORD 1 ]\nid   | 7\n…\nsize | 4\n…\n";
  new Matcher().check("-[ RECORD 1 ]\nid   | 8\nname | a\nsize | 4\nlast | z\n", record, "here");
  assert.throws(() => new Matcher().check("-[ RECORD 1 ]\nid   | 8\nname | a\nsize | 5\n", record, "here"));
  const two = "-[ RECORD 1 ]\nid | 8\n-[ RECORD 2 ]\nid | 9\n";
  new Matcher().check(two, "-[ RECORD 1 ]\nid | 7\n…\n", "here");
  assert.throws(() => new Matcher().check(two, "-[ RECORD 1 ]\nid | 7\n", "here"));
});
