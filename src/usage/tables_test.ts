import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { CLUSTER_OPTION, USAGE_COMMANDS, USAGE_OPTIONS } from "./tables.ts";

Deno.test("each command's options are in the tables, and its synopsis begins with its name", () => {
  const flags = [...USAGE_OPTIONS, CLUSTER_OPTION].map(({ flag }) => flag);
  for (const { name, synopsis, words, options } of USAGE_COMMANDS) {
    deepEqual(options.filter((flag) => !flags.includes(flag)), []);
    if (name !== null) ok(synopsis.startsWith(name));
    if (words.length > 0) ok(synopsis.includes(words.join("|")));
  }
});
