import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { HEAD_BYTES_MAX, headMayConcern, sqlHead } from "./sql_head.ts";

const concerns = (text: string) => {
  const bytes = new TextEncoder().encode(text);
  return headMayConcern(bytes, 0, bytes.length, bytes.length);
};

Deno.test("headMayConcern sends on comments, SET, SHOW and RESET, and nothing that begins otherwise", () => {
  for (const text of ["--x", "/* x */", " \r\n\t-- y", "set x", "SHOW x", "reset x", "Set x", "  sHoW"]) {
    equal(concerns(text), true, text);
  }
  for (
    const text of ["", "  ", "select 1", "savepoint s", "release s", "begin", "s", "se", "returning", "\xff"]
  ) {
    equal(concerns(text), false, text);
  }
});

Deno.test("headMayConcern cannot tell before enough of the text has come, and never waits for more than a head", () => {
  const maybe = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    return headMayConcern(bytes, 0, bytes.length, 100_000);
  };
  for (const text of ["", " ", "s", "  se", "Sh", "re"]) equal(maybe(text), true, text);
  for (
    const text of ["x", " sel", "rex", "b", " ".repeat(HEAD_BYTES_MAX), `${" ".repeat(HEAD_BYTES_MAX)}s`]
  ) {
    equal(maybe(text), false, text);
  }
  // What lies behind the text is not looked at.
  equal(headMayConcern(new TextEncoder().encode("se\0t"), 0, 4, 2), false);
});

Deno.test("sqlHead leaves out a directive that may be cut off, and takes no part of a text for a statement", () => {
  const cut = (text: string) => {
    const { directives, empty, option } = sqlHead(text, false);
    return [directives.map((directive) => directive.arguments), empty, option];
  };
  deepEqual(cut("--!pgplex a=1\n--!pgplex b=12"), [[" a=1"], false, null]);
  deepEqual(cut("/*!pgplex a=1*/"), [[" a=1"], false, null]);
  deepEqual(cut("/*!pgplex a=1"), [[], false, null]);
  deepEqual(cut("SHOW pgplex.tag"), [[], false, null]);
});

Deno.test("sqlHead finds directives among white space, comments and semicolons at the head, and nowhere else", () => {
  const found = (text: string) =>
    sqlHead(text).directives.map((directive) => [directive.arguments, directive.index]);
  deepEqual(found("--!pgplex pin\nSELECT 1"), [[" pin", 0]]);
  deepEqual(found("/* driver */ -- one\n  --!pgplex a=1\r\n--!pgplex b=2\nSELECT"), [[" a=1", 22], [
    " b=2",
    37,
  ]]);
  deepEqual(found("/*!pgplex timeout=2s*/SELECT 1"), [[" timeout=2s", 0]]);
  deepEqual(found("/* /* nested */ */ ; --!pgplex pin"), [[" pin", 21]]);
  deepEqual(found("SELECT 1 --!pgplex pin"), []);
  deepEqual(found("SELECT '--!pgplex pin'"), []);
  deepEqual(found("--!pgplexed pin\nSELECT 1"), []);
  deepEqual(found("-- !pgplex pin\nSELECT 1"), []);
  deepEqual(found("/*! pgplex pin */ SELECT 1"), []);
  deepEqual(found("/* not closed --!pgplex pin"), []);
});

Deno.test("sqlHead says when there is no statement", () => {
  for (const text of ["", " ", ";", "--!pgplex pin", "--!pgplex pin\n;", "/* c */ -- d"]) {
    equal(sqlHead(text).empty, true, text);
  }
  for (const text of ["SELECT 1", "--!pgplex pin\nSELECT 1"]) equal(sqlHead(text).empty, false, text);
});

Deno.test("sqlHead reads SET, RESET and SHOW of pgplex's own options, as the only statement", () => {
  const set = (name: string, value: string | null) => ({ kind: "set", name, value });
  for (
    const [text, option] of [
      ["SET pgplex.pool_mode = session", set("pool_mode", "session")],
      ["set session PGPLEX . Pool_Mode to 'it''s';", set("pool_mode", "it's")],
      ['SET LOCAL "pgplex"."tag" TO DEFAULT -- why', set("tag", null)],
      ["SET pgplex.tag = 'default'", set("tag", "default")],
      ["SET pgplex.tag = Word", set("tag", "word")],
      ['SET pgplex.tag = "A ""word"""', set("tag", 'A "word"')],
      ["SET pgplex.a = 1, 2", set("a", "1, 2")],
      ["--!pgplex pin\nRESET pgplex.tag ;", { kind: "reset", name: "tag" }],
      ["SHOW pgplex.tag", { kind: "show", name: "tag" }],
      ['SHOW "pgplex.Tag"', { kind: "show", name: "tag" }],
      [`SET "pgplex.tag" = 'a'`, set("tag", "a")],
      ['RESET "pgplex.tag"', { kind: "reset", name: "tag" }],
      ['SHOW "pgplex.tag', null],
      ["SHOW work_mem", null],
      ["SET work_mem = 1", null],
      ["SET pgplexed.tag = 1", null],
      ["SHOW pgplex.tag; SELECT 1", null],
      ["SET pgplex.tag = 1; SELECT 1", null],
      ["SET pgplex.tag", null],
      ["SELECT 'SET pgplex.tag = 1'", null],
    ] as const
  ) deepEqual(sqlHead(text).option, option, text);
});

Deno.test("sqlHead takes a time that grows with the text, however it is nested", () => {
  for (
    const text of [
      "/*".repeat(50_000),
      "--\n".repeat(50_000),
      ";".repeat(100_000),
      `SET pgplex.a = ${" ".repeat(50_000)}x y`,
      `SET pgplex.a = ${" ".repeat(50_000)};;`,
    ]
  ) {
    sqlHead(text);
  }
});
