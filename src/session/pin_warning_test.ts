import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { warnOfPins } from "./pin_warning.ts";

Deno.test("warnOfPins names the session, the reasons and the statement, one warning for each user and database", () => {
  const said: unknown[] = [];
  const warnings = { say: (...warning: unknown[]) => void said.push(warning) };
  const who = { id: 7, user: "alice", database: "app" };
  warnOfPins(warnings, who, ["temporary object", "advisory lock"], "CREATE TEMP TABLE t ()");
  deepEqual(said, [[
    "pin temporary object, advisory lock alice app",
    "session pinned to its server connection",
    {
      session: 7,
      user: "alice",
      database: "app",
      reason: "temporary object, advisory lock",
      statement: "CREATE TEMP TABLE t ()",
    },
  ]]);
});
