import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { editDistance, nearest, nearestFirst } from "./nearest.ts";

Deno.test("editDistance counts insertions, deletions, substitutions and swaps", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["abc", "", 3],
    ["kitten", "sitting", 3],
    ["port", "prot", 1],
  ];
  for (const [a, b, edits] of cases) {
    equal(editDistance(a, b), edits);
    equal(editDistance(b, a), edits);
  }
});

Deno.test("nearest finds a misspelled word and ignores case", () => {
  equal(nearest("pool_mod", ["pool_mode", "query_timeout"]), "pool_mode");
  equal(nearest("Listen", ["listen"]), "listen");
});

Deno.test("nearest offers nothing when every candidate is another word", () => {
  equal(nearest("x", ["c"]), undefined);
  equal(nearest("password", ["listen", "pool"]), undefined);
  equal(nearest("port", []), undefined);
});

Deno.test("nearestFirst sorts names by their likeness, whatever their case, and keeps the order of equals", () => {
  deepEqual(nearestFirst("POOL", ["clients", "polls", "pool", "pools", "stats"]), [
    "pool",
    "pools",
    "polls",
    "stats",
    "clients",
  ]);
  deepEqual(nearestFirst("", ["bb", "aa", "c"]), ["c", "bb", "aa"]);
  deepEqual(nearestFirst("x".repeat(10_000), ["a", "b"]), ["a", "b"]);
});
