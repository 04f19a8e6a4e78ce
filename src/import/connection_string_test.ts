import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { formatPairs, parseConnectionString } from "./connection_string.ts";

Deno.test("parseConnectionString reads pairs, quotes and doubled quotes", () => {
  deepEqual(parseConnectionString("host=h  port = 5433 connect_query='set x = ''a b''' dbname="), [
    ["host", "h"],
    ["port", "5433"],
    ["connect_query", "set x = 'a b'"],
    ["dbname", ""],
  ]);
  deepEqual(parseConnectionString("  "), []);
});

Deno.test("parseConnectionString refuses what PgBouncer refuses", () => {
  for (const text of ["host", "host='a", "=x", "host=h port"]) equal(parseConnectionString(text), null, text);
});

Deno.test("formatPairs shows no password", () => {
  equal(formatPairs([["host", "h"], ["password", "geheim"]]), "host=h password=***");
});
