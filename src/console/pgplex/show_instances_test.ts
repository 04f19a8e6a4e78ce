import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showInstances } from "./show_instances.ts";

Deno.test("showInstances has who is there, who leads, and for how long each counts", () => {
  const fake = new FakeParts();
  fake.instances.push(
    { ...fake.instances[0]!, leaseMs: 9_000.4 },
    {
      id: 2,
      name: "b",
      address: "10.0.0.2:6432",
      version: "1",
      isLeading: false,
      isThere: false,
      leaseMs: 0,
      sinceMs: 0,
    },
  );
  const since = "1970-01-01 00:00:00 UTC";
  deepEqual(showInstances(fake.parts).rows, [
    [1, "a", null, "1", true, null, since, true],
    [1, "a", null, "1", true, 9_000, since, true],
    [2, "b", "10.0.0.2:6432", "1", false, 0, since, false],
  ]);
});
