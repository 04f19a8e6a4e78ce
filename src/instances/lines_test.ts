import { deepEqual } from "node:assert/strict";
import { Lines } from "./lines.ts";

Deno.test("Lines say a thing once, until another one is said under its key or it is unsaid", () => {
  const lines = new Lines();
  for (const text of ["a", "a", "b", "a"]) lines.say("info", "key", text);
  lines.say("error", "other", "a");
  deepEqual(lines.take().map(({ level, text }) => `${level} ${text}`), [
    "info a",
    "info b",
    "info a",
    "error a",
  ]);
  lines.say("info", "key", "a");
  deepEqual(lines.take(), []);
  lines.unsay("key");
  lines.say("info", "key", "a");
  deepEqual(lines.take(), [{ level: "info", text: "a" }]);
});
