import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { SettingNames } from "./setting_names.ts";

/** Names found in `text`, which comes in pieces of `size`. */
function namesIn(kind: "text" | "parameters", text: string, size: number): string[] {
  const names = new SettingNames(kind);
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) names.read(bytes, at, Math.min(bytes.length, at + size));
  return [...names.names].sort();
}

Deno.test("SettingNames finds names wherever the pieces of a text end, behind SET and in calls", () => {
  const padding = "x".repeat(3000);
  const text =
    `/* ${padding} */ SET My.First = '${padding}'; SELECT set_config('my.second', '${padding}', false)`;
  for (const size of [1000, 777, 10_000]) {
    deepEqual(namesIn("text", text, size).filter((name) => /first|second/.test(name)), [
      "my.first",
      "my.second",
    ]);
  }
});

Deno.test("SettingNames takes literals for names only where something sets by a function", () => {
  deepEqual(namesIn("text", "INSERT INTO t VALUES ('a.b')", 7), []);
  deepEqual(namesIn("text", "SELECT f('a.b'), current_setting('c.d')", 100), ["a.b", "c.d"]);
});

Deno.test("SettingNames takes whatever looks like one in parameters", () => {
  deepEqual(namesIn("parameters", `\0\0\0\x05my.own\0${"y".repeat(2000)}`, 500).includes("my.own"), true);
});

Deno.test("SettingNames finds a parameter's name behind a length whose bytes look like letters", () => {
  for (const length of ["\0\0\0A", "\0\x01\x11a", "\0\x01AZ", "\0AZ1", "\0abc"]) {
    deepEqual(namesIn("parameters", `\0\0${length}my.own `, 500).includes("my.own"), true, length);
  }
});
