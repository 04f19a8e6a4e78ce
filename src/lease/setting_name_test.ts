import { strictEqual as equal } from "node:assert/strict";
import { settingName } from "./setting_name.ts";

Deno.test("settingName quotes each part of a setting's name", () => {
  equal(settingName("work_mem"), '"work_mem"');
  equal(settingName("my.name.x"), '"my"."name"."x"');
  equal(settingName('my.na"me.x'), '"my"."na""me"."x"');
});
