import { ok } from "node:assert/strict";
import { COMPLETION_SHELLS, completions } from "./completions.ts";
import { USAGE_COMMANDS, USAGE_OPTIONS } from "./tables.ts";

Deno.test("completions know every command, its words and every option, for each shell", () => {
  for (const shell of COMPLETION_SHELLS) {
    const text = completions(shell);
    for (const { name, words } of USAGE_COMMANDS) {
      for (const word of name === null ? words : [name, ...words]) {
        ok(text.includes(word), `${shell}: ${word}`);
      }
    }
    for (const { flag } of USAGE_OPTIONS) ok(text.includes(flag.slice(2)), `${shell}: ${flag}`);
  }
});
