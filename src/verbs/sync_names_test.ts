import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { formatSyncNames, parseSyncNames, type SyncNames } from "./sync_names.ts";

const TABLE: readonly (readonly [string, SyncNames | null])[] = [
  ["", null],
  ["  ", null],
  ["s1", { method: "first", k: 1, names: ["s1"] }],
  ["s1, s2", { method: "first", k: 1, names: ["s1", "s2"] }],
  ["*", { method: "first", k: 1, names: ["*"] }],
  ["2 (s1, s2,s3)", { method: "first", k: 2, names: ["s1", "s2", "s3"] }],
  ["FIRST 2 (s1,s2)", { method: "first", k: 2, names: ["s1", "s2"] }],
  ['any 1 ("a ""b"" c", s2)', { method: "any", k: 1, names: ['a "b" c', "s2"] }],
  ["any, first", { method: "first", k: 1, names: ["any", "first"] }],
];

Deno.test("parseSyncNames reads the forms that PostgreSQL takes", () => {
  for (const [text, expected] of TABLE) deepEqual(parseSyncNames(text), expected, text);
});

Deno.test("parseSyncNames throws at what PostgreSQL refuses", () => {
  for (
    const text of [
      "s1,",
      ", s1",
      "s1 s2",
      "ANY 1 s1",
      "ANY 0 (s1)",
      "ANY 1 (s1",
      'ANY 1 ("s1)',
      "1 ()x",
      "a-b",
    ]
  ) {
    throws(() => parseSyncNames(text), /malformed/, text);
  }
});

Deno.test("formatSyncNames writes what is read as the same", () => {
  for (const [, names] of TABLE) deepEqual(parseSyncNames(formatSyncNames(names)), names);
  equal(formatSyncNames({ method: "any", k: 1, names: ["*"] }), "ANY 1 (*)");
});
