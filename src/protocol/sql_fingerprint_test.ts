import { notStrictEqual as notEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { sqlFingerprint } from "./sql_fingerprint.ts";

const encoder = new TextEncoder();

function fingerprint(sql: string, backslashes = false): number {
  const bytes = encoder.encode(sql);
  return sqlFingerprint(bytes, 0, bytes.length, backslashes);
}

/** Texts that look alike, in rows. */
const ALIKE: readonly (readonly string[])[] = [
  [
    "SELECT 1",
    "select   2",
    "SELECT 'text'",
    "SELECT E'it\\'s'",
    "SELECT $$body$$",
    "SELECT $a$ $$ $a$",
    "SELECT .5",
  ],
  [
    "SELECT 1",
    "SELECT 1e10",
    "SELECT 0x1F",
    "SELECT 1_000",
    "SELECT X'ff'",
    "SELECT b'01'",
    "SELECT N'x'",
  ],
  [
    "SELECT v FROM t",
    "select V from T",
    "SELECT v\nFROM\tt",
    "SELECT v FROM t -- end",
    "/* a /* b */ c */SELECT v FROM t",
  ],
  ["SELECT v FROM t", "SELECT v --x\rFROM t", "SELECT/**/v/**/FROM/**/t"],
  ["SELECT $1", "select $23 -- c"],
  ["SELECT 1 IN (1, 2)", "SELECT 1 IN (1)", "SELECT 1 IN ('a','b' , 'c')"],
  ["SELECT 1 IN ($1)", "SELECT 1 IN ($1,$2)"],
  ["SELECT E'a'\n'b'", "SELECT E'a' --'\n \r--\n\t'\\', f() --'", "SELECT E'a'"],
  ["INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES ('it''s; SET x = 1')"],
];

/** Texts that do not. */
const DIFFERENT: readonly (readonly [string, string])[] = [
  ["SELECT a", "SELECT b"],
  ["SELECT 1", "SELECT $1"],
  ["SELECT set_config('a.b', 'x', false)", "SELECT set_config($1, 'x', false)"],
  ["SELECT a b", "SELECT ab"],
  ["SELECT a, b", "SELECT a b"],
  ['SELECT "A"', 'SELECT "a"'],
  ["SELECT '1'", "SELECT '1'; SET x = '1'"],
  ["SELECT 1, a", "SELECT 1 a"],
  ["SELECT f(1)", "SELECT f(1, a)"],
  ["SET work_mem = 1", "RESET work_mem"],
  ["SELECT -- ;\n a", "SELECT ; a"],
  ["SELECT $x", "SELECT $y"],
  ["", "SELECT"],
  ["SELECT a.b", "SELECT a,b"],
  ["SELECT 1; SELECT 2", "SELECT 1 SELECT 2"],
  ["SELECT 1, 2", "SELECT 1, $1"],
  ["SELECT $1, $2", "SELECT $1, 2"],
  ["SELECT $1.a", "SELECT $1.b"],
  ["SELECT $1 a", "SELECT $1into a"],
  ["SELECT 1 a", "SELECT 1into a"],
  ["SELECT 0xff a", "SELECT 0xffinto a"],
  ["'x'", "do'x'"],
  ["SELECT a'x'", "SELECT b'x'"],
  ["SELECT E'a' 'b'", "SELECT E'a'\n'b'"],
  ["SELECT E'a'\n'b'", "SELECT E'a'\n'\\'', f() --'"],
  ["SELECT 1,,2", "SELECT 1,2"],
];

Deno.test("sqlFingerprint is the same for texts that differ in literals, numbers of parameters, comments, white space, case and lists", () => {
  for (const [first, ...others] of ALIKE) {
    for (const other of others) equal(fingerprint(other), fingerprint(first!), `${first} | ${other}`);
  }
});

Deno.test("sqlFingerprint differs where names, order or statements differ", () => {
  for (const [a, b] of DIFFERENT) notEqual(fingerprint(a), fingerprint(b), `${a} | ${b}`);
});

Deno.test("sqlFingerprint takes a backslash for what standard_conforming_strings says that it is", () => {
  const text = "SELECT '\\'; SET a = 1; --'";
  // On: the string is one backslash, and SET is a statement. Off: all of it is one string.
  equal(fingerprint(text, true), fingerprint("SELECT 'x'"));
  equal(fingerprint(text), fingerprint("SELECT 'x'; SET a = 1;"));
});

Deno.test("sqlFingerprint looks at nothing outside of its range", () => {
  const [before, text, after] = ["xx", "SELECT 'a', b", "'); DROP"];
  const bytes = encoder.encode(before + text + after);
  equal(sqlFingerprint(bytes, before.length, before.length + text.length), fingerprint(text));
});

const space = fc.constantFrom(
  " ",
  "\n",
  "\t ",
  "/* c */",
  "/* a /* nested */ 'b */ ",
  "-- line'\n",
  " -- \r ",
);
const literal = fc.oneof(
  fc.integer({ min: 0, max: 1e9 }).map(String),
  fc.string({ maxLength: 12 }).map((text) => `'${text.replaceAll("'", "''").replaceAll("\\", "")}'`),
  fc.string({ maxLength: 12 }).map((text) => `$q$${text.replaceAll("$", "")}$q$`),
  fc.constantFrom("E'\\'\\n'", "x'00'", "1.5e3"),
);

Deno.test("sqlFingerprint: white space, comments and literals do not change it", () => {
  const words = [
    "SELECT",
    "?",
    ",",
    "name",
    "FROM",
    '"T"',
    "WHERE",
    "a",
    "=",
    "?",
    "AND",
    "f",
    "(",
    "?",
    ")",
  ];
  const plain = fingerprint(words.map((word) => word === "?" ? "1" : word).join(" "));
  const gaps = fc.array(space, { minLength: words.length, maxLength: words.length });
  const values = fc.array(literal, { minLength: words.length, maxLength: words.length });
  fc.assert(fc.property(gaps, values, (gaps, values) => {
    const text = words.map((word, i) => (word === "?" ? values[i]! : word) + gaps[i]!).join("");
    equal(fingerprint(text), plain, text);
  }));
});

Deno.test("sqlFingerprint never throws, and is a safe integer, whatever the bytes", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(fc.constantFrom(...encoder.encode("'\"$-/*\\aE1., ;\n\x00\xff")), { maxLength: 60 })
      .map((list) => Uint8Array.from(list)),
  );
  fc.assert(fc.property(bytes, fc.boolean(), (bytes, backslashes) => {
    const hash = sqlFingerprint(bytes, 0, bytes.length, backslashes);
    equal(Number.isSafeInteger(hash) && hash >= 0, true);
    equal(sqlFingerprint(bytes, 0, bytes.length, backslashes), hash);
  }));
});
