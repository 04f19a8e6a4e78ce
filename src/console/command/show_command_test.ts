import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { columns } from "../answer/mod.ts";
import { Args } from "./args.ts";
import type { CommandContext } from "./command.ts";
import { lexStatements } from "./lexer.ts";
import { showCommand } from "./show_command.ts";

Deno.test("showCommand answers its table of the context, and takes no arguments", () => {
  const context = { version: "1" } as CommandContext;
  const table = { columns: columns("version text"), rows: [["1"]] };
  const command = showCommand("VERSION", (given) => (equal(given, context), table));
  deepEqual([command.words, command.access], [["SHOW", "VERSION"], "stats"]);
  equal(command.run(new Args([]), context), table);
  throws(() => command.run(new Args(lexStatements("x")[0]!.tokens), context), { code: "syntax_error" });
});
