import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showClusters } from "./show_clusters.ts";

Deno.test("showClusters has what each cluster has at the moment", () => {
  const fake = new FakeParts();
  const pool = fake.addPool({}, { total: 3 });
  fake.addPool({ user: "bob", node: 1 }, { total: 2 });
  fake.addSession(1, pool);
  fake.addSession(2, pool, { waiting: true });
  deepEqual(showClusters(fake.parts).rows, [
    ["main", "main-1", 2, 1, 1, 2, 2, 1, 5, "serving", 0, null, null],
    ["other", "other-1", 1, 1, 0, 0, 0, 0, 0, "serving", 0, null, null],
  ]);
});
