import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { OPTION_NAMES } from "./option_names.ts";
import { findOption, formatOption, nearestOption, OPTIONS, parseOption } from "./options.ts";
import { good, MAIN } from "./parsed_test.ts";

const option = (name: string) => findOption(name)!;
/** The value of an option, or what was expected of it. */
const parsed = (name: string, text: string) => {
  const result = parseOption(option(name), text);
  return "value" in result ? result.value : result.expected;
};

Deno.test("OPTIONS has a row for each name, in their order, and each has a sentence", () => {
  deepEqual(OPTIONS.map(({ name }) => name), [...OPTION_NAMES]);
  for (const { name, doc } of OPTIONS) ok(/^[A-Z`].*\.$/.test(doc), name);
});

Deno.test("each option has a value of the pool's or one of its own, which its type takes", () => {
  const { pool } = good(MAIN).config;
  for (const spec of OPTIONS) {
    equal((spec.poolKey === null) !== (spec.initial === null), true, spec.name);
    const text = spec.poolKey === null ? spec.initial! : formatOption(spec, pool[spec.poolKey]);
    const value = spec.poolKey === null ? spec.initial : pool[spec.poolKey];
    deepEqual(parseOption(spec, text), { value }, spec.name);
  }
});

Deno.test("findOption takes a short name only where directives are read", () => {
  equal(findOption("timeout"), null);
  equal(findOption("timeout", { short: true })?.name, "query_timeout");
  equal(findOption("query_timeout", { short: true })?.name, "query_timeout");
  for (const name of ["", "TAG", "constructor"]) equal(findOption(name, { short: true }), null, name);
});

Deno.test("nearestOption offers what was misspelled, and nothing for another word", () => {
  deepEqual([nearestOption("intnt"), nearestOption("frobnicate")], ["intent", undefined]);
});

Deno.test("parseOption reads a value as a client writes it", () => {
  equal(parsed("query_timeout", "2s"), 2000);
  equal(parsed("query_timeout", "0"), 0);
  equal(parsed("pool_mode", "SESSION"), "session");
  equal(parsed("tag", ""), "");
  ok(/a duration/.test(String(parsed("query_timeout", "2"))));
  equal(parsed("intent", "perhaps"), "one of read, write");
});

Deno.test("parseOption takes a tag of 63 printable ASCII characters", () => {
  equal(parsed("tag", "x".repeat(63)), "x".repeat(63));
  for (const text of ["x".repeat(64), "\u00e4", "a\n", "\0"]) {
    equal(parsed("tag", text), "text of at most 63 printable ASCII characters");
  }
});

Deno.test("formatOption writes what SHOW prints", () => {
  equal(formatOption(option("query_timeout"), 90_000), "90s");
  equal(formatOption(option("intent"), "read"), "read");
});

Deno.test("parseOption takes digits for a text as they are: a tag may be 0", () => {
  for (const tag of ["0", "1", "007"]) deepEqual(parseOption(option("tag"), tag), { value: tag });
});
