import { equal } from "node:assert/strict";
import { record } from "./scene_test.ts";
import { recordedConditionOf } from "./standing.ts";

Deno.test("recordedConditionOf says of a node that it is being made a standby, or was to be", () => {
  const rejoin = { node: "n2", mode: "rewind", reason: "", startedAtMs: 0 } as const;
  const stored = record({
    rejoins: [{ ...rejoin, state: "running" }, { ...rejoin, node: "n3", state: "failed" }],
  });
  equal(recordedConditionOf(stored, "n2"), "rejoining");
  equal(recordedConditionOf(stored, "n3"), "quarantined");
  equal(recordedConditionOf(stored, "n1"), null);
});
