import { strictEqual as equal } from "node:assert/strict";
import { isArbitrated } from "./arbitrated.ts";
import type { CoordinationConfig, SuperuserConfig } from "./schema.ts";

Deno.test("isArbitrated holds where pgplex may move the primary, and where instances share the cluster", () => {
  const superuser = {} as SuperuserConfig;
  const shared = { coordination: {} as CoordinationConfig };
  const alone = { coordination: null };
  equal(isArbitrated(alone, { superuser, failover: "follow" }), false);
  equal(isArbitrated(alone, { superuser, failover: "manual" }), true);
  equal(isArbitrated(shared, { superuser, failover: "follow" }), true);
  equal(isArbitrated(shared, { superuser: null, failover: "follow" }), false);
});
