import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { Secret } from "./secret.ts";
import type { SettingType } from "./setting.ts";
import { describeShape, describeType, formatValue, parseValue, textIn } from "./value.ts";

/** What of `good` is taken as it is, and that nothing of `bad` is taken. */
function takes(type: SettingType, good: readonly unknown[], bad: readonly unknown[]): void {
  for (const raw of good) deepEqual(parseValue(type, raw), { value: raw }, JSON.stringify(raw));
  for (const raw of bad) {
    deepEqual(parseValue(type, raw), { expected: describeType(type) }, JSON.stringify(raw));
  }
}

Deno.test("parseValue takes text of its shape, and null where that is a value", () => {
  takes({ kind: "text" }, ["a", "x".repeat(4096)], [
    null,
    "",
    1,
    true,
    "a\0",
    "x".repeat(4097),
    "\u00e4".repeat(2049),
  ]);
  takes({ kind: "text", nullable: true }, [null, "a"], [""]);
  takes({ kind: "text", shape: "absolute" }, ["/run"], ["run"]);
});

Deno.test("parseValue makes a list of one text, and counts", () => {
  const type: SettingType = { kind: "texts", entriesMax: 2 };
  deepEqual(parseValue(type, "a"), { value: ["a"] });
  takes(type, [[], ["a", "b"]], [["a", "b", "c"], [1], [""], null]);
  takes({ kind: "texts", entriesMax: 2, values: ["a"] }, [["a"]], [["b"], "b"]);
});

Deno.test("parseValue keeps numbers within their limits, and never takes text for one", () => {
  takes({ kind: "integer", min: 1, max: 3 }, [1, 3], [0, 4, 1.5, NaN, "2", null, true]);
});

Deno.test("parseValue makes milliseconds and bytes of what has a unit", () => {
  const duration: SettingType = { kind: "duration", minMs: 10 };
  deepEqual(parseValue(duration, "10ms"), { value: 10 });
  takes(duration, [], ["9ms", "0", 0, 0.009, -1, 3e6, NaN, "10", null]);
  deepEqual(parseValue(duration, 10), { value: 10_000 });
  deepEqual(parseValue(duration, 0.25), { value: 250 });
  deepEqual(parseValue({ kind: "duration" }, 0), { value: 0 });
  const size: SettingType = { kind: "size", min: 1024, max: 2048 };
  deepEqual(parseValue(size, "1kB"), { value: 1024 });
  takes(size, [], ["1023B", "2049B", 1024, "0"]);
});

Deno.test("parseValue takes a choice as it is spelled", () => {
  takes({ kind: "choice", values: ["read", "write"] }, ["read"], ["Read", "", null, ["read"]]);
});

Deno.test("parseValue takes true and false, and what SET may say for them", () => {
  takes({ kind: "boolean" }, [true, false], ["yes", 1, 0, "", null]);
  deepEqual(["on", "off", "true", "false"].map((raw) => parseValue({ kind: "boolean" }, raw)), [
    { value: true },
    { value: false },
    { value: true },
    { value: false },
  ]);
});

Deno.test("parseValue wants $1 in a look-up, and not $10 alone", () => {
  takes({ kind: "query" }, [null, true, "SELECT $1", "$10 $1"], [false, "SELECT 1", "$10", "", 1, "$1\0"]);
});

Deno.test("parseValue hides a secret as soon as it has one, up to 2047 bytes", () => {
  const type: SettingType = { kind: "secret" };
  const one = parseValue(type, "hunter2");
  ok("value" in one && one.value instanceof Secret && one.value.reveal() === "hunter2");
  ok("value" in parseValue(type, "x".repeat(2047)));
  takes(type, [null], ["", 1, "a\0", "x".repeat(2048), "\u00e4".repeat(1024)]);
});

Deno.test("parseValue takes a file or variable by its name, and not by its text", () => {
  takes({ kind: "file", contents: "", holds: "key" }, ["a.pem"], [null, "-----BEGIN\nx", "", 1]);
  takes({ kind: "file", contents: "", holds: "key", nullable: true }, [null], []);
  takes({ kind: "env", contents: "" }, [null, "PGPASSWORD"], ["a\rb", "", 1]);
});

Deno.test("parseValue takes no group, map or list: these are read by their members", () => {
  takes({ kind: "group" }, [], [{}, null, new Map()]);
  takes({ kind: "map", entriesMin: 0, names: "any" }, [], [{}, new Map()]);
  takes({ kind: "list", entriesMin: 0 }, [], [[]]);
});

Deno.test("textIn knows each shape's letters and length", () => {
  const good = [["name", "a_1.b-c"], ["name", "x".repeat(63)], ["database", "\u00e4 b"], [
    "user",
    "x".repeat(127),
  ]] as const;
  for (const [shape, text] of good) equal(textIn(shape, text), text);
  const bad = [
    ["name", "a b"],
    ["name", "-a"],
    ["name", "\u00e4"],
    ["name", "x".repeat(64)],
    ["database", "\u00e4".repeat(32)],
    ["user", "x".repeat(128)],
    ["any", "\0"],
    ["any", 1],
  ] as const;
  for (const [shape, text] of bad) equal(textIn(shape, text), undefined, `${shape} ${text}`);
});

Deno.test("describeType says the limits, and what else may stand there", () => {
  equal(describeType({ kind: "integer", min: 1, max: 3 }), "a whole number from 1 to 3");
  ok(describeType({ kind: "duration", minMs: 1000 }).startsWith("a duration of 1s or more"));
  ok(describeType({ kind: "size", min: 0, max: 2048 }).startsWith("a size from 0B to 2kB"));
  equal(describeType({ kind: "choice", values: ["a", "b"] }), "one of a, b");
  equal(describeType({ kind: "text", nullable: true }), "text or null");
  equal(describeType({ kind: "group", shorthand: "port" }), "a port or a mapping of keys to values");
  for (const shape of ["any", "name", "database", "user", "absolute"] as const) {
    ok(describeShape(shape).length > 3);
  }
});

Deno.test("formatValue writes a value on one line, and of a secret nothing", () => {
  equal(formatValue({ kind: "secret" }, new Secret("hunter2")), "***");
  equal(formatValue({ kind: "text" }, new Secret("hunter2")), "***");
  equal(formatValue({ kind: "secret" }, "hunter2"), "***");
  equal(formatValue({ kind: "secret" }, null), "null");
  equal(formatValue({ kind: "duration" }, 5000), "5s");
  equal(formatValue({ kind: "size", min: 0, max: 1 }, 1024), "1kB");
  equal(formatValue({ kind: "texts", entriesMax: 2 }, ["a", "b"]), "a, b");
  equal(formatValue({ kind: "query" }, true), "true");
  equal(formatValue({ kind: "text" }, undefined), "null");
});
