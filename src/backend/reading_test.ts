import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { readingOf, rereading } from "./reading.ts";

const READING = readingOf(new Map([["client_encoding", "UTF8"], ["DateStyle", "ISO, MDY"]]));

Deno.test("readingOf says nothing of constants where nobody has set any of it, and tells apart where somebody has", () => {
  equal(READING.constants, "");
  const first = readingOf(new Map([["bytea_output", "escape"]]));
  const second = readingOf(new Map([["extra_float_digits", "escape"]]));
  equal(first.constants === second.constants, false);
  equal(
    readingOf(new Map([["work_mem", "5MB"], ["client_encoding", "UTF8"], ["DateStyle", "ISO, MDY"]]))
      .literals,
    READING.literals,
  );
});

Deno.test("rereading sets what differs until the transaction ends, and resets what nobody had set", () => {
  const other = readingOf(
    new Map([["client_encoding", "UTF8"], ["DateStyle", "German, DMY"], ["array_nulls", "off"]]),
  );
  const sql = "SELECT WHERE pg_catalog.concat(pg_catalog.set_config('DateStyle', $1, true), " +
    "pg_catalog.set_config('array_nulls', $2, true)) IS NULL";
  const [first, second] = [READING, other].map(({ literals }) => ({ literals, path: "one" }));
  deepEqual(rereading(first!, second!), { sql, values: ["German, DMY", "off"] });
  deepEqual(rereading(second!, first!), { sql, values: ["ISO, MDY", null] });
  const elsewhere = { ...first!, path: "" };
  deepEqual(rereading(first!, elsewhere).values, [null]);
  deepEqual(rereading(elsewhere, first!), {
    sql: "SELECT WHERE pg_catalog.concat(pg_catalog.set_config('search_path', $1, true)) IS NULL",
    values: ["one"],
  });
});
