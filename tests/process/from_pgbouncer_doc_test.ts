import assert from "node:assert/strict";
import { FATES } from "../../src/import/settings_table.ts";

Deno.test("docs/FROM_PGBOUNCER.md has a row for every key that import knows, with what becomes of it", async () => {
  const text = await Deno.readTextFile(new URL("../../docs/FROM_PGBOUNCER.md", import.meta.url));
  const rows = text.split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  for (const [key, fate] of FATES) {
    const row = rows.find(([, name]) => name === key);
    assert.ok(row !== undefined, `${key} has no row`);
    if (fate.kind === "same") assert.equal(row[2], `\`${fate.path}\``, key);
    if (fate.kind === "left") assert.deepEqual(row.slice(2, 4), ["—", fate.why], key);
  }
});
