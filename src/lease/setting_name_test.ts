import { strictEqual as equal } from "node:assert/strict";
import { isCut, settingName } from "./setting_name.ts";

Deno.test("settingName quotes each part of a setting's name", () => {
  equal(settingName("work_mem"), '"work_mem"');
  equal(settingName("my.name.x"), '"my"."name"."x"');
  equal(settingName('my.na"me.x'), '"my"."na""me"."x"');
});

Deno.test("isCut tells a name of which a part is longer than SQL takes, as only set_config sets it", () => {
  const longest = "n".repeat(63);
  for (const name of ["a.b", `a.${longest}`, `${longest}.${longest}`]) equal(isCut(name), false, name);
  for (const name of [`a.${longest}n`, `${longest}n.a`]) equal(isCut(name), true, name);
});
