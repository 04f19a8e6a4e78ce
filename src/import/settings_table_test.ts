import { ok } from "node:assert/strict";
import { FATES } from "./settings_table.ts";
import { imported } from "./imported_test.ts";

Deno.test("an import has a comment or a value for every key of PgBouncer's manual", async () => {
  for (const key of FATES.keys()) {
    const { yaml, carried, left } = await imported(`[pgbouncer]\n${key} = 1\n`);
    ok(carried + left > 0 || yaml.includes(`${key} = `), `${key}: ${yaml}`);
  }
});
