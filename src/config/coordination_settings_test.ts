import assert from "node:assert/strict";
import { COORDINATION_ROWS } from "./coordination_settings.ts";

Deno.test("no key of coordination changes without a restart", () => {
  const live = Object.entries(COORDINATION_ROWS).filter(([, { reload }]) => reload !== "restart");
  assert.deepEqual(live, []);
});
