import { strictEqual as equal } from "node:assert/strict";
import { Fingerprints } from "../learning/mod.ts";
import { settingIn } from "./setting_in.ts";

const fingerprints = new Fingerprints();
const settingOf = (sql: string) => settingIn(fingerprints.learn(sql.length, sql, false));

Deno.test("settingIn names the one custom setting that a statement sets to a literal", () => {
  equal(settingOf("SET app.tenant = 'a'"), "app.tenant");
  equal(settingOf("set session App.Tenant to 'b' ;"), "app.tenant");
});

Deno.test("settingIn is empty where anything else is set, or done, or heeds it", () => {
  equal(settingIn(null), "");
  for (
    const sql of [
      "SET LOCAL app.tenant = 'a'",
      "SET work_mem = '5MB'",
      "SET datestyle = 'ISO'",
      "SET app.tenant TO DEFAULT",
      "RESET app.tenant",
      "SET app.tenant = 'a'; SELECT 1",
      "SELECT set_config('app.tenant', 'a', false)",
      "SET pgaudit.log = 'none'",
      "SET pgplex.query_timeout = '5s'",
    ]
  ) equal(settingOf(sql), "", sql);
});
