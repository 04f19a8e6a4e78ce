import { strictEqual as equal } from "node:assert/strict";
import { settingAt, settingNodeAt } from "./setting_at.ts";
import { SETTING_TREE } from "./settings.ts";

Deno.test("settingAt finds rows through names and places that the configuration chose", () => {
  equal(settingAt(["listen", "port"])?.path, "listen.port");
  equal(settingAt(["clusters", "any name", "nodes", 7, "host"])?.path, "clusters.*.nodes[].host");
  equal(settingAt(["auth", "users", "members", "password"])?.path, "auth.users.*.password");
});

Deno.test("settingNodeAt of no path at all is the whole table", () => {
  equal(settingNodeAt([]), SETTING_TREE);
});

Deno.test("settingAt knows no row below a single value, and none of another name", () => {
  for (const path of [["listen", "prot"], ["listen", "port", "x"], ["constructor"], ["listen", 0]]) {
    equal(settingAt(path), undefined, path.join("."));
  }
});
