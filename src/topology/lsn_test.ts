import { strictEqual as equal } from "node:assert/strict";
import { lsnOf, lsnText } from "./lsn.ts";

Deno.test("lsnOf and lsnText read and write positions as PostgreSQL does", () => {
  for (const text of ["0/0", "0/1A", "16/B374D848", "FFFFFFFF/FFFFFFFF"]) equal(lsnText(lsnOf(text)!), text);
  for (const text of [null, "", "1", "0/G", "0/123456789"]) equal(lsnOf(text), null);
});
